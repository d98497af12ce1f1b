"""The weights of the perceptual measures LPIPS and DISTS: published networks, and the additional weights of each measure.

They are fetched by name only (`fetch measures:lpips`), since they have hundreds of megabytes that no method needs.
"""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, WeightFile, WheelMember

LPIPS = Checkpoint(
    name="lpips",
    title="LPIPS on AlexNet",
    files=(
        WeightFile(
            "alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            244_408_911,
            ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
        ),
        WeightFile(
            "lpips-0.1-alex.pth",
            "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            6_009,
            (
                WheelMember(
                    "lpips", "0.1.4", "lpips/weights/v0.1/alex.pth",
                    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 6_009, 53_763,
                ),
            ),
        ),
    ),
    licence="BSD-2-Clause",
)  # fmt: skip
DISTS = Checkpoint(
    name="dists",
    title="DISTS on VGG16",
    files=(
        WeightFile(
            "vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            553_433_881,
            ("https://download.pytorch.org/models/vgg16-397923af.pth",),
        ),
        WeightFile(
            "dists-0.1.pt",
            "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
            12_288,
            (
                WheelMember(
                    "DISTS-pytorch", "0.1", "DISTS_pytorch/weights.pt",
                    "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218", 12_288, 20_501,
                ),
            ),
        ),
    ),
    licence="MIT",
)  # fmt: skip
CHECKPOINTS = (LPIPS, DISTS)
