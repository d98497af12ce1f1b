"""The cases of `bench speed`: networks as they are commonly run, each with one image size.

Weights are real if they are embedded, or published and stored here. Otherwise they are random, which takes the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint, Tiling
from sr_demo.errors import BadInput
from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job, job_for

SCALE = 4
_SLOW_WITH_ATTENTION = ("onnxruntime-fp32", "tile-loop")
_AS_RRDB = ("tile-loop", "onnxruntime-fp32", "openvino-fp32", "openvino-bf16")
"""Paths whose time does not depend on the weights. int8 is measured with the weights of `x4plus-96` only, where its loss is
meaningful."""


@dataclass(frozen=True)
class Case:
    """One network on one image size."""

    name: str
    title: str
    side: int
    """Side of the image in pixels."""
    build: Callable[[], Any]
    """Builds the plain network, an nn.Module in fp32, as its authors or spandrel wrote it; see `network`."""
    tiling: Tiling
    bytes_per_pixel: int
    attention: bool = False
    int8: str = ""
    """Stem of the weights in `weights/` and of their int8 form in `weights/int8/`; "" if none ships."""
    scale: int = SCALE
    precisions: tuple[str, ...] = ("fp32", "bf16")
    """Precisions in which the page runs the network in torch."""
    published: str = ""
    """`ID:CHECKPOINT` of the weights that replace random ones if they are stored here."""
    slow: tuple[str, ...] = ()
    """Paths that take minutes, or as long as in another case; measured only on request."""

    def network(self) -> Any:
        """Return the network of `build`, with the published weights if they are stored here."""
        stored = self._stored()
        return self.build() if stored is None else _plain(checkpoints.fetch(stored)[0])

    def described(self) -> str:
        """Return a description of the network, its input and, if it has published weights, whether these are used."""
        text = f"{self.title}, {self.side} x {self.side} pixels"
        if not self.published:
            return text
        if self._stored() is not None:
            return f"{text}, weights of {self.published}"
        return f"{text}, random weights, which take the same time: {self.published} is not stored here"

    def _stored(self) -> Checkpoint | None:
        if not self.published:
            return None
        checkpoint = job_for(APPROACHES, self.published).checkpoint
        return checkpoint if checkpoints.is_available(checkpoint) else None


def _plain(file: Path) -> Any:
    """Return the network of a checkpoint as spandrel builds it.

    `spandrel_loader` is not used, since it fuses the attention; the plain network is what others run.
    """
    from spandrel import ModelLoader

    return ModelLoader(device="cpu").load_from_file(file).model


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


def _dat_light() -> Any:
    from spandrel.architectures.DAT import DAT

    return DAT(
        img_size=64, embed_dim=60, split_size=[8, 32], depth=[18], num_heads=[6], expansion_factor=2, upscale=SCALE,
        upsampler="pixelshuffledirect", resi_connection="3conv",
    )  # fmt: skip


def _edsr() -> Any:
    from sr_demo.backends.embedded import build
    from sr_demo.backends.torch_backend import load_safetensors
    from sr_demo.checkpoint import card

    return load_safetensors(EMBEDDED / "edsr-x4.safetensors", build(card("edsr-x4")["architecture"]))


def _tiling(name: str) -> Tiling:
    """Return the tiling rule that the page uses for this method."""
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
    Case(
        "rrdb-96",
        "RRDB, 23 blocks",
        96,
        _rrdb,
        _tiling("real-esrgan:x4plus"),
        13_500,
        slow=("tile-loop", "ours-int8", "onnxruntime-fp32"),
    ),
    Case(
        "x4plus-96",
        "RRDB, 23 blocks",
        96,
        _rrdb,
        _tiling("real-esrgan:x4plus"),
        13_500,
        published="real-esrgan:x4plus",
        slow=_AS_RRDB,
    ),
    Case("edsr-128", "EDSR, 16 blocks of 64, ours", 128, _edsr, _tiling("edsr"), 2200, int8="edsr-x4"),
    Case(
        "hat-s-96",
        "HAT-S",
        96,
        partial(hat, 144, 24, 24),
        _tiling("hat:imagenet"),
        53_000,
        attention=True,
        slow=(*_SLOW_WITH_ATTENTION, "openvino-fp32", "openvino-bf16"),
    ),
    Case(
        "hat-tiny-128",
        "HAT, tiny, ours",
        128,
        partial(_plain, EMBEDDED / "hat-tiny-x4.safetensors"),
        _tiling("hat"),
        12_000,
        attention=True,
        int8="hat-tiny-x4",
        slow=_SLOW_WITH_ATTENTION,
    ),
    Case(
        "dat-light-64",
        "DAT, light",
        64,
        _dat_light,
        _tiling("dat:x4"),
        20_000,
        attention=True,
        slow=_SLOW_WITH_ATTENTION,
        precisions=("fp32",),
        published="dat:x4",
    ),
)


def of_model(job: Job) -> Case:
    """Return the case of a model file, on an image of 128 x 128. Raises BadInput if the file is not a single torch network.

    If spandrel reads the file, "plain" means its network with our fused attention (HAT, DRCT).
    """
    from sr_demo.user_models import networks

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
