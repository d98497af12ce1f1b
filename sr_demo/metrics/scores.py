"""The scores of one result, with their names and explanations for tables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from sr_demo.image import Image, Pixels
from sr_demo.metrics import perceptual
from sr_demo.metrics.full_reference import lr_consistency, psnr_rgb, psnr_y, ssim_y
from sr_demo.metrics.invention import Invention, invention
from sr_demo.metrics.niqe import niqe
from sr_demo.metrics.ring_correlation import frc_cutoff
from sr_demo.metrics.structure import gmsd, ms_ssim_y


@dataclass(frozen=True)
class Column:
    """One score as a column of a table."""

    key: str
    """Key in JSON and in the rows of an evaluation."""
    title: str
    unit: str
    help: str
    """One sentence for readers without training in the field."""
    digits: int
    higher_is_better: bool = True
    ranks: bool = True
    """Whether the best value means the best result. A blurred or wrong result can have the best value of other scores."""
    needs: str = ""
    """Command that installs the weights or the package of the measure; "" if it needs none."""


PSNR_Y = Column(
    "psnr_y", "PSNR-Y", "dB",
    "How close the brightness is to the original, pixel by pixel (BT.601 Y, 8 bit; a border as wide as the scale is "
    "cut, 4 px at 4x): about 1 dB more is a visible difference; higher is closer, not always nicer.", 2,
)  # fmt: skip
SSIM_Y = Column(
    "ssim_y", "SSIM-Y", "",
    "How well local structure matches the original (Y, 11 x 11 Gaussian window): 1 is identical.", 4,
)  # fmt: skip
PSNR_RGB = Column("psnr_rgb", "PSNR-RGB", "dB", "How close the three colours are to the original, pixel by pixel.", 2)
LR_CONSISTENCY = Column(
    "lr_consistency", "LR consistency", "dB",
    "How well the result agrees with your photo: it is scaled down again and compared with the input (PSNR-RGB, bicubic): "
    "low values mean that the method changed something or invented detail that is not in the input.", 2,
    ranks=False,
)  # fmt: skip
NIQE = Column(
    "niqe", "NIQE (own fit)", "",
    "How far the local statistics are from those of clean photos, without comparing to an original (fitted on our photos, so "
    "not comparable with published values): lower looks more natural to this measure; can be fooled.", 2,
    higher_is_better=False, ranks=False,
)  # fmt: skip
MS_SSIM = Column(
    "ms_ssim", "MS-SSIM", "",
    "How well structure matches the original, at five sizes at once, so that coarse structure counts too: 1 is identical.", 4,
)  # fmt: skip
GMSD = Column(
    "gmsd", "GMSD", "",
    "How unevenly the edges differ from those of the original: 0 is identical, lower is better.", 4, higher_is_better=False,
)  # fmt: skip
LPIPS = Column(
    "lpips", "LPIPS", "",
    "How different the result looks from the original to a network that knows photos (AlexNet): 0 is identical, lower is "
    "better. Its weights are 244 MB: `python -m sr_demo fetch measures:lpips`.", 4, higher_is_better=False,
    needs="python -m sr_demo fetch measures:lpips",
)  # fmt: skip
DISTS = Column(
    "dists", "DISTS", "",
    "How different the result looks from the original to a network (VGG16), tolerating similar texture: 0 is identical, "
    "lower is better. Its weights are 553 MB: `python -m sr_demo fetch measures:dists`.", 4, higher_is_better=False,
    needs="python -m sr_demo fetch measures:dists",
)  # fmt: skip
FLIP = Column(
    "flip", "FLIP", "",
    "Differences that people notice when they flip between result and original on a screen (67 pixels per degree): 0 is "
    "identical, lower is better. Needs a package: `pip install -r requirements-measures.txt`.", 4, higher_is_better=False,
    needs="pip install -r requirements-measures.txt",
)  # fmt: skip
FRC_CUTOFF = Column(
    "frc_cutoff", "Right up to", "%",
    "Up to which fineness the detail is that of the original, in percent of what its pixels can hold (Fourier ring "
    "correlation, threshold 1/7): higher is finer. Needs the original: without it, invented detail would count as resolved.",
    0,
)  # fmt: skip
IMPROVEMENT = Column(
    "improvement", "Right detail", "%",
    "Of the detail that scaling down removed: the share that the result has again, as the original has it "
    "(opensr-test: improvement). The best possible is 79 %.", 0,
)  # fmt: skip
OMISSION = Column(
    "omission", "Missing detail", "%",
    "The share that is still missing: there the result is like the input, only larger (opensr-test: omission).", 0,
    higher_is_better=False,
)  # fmt: skip
HALLUCINATION = Column(
    "hallucination", "Invented detail", "%",
    "The share where the result shows detail that neither the original nor the input has (opensr-test: hallucination).", 0,
    higher_is_better=False,
)  # fmt: skip
COLUMNS: tuple[Column, ...] = (
    PSNR_Y, SSIM_Y, PSNR_RGB, MS_SSIM, GMSD, LPIPS, DISTS, FLIP, FRC_CUTOFF,
    IMPROVEMENT, OMISSION, HALLUCINATION, LR_CONSISTENCY, NIQE
)  # fmt: skip


def unavailable_measures() -> tuple[Column, ...]:
    """Return the measures whose weights or package are missing."""
    return tuple(column for column in COLUMNS if column.needs and not perceptual.is_available(column.key))


@dataclass(frozen=True)
class Scores:
    """The scores of one result.

    A score is None without a reference, if an image is too small or flat (NIQE, MS-SSIM, GMSD, FRC), if the input has all the
    detail of the reference (improvement, omission, hallucination), or if weights or a package are missing (LPIPS, DISTS,
    FLIP).
    """

    psnr_y: float | None = None
    ssim_y: float | None = None
    psnr_rgb: float | None = None
    lr_consistency: float | None = None
    niqe: float | None = None
    improvement: float | None = None
    """Percent, like the next two; the three sum to 100."""
    omission: float | None = None
    hallucination: float | None = None
    ms_ssim: float | None = None
    """None for small images, like the next two."""
    gmsd: float | None = None
    frc_cutoff: float | None = None
    """Percent of Nyquist."""
    lpips: float | None = None
    """None for large images, like the next two."""
    dists: float | None = None
    flip: float | None = None


def score(result: Pixels, lr: Image, reference: Image | None, scale: int) -> Scores:
    """Compute all scores of one result.

    Args:
        result: (scale * H, scale * W, 3) in [0, 1], or levels of 0..255.
        lr: (H, W, 3) in [0, 1], the input of the method.
        reference: The HR image, of the size of `result`; None without a reference.
        scale: Scale factor, and number of pixels to cut at each border for full-reference metrics.

    Raises:
        BadInput: `reference` and `result` differ in size.
    """
    with ThreadPoolExecutor(1) as beside:  # Pillow, OpenCV and numpy release the GIL
        naturalness = beside.submit(niqe, result)
        consistency = lr_consistency(result, lr)
        if reference is None:
            return Scores(lr_consistency=consistency, niqe=naturalness.result().value)
        return Scores(
            psnr_y=psnr_y(result, reference, scale),
            ssim_y=ssim_y(result, reference, scale),
            psnr_rgb=psnr_rgb(result, reference, scale),
            ms_ssim=ms_ssim_y(result, reference, scale),
            gmsd=gmsd(result, reference, scale),
            frc_cutoff=frc_cutoff(result, reference, scale),
            lpips=perceptual.lpips(result, reference, scale),
            dists=perceptual.dists(result, reference, scale),
            flip=perceptual.flip(result, reference, scale),
            lr_consistency=consistency,
            niqe=naturalness.result().value,
            **_percent(invention(result, lr, reference)),
        )


def _percent(shares: Invention | None) -> dict[str, float]:
    return {} if shares is None else {name: 100 * share for name, share in asdict(shares).items()}
