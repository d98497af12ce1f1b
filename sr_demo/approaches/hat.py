"""HAT: the hybrid attention transformer."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile, embedded
from sr_demo.options import GenerativeOptions
from sr_demo.spec import Approach, Request, Upscaler

_SCALE = 4
_BLENDED = Tiling("tiles", halo=32, multiple_of=16, blend=16, max_input_width=256)


def _load(request: Request) -> Upscaler:
    from sr_demo.backends.spandrel_loader import attention_upscaler

    return attention_upscaler(request, "HAT", _SCALE)


def _published(name: str, title: str, file: WeightFile, note: str, *, invents: bool = False) -> Checkpoint:
    return Checkpoint(
        name=name,
        title=title,
        files=(file,),
        parameters=20_772_507,
        bytes_per_pixel=53_000,
        flops_per_pixel=5.0e7,
        note=note,
        invents=invents,
    )


APPROACH = Approach(
    id="hat",
    title="HAT",
    summary="faithful, careful with texture",
    about="A transformer with window, overlapping-window and channel attention (Chen et al. 2023, arXiv 2205.04437): "
    "it uses a wider context than convolutions do and finds repeated structure. The published model is among the best "
    "by PSNR, and slow without a GPU.",
    family="attention",
    load=_load,
    checkpoints=(
        embedded(
            "tiny",
            "hat-tiny-x4",
            "ours, tiny",
            bytes_per_pixel=12_000,
            # Windows of 8. Channel attention averages over the whole tile, which no halo covers: see `bench halos`.
            tiling=Tiling("tiles", halo=8, multiple_of=16, blend=8),
        ),
        _published(
            "imagenet",
            "published, trained for PSNR",
            WeightFile(
                "HAT_SRx4_ImageNet-pretrain.pth",
                "4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833",
                85_137_601,
                ("Acly/hat:HAT_SRx4_ImageNet-pretrain.pth",),
            ),
            "Faithful; expects a clean photo.",
        ),
        _published(
            "real-gan",
            "published, sharpens real photos",
            WeightFile(
                "Real_HAT_GAN_sharper.pth",
                "5800b67136006eb8cab3b4ed7c8d73b6a195bb18e6cc709b674f9aa069c00271",
                170_277_017,
                ("Acly/hat:Real_HAT_GAN_sharper.pth",),
            ),
            "Trained as a GAN: may invent detail.",
            invents=True,
        ),
    ),
    preferred=("imagenet",),
    options=GenerativeOptions,
    tiling=_BLENDED,
    scale=_SCALE,
)
