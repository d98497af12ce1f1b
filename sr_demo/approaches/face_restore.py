"""Face restoration: GFPGAN restores the faces, EDSR or bicubic upscales the background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sr_demo.checkpoint import OWN, Checkpoint, Tiling, WeightFile, embedded
from sr_demo.diffusion.postprocessing import with_colours_of
from sr_demo.errors import WeightsUnavailable
from sr_demo.faces import alignment, detection
from sr_demo.faces.detection import YUNET
from sr_demo.hub import checkpoints
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.options import DetailOptions, Options, option, share
from sr_demo.progress import Progress
from sr_demo.spec import Approach, RemarkedImage, Request, Upscaler
from sr_demo.system.memory import budget

_SCALE = 4
# Our EDSR, with its halo.
BACKGROUND = embedded("background", "edsr-x4", "EDSR", bytes_per_pixel=2200)
_BACKGROUND_TILES = Tiling("tiles", halo=14, max_aspect=2)
_BACKGROUND_SHARE = 0.3
"""Share of the progress that the background takes in an image with faces."""
NOT_THE_PERSON = "a face from this may not be the person"
NO_FACE = "no face was found, so none was restored"

Restore = Callable[[Image], Image]
"""Function from a degraded to a restored face, both aligned, (512, 512, 3) in [0, 1]."""


@dataclass(frozen=True)
class FaceRestoreOptions(DetailOptions):
    """Options of the face restoration."""

    strength: float = share(
        1.0,
        "Strength of faces",
        "1 shows the faces that the network draws, 0 those of your photo.",
    )
    background: str = option(
        "edsr",
        "Everything else",
        "What enlarges everything but the faces: our network EDSR, or bicubic, which is quicker.",
        choices=("edsr", "bicubic"),
    )


class FaceRestorer:
    """Upscales an image and pastes restored faces into the result."""

    precision = "fp32"
    backend = "torch"
    loss_db = None

    def __init__(self, restore: Restore, background: Upscaler | None) -> None:
        """Set the function that restores a face, and the upscaler of the background; None for bicubic."""
        self._restore, self._background = restore, background

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """See `spec.Upscaler`."""
        return self.upscale_remarked(image, options, progress).image

    def upscale_remarked(self, image: Image, options: Options, progress: Progress) -> RemarkedImage:
        """See `spec.RemarkingUpscaler`."""
        assert isinstance(options, FaceRestoreOptions)
        faces = [face for face in detection.detect(image) if alignment.transform_of(face) is not None]
        restored = [alignment.refine_landmarks(image, face) for face in faces] if options.strength > 0 else []
        share = _BACKGROUND_SHARE if restored else 1.0
        out = self._enlarged(image, options, progress.part(0, share))
        for number, face in enumerate(restored):
            progress(share + (1 - share) * number / len(restored), f"face {number + 1} of {len(restored)}")
            self._paste(out, image, face, options.strength)
        progress(1.0)
        if not faces:
            return RemarkedImage(readonly(out), (NO_FACE,))
        return RemarkedImage(readonly(out), _remarks(len(restored)))

    def _enlarged(self, image: Image, options: Options, progress: Progress) -> NDArray[np.float32]:
        """Return the upscaled image with its faces unrestored, as a writeable array."""
        upscaler, (height, width) = self._background, image.shape[:2]
        if upscaler is None:
            out = resize(image, (height * _SCALE, width * _SCALE), progress=progress)
        else:
            plan = tiling.plan_tiles(_BACKGROUND_TILES, BACKGROUND.bytes_per_pixel, budget(), image.shape[:2])
            out = tiling.run(image, plan, _SCALE, lambda tile, part: upscaler.upscale(tile, options, part), progress)
        out.flags.writeable = True  # allocated here, and not returned yet
        return out

    def _paste(self, out: NDArray[np.float32], image: Image, face: detection.Face, strength: float) -> None:
        """Restore a face from the LR image and paste it into `out`, with the colours that `out` has there."""
        before, after = alignment.transform_of(face), alignment.transform_of(face, _SCALE)
        assert before is not None and after is not None
        drawn = self._restore(alignment.align_face(image, before))
        there = alignment.align_face(readonly(out.view()), after)
        matched = np.clip(with_colours_of(there, drawn, "wavelet"), 0, 1)
        alignment.paste(out, after, readonly(matched), strength)


def _remarks(faces: int) -> tuple[str, ...]:
    if not faces:
        return ()
    return ("1 face drawn anew" if faces == 1 else f"{faces} faces drawn anew", NOT_THE_PERSON)


def restorer(network: Callable[..., tuple[object, object]]) -> Restore:
    """Return a network of spandrel's class `GFPGANv1Clean`, in evaluation mode, as a function of one face."""
    import torch

    from sr_demo.backends.torch_backend import device, out_of_memory_translated, to_array, to_tensor

    def restore(face: Image) -> Image:
        with out_of_memory_translated(), torch.inference_mode():
            # The network expects values in [-1, 1]. The noise stored with the weights makes results reproducible.
            given = to_tensor(face).contiguous().to(device()) * 2 - 1  # its layers use `view`
            drawn, _ = network(given, return_rgb=False, randomize_noise=False)
            assert isinstance(drawn, torch.Tensor)
            return to_array(drawn * 0.5 + 0.5)

    return restore


def _load(request: Request) -> Upscaler:
    from sr_demo.backends import embedded as own
    from sr_demo.backends import spandrel_loader
    from sr_demo.backends.torch_backend import choose_precision, device

    _fetch(request.progress)
    choose_precision(request.precision, ("fp32",))
    network = spandrel_loader.load(request.files[0], "GFPGAN", 1).model.eval().to(device())
    assert isinstance(request.options, FaceRestoreOptions)
    background = None
    if request.options.background == "edsr":
        files = checkpoints.fetch(BACKGROUND)
        background = own.load(replace(request, checkpoint=BACKGROUND, files=files, precision="fp32"))
    return FaceRestorer(restorer(network), background)


def _fetch(progress: Progress) -> None:
    """Fetch the detector whose landmarks align faces. Raises WeightsUnavailable in one sentence."""
    try:
        checkpoints.fetch(YUNET, progress)
    except WeightsUnavailable as exc:
        raise WeightsUnavailable(
            "Faces are restored by the landmarks that the detector YuNet finds, and it is not here: "
            f"run `python -m sr_demo fetch faces` (0.2 MB). {exc}"
        ) from exc


APPROACH = Approach(
    id="face-restore",
    title="Face restoration",
    summary=f"draws faces anew: {NOT_THE_PERSON}",
    about="Finds faces, aligns them by five landmarks, and restores each with GFPGAN 1.4 (Wang et al. 2021, arXiv "
    "2101.04061), a network that draws faces from what it learned on 70 000 others. Everything else is enlarged faithfully. "
    "Faces come out sharp, and may be those of another person.",
    family="faces",
    load=_load,
    checkpoints=(
        Checkpoint(
            name="gfpgan",
            title="GFPGAN 1.4",
            files=(
                WeightFile(
                    "GFPGANv1.4.pth",
                    "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
                    348_632_874,
                    ("gmk123/GFPGAN:GFPGANv1.4.pth",
                     "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth"),
                ),
            ),
            # FFHQ, on which it was trained, is licensed CC BY-NC-SA 4.0.
            licence="Apache-2.0, trained on non-commercial FFHQ",
            parameters=86_444_252,
            bytes_per_pixel=2200,
            # EDSR, plus one face (395 GFLOP) per 256 x 256 pixels.
            flops_per_pixel=BACKGROUND.flops_per_pixel + 6e6,
        ),
    ),
    preferred=("gfpgan",),
    options=FaceRestoreOptions,
    load_options=("background",),
    tiling=OWN,
    scale=_SCALE,
    invents=True,
    preselected=False,
    fetch=_fetch,
)  # fmt: skip
