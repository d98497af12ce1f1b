"""The int8 rule: which networks run in int8 on request, and how much quality they may lose.

Where an int8 form ships with this app (`backends/shipped_int8.py`), it is opened. For any other checkpoint, and a user's own
network, the converted network of `backends/selection.py` is quantized once, as many of its convolutions as the allowed loss
permits, and stored beside it with the measured loss. From then on it is opened without torch.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import log10
from pathlib import Path

import numpy as np

from sr_demo.backends import openvino_backend, quantization, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConversionError, ConvertedNetwork
from sr_demo.backends.selection import ConvertedFiles
from sr_demo.errors import BadInput
from sr_demo.inference.jobs import Job, load_approach
from sr_demo.metrics.full_reference import LUMA, psnr_y
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler
from sr_demo.system import hardware, seals, storage

log = logging.getLogger("sr_demo")

MOST_LOSS = 0.03
"""dB of PSNR-Y that int8 may lose against fp32 on bundled photos; networks that lose more are refused. It keeps the loss on
Set5 to at most 0.05: RRDN, with 0.034 on the photos, lost 0.056 there."""
MODEL, RECORD = shipped_int8.MODEL, "quantised.json"  # words: ok
"""Files in the folder of a converted network: the quantized one, and its measured loss unless it came with this app."""
_RECIPE = 2
"""Raised when networks quantized by earlier versions must not be used any more."""
_LIKE_SET5 = 10**-3.15
"""Mean squared error at 31.5 dB, about what good networks reach on Set5."""
_WITHOUT_NETWORK = ("baseline", "retrieval")
"""Families whose methods ignore the requested precision."""
_NETWORKS = ("convolutional", "adversarial", "attention")
_INSTEAD = "Choose auto, bf16 or fp32."


@dataclass(frozen=True)
class Loss:
    """What a network loses in int8: dB of PSNR-Y, means over bundled photos that were not used for calibration."""

    scored: float
    """PSNR-Y against the reference in fp32, minus that in int8."""
    expected: float
    """What the difference between the two results would cost an image at 31.5 dB. The photos are harder than Set5, and on
    gray textures int8 often scores higher by chance: `scored` alone allowed a network that lost 0.07 dB there."""
    kept: int
    """Convolutions and linear layers that had to stay in floating point."""
    of: int
    """Convolutions and linear layers in the network."""

    @property
    def decibels(self) -> float:
        """The larger of the two: the loss that is compared with `MOST_LOSS`, and shown."""
        return max(self.scored, self.expected)


def load(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """Load the approach of an int8 job; methods without a network load as for every other precision.

    Quantization takes from seconds to minutes, once for each network.

    Args:
        job: with the precision "int8".
        files: verified local files of its checkpoint.
        progress: receives 0..1.

    Raises:
        BadInput: the network cannot run in int8, or loses too much.
        MissingDependency: a package for quantization is not installed.
        StorageError: the cache folder cannot be written.
        Cancelled: Stop was pressed.
    """
    exact = replace(job, precision="fp32")
    if job.approach.family in _WITHOUT_NETWORK:
        return load_approach(exact, files, progress)
    which = _checked(job)
    shipped = shipped_int8.of(job.checkpoint)
    if shipped is not None:
        shipped_int8.place(shipped, files, which.folder, progress.check)
        return shipped_int8.opened(shipped, which.folder, which.scale)
    found = opened(which, job.title)
    if found is None:
        quantization.require()

        def network() -> object:
            upscaler = load_approach(exact, files, progress)
            if not selection.can_prepare(upscaler):
                raise ConversionError(f"{type(upscaler).__name__} is not one network")
            return selection.graph(upscaler)

        try:
            make(which, network, progress)
        except ConversionError as exc:
            raise BadInput(
                f"{job.title} is not one network that OpenVINO runs, so there is no int8. {_INSTEAD}"
            ) from exc
        found = opened(which, job.title)
    assert found is not None, "it was quantized just now"
    return found


def _checked(job: Job) -> ConvertedFiles:
    """Return where the job's converted network lies. Raises BadInput or MissingDependency where there can be none."""
    approach = job.approach
    if approach.family not in _NETWORKS:
        raise BadInput(f"{job.title} cannot run in int8, which is for convolutional and attention networks. {_INSTEAD}")
    if hardware.gpu_bytes():
        raise BadInput(
            "int8 is for processors, and networks run on the GPU of this machine. Choose auto, bf16 or fp16."
        )
    if not openvino_backend.available():
        quantization.require()
    which = selection.converted_files(job.identity)
    if which is None:
        names = " and ".join(approach.load_options_of(job.checkpoint)) or "its options"
        raise BadInput(f"{job.title} runs in int8 only with {names} at the default. Change that, or the precision.")
    return which


def opened(which: ConvertedFiles, title: str) -> ConvertedNetwork | None:
    """Open the quantized network; None where it is not on disk. Raises BadInput where its loss is above `MOST_LOSS`."""
    loss = stored(which)
    if loss is None:
        return None
    if loss.decibels > MOST_LOSS:
        raise BadInput(
            f"{title} loses {loss.decibels:.2f} dB of PSNR-Y in int8, even where its most sensitive convolutions are left "
            f"out; {MOST_LOSS} dB is allowed. {_INSTEAD}"
        )
    if not openvino_backend.is_intact(which.folder, MODEL):
        shutil.rmtree(which.folder, ignore_errors=True)
        return None
    try:
        return ConvertedNetwork(which.folder, "int8", which.scale, model=MODEL, loss_db=loss.decibels)
    except RuntimeError as exc:
        log.warning("a network in int8 cannot be read and will be quantized again: %s", exc)
        shutil.rmtree(which.folder, ignore_errors=True)
        return None


def stored(which: ConvertedFiles) -> Loss | None:
    """Return the stored loss; None where there is none, or it is corrupt or of an earlier version."""
    try:
        known = seals.read_json(which.folder / RECORD, unsealed=True)
        return Loss(**known["loss"]) if known["recipe"] == _RECIPE else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def make(which: ConvertedFiles, network: Callable[[], object], progress: Progress) -> None:
    """Convert a network, quantize it, measure its loss, and store both.

    Args:
        which: where they go.
        network: returns the nn.Module to convert; called only where it was not converted before.
        progress: receives 0..1.

    Raises:
        ConversionError: OpenVINO cannot run the network.
        SRError: as `load` does; Cancelled too.
    """
    progress(0.0, "converting, once for this network")
    selection.convert(which, network, progress.check)
    with storage.guarded(which.folder), storage.alone(which.folder, progress.check):
        if stored(which) is None:  # no other process has quantized it meanwhile
            loss = quantize(which.folder, which.scale, progress)
            record = seals.sealed_json({"recipe": _RECIPE, "loss": asdict(loss)})
            storage.write_atomically(which.folder / RECORD, record)


def quantize(kept_in: Path, scale: int, progress: Progress) -> Loss:
    """Quantize the converted network in a folder with the most convolutions in int8 that the allowed loss permits.

    Args:
        kept_in: folder of the converted network; the quantized one is written there as `MODEL`.
        scale: scale factor of the network.
        progress: receives 0..1.

    Returns:
        The loss of what was written; where every choice loses more than `MOST_LOSS`, the smallest loss, and no file.

    Raises:
        SRError: quantization failed; Cancelled too.
    """
    source = kept_in / openvino_backend.MODEL
    known, samples = quantization.operations(source), quantization.photos(scale)
    exact = ConvertedNetwork(kept_in, "fp32", scale)
    found, ways = list[Loss](), quantization.ways(known)
    for number, left in enumerate(ways):
        part = progress.part(0.1 + 0.9 * number / len(ways), 0.1 + 0.9 * (number + 1) / len(ways))
        with storage.unfinished_folder(kept_in) as folder:
            out = folder / MODEL
            quantization.quantize_in_subprocess(source, out, left, scale, part.part(0, 0.9))
            part(0.9, "measuring the loss in int8")
            network = ConvertedNetwork(folder, "int8", scale, model=MODEL)
            scored, expected = lost(exact, network, samples, progress)
            kept = len(left.intersection(known.layers))
            found.append(Loss(scored, expected, kept, len(known.layers)))
            if found[-1].decibels <= MOST_LOSS:
                for path in (out.with_suffix(".bin"), out):
                    path.replace(kept_in / path.name)
                openvino_backend.seal(kept_in, MODEL)
                break
    return min(found, key=lambda loss: loss.decibels)


def lost(
    exact: Upscaler, network: Upscaler, samples: Sequence[quantization.Sample], progress: Progress
) -> tuple[float, float]:
    """Measure what a network loses.

    Args:
        exact: the network in fp32.
        network: the network in int8.
        samples: pairs of LR image and HR reference.
        progress: checked for Stop.

    Returns:
        `Loss.scored` and `Loss.expected`.
    """
    scored: list[float] = []
    expected: list[float] = []
    for lr, reference in samples:
        one, other = (upscaler.upscale(lr, Options(), progress) for upscaler in (exact, network))
        scored.append(psnr_y(one, reference) - psnr_y(other, reference))
        change = float(np.mean(((other - one) @ LUMA) ** 2))  # not rounded to 8 bit first, as scores are
        expected.append(10 * log10(1 + change / _LIKE_SET5))
    return float(np.mean(scored)), float(np.mean(expected))
