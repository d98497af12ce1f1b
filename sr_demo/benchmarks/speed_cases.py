"""The cases of `bench speed`: networks as they are commonly run, each with one image size.

Weights are real where they are embedded, and random elsewhere, which takes the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Tiling
from sr_demo.errors import BadInput
from sr_demo.inference.jobs import Job, job_for

SCALE = 4


@dataclass(frozen=True)
class Case:
    """One network on one image size."""

    name: str
    title: str
    side: int
    """Side of the image in pixels."""
    build: Callable[[], Any]
    """Builds the plain network, an nn.Module in fp32, as its authors or spandrel wrote it."""
    tiling: Tiling
    bytes_per_pixel: int
    attention: bool = False
    int8: str = ""
    """Stem of the int8 form in `weights/int8/` of this architecture; "" where none ships."""
    scale: int = SCALE

    @property
    def multiple_of(self) -> int:
        """The network takes heights and widths that are multiples of this without padding."""
        return 16 if self.attention else 1


def _compact() -> Any:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=64, num_conv=32, upscale=SCALE)


def _rrdb() -> Any:
    from spandrel.architectures.ESRGAN import ESRGAN

    return ESRGAN(num_blocks=23, scale=SCALE)


def hat(embed_dim: int, compress_ratio: int, squeeze_factor: int) -> Any:
    """Build one of HAT's published configurations, which differ in these three arguments, with random weights."""
    from spandrel.architectures.HAT import HAT

    return HAT(
        img_size=64, embed_dim=embed_dim, depths=(6,) * 6, num_heads=(6,) * 6, window_size=16,
        compress_ratio=compress_ratio, squeeze_factor=squeeze_factor, overlap_ratio=0.5, mlp_ratio=2, upscale=SCALE,
        upsampler="pixelshuffle", resi_connection="1conv",
    )  # fmt: skip


def _hat_tiny() -> Any:
    from spandrel import ModelLoader

    # Not through `spandrel_loader`, which fuses the attention: the plain network is what others run.
    return ModelLoader(device="cpu").load_from_file(EMBEDDED / "hat-tiny-x4.safetensors").model


def _edsr() -> Any:
    from sr_demo.backends.embedded import build
    from sr_demo.backends.torch_backend import load_safetensors
    from sr_demo.checkpoint import card

    return load_safetensors(EMBEDDED / "edsr-x4.safetensors", build(card("edsr-x4")["architecture"]))


def _tiling(name: str) -> Tiling:
    """The tiling rule that the page uses for this method."""
    job = job_for(APPROACHES, name)
    return job.approach.tiling_of(job.checkpoint)


CASES: tuple[Case, ...] = (
    Case(
        "compact-256",
        "Compact, 32 convolutions of 64",
        256,
        _compact,
        _tiling("real-esrgan:general-x4v3"),
        1100,
    ),
    Case("rrdb-96", "RRDB, 23 blocks", 96, _rrdb, _tiling("real-esrgan:x4plus"), 13_500),
    Case("edsr-128", "EDSR, 16 blocks of 64, ours", 128, _edsr, _tiling("edsr"), 2200, int8="edsr-x4"),
    Case("hat-s-96", "HAT-S", 96, partial(hat, 144, 24, 24), _tiling("hat:imagenet"), 53_000, attention=True),
    Case("hat-tiny-128", "HAT, tiny, ours", 128, _hat_tiny, _tiling("hat"), 12_000, attention=True),
)


def of_model(job: Job) -> Case:
    """Return the case of a model file, on an image of 128 x 128. Raises BadInput where torch does not run it alone.

    Where spandrel reads the file, "plain" means its network with the attention fused as we fuse it (HAT, DRCT).
    """
    from sr_demo.own import networks

    loader, path = job.approach.load, job.checkpoint.files[0].path
    assert isinstance(loader, networks.Loader) and path is not None
    if loader.kind in ("onnx", "liif"):
        raise BadInput(
            f"{job.key} has no plain network in torch to be compared with. `bench growth` and `bench costs` measure it."
        )
    return Case(
        job.checkpoint.name, job.title, 128, lambda: networks.read(path).module, job.approach.tiling_of(job.checkpoint),
        job.checkpoint.bytes_per_pixel, attention=loader.mode == "convert", scale=loader.scale,
    )  # fmt: skip
