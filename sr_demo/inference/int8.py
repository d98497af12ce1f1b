"""The int8 rule: which networks run in int8 on request, and how much quality they may lose.

If an int8 form ships with this app (`backends/shipped_int8.py`), it is opened. For all other checkpoints, including users'
own networks, the converted network of `backends/selection.py` is quantized once, with as many convolutions in int8 as the
allowed loss permits. It is stored beside the converted network with the measured loss, and is opened without torch later.
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
from sr_demo.system import hardware, integrity, storage

log = logging.getLogger("sr_demo")

MOST_LOSS = 0.03
"""Largest loss of PSNR-Y in dB, int8 against fp32 on bundled photos; networks that lose more are refused. It limits the loss
on Set5 to 0.05 dB: RRDN, with 0.034 dB on the photos, lost 0.056 dB there."""
MODEL, RECORD = shipped_int8.MODEL, "quantised.json"  # words: ok
"""Files in the folder of a converted network: the quantized network, and its measured loss unless it ships with this app."""
_RECIPE = 2
"""Version of the quantization; networks that were quantized by other versions are not used."""
_LIKE_SET5 = 10**-3.15
"""Mean squared error at 31.5 dB, about what good networks reach on Set5."""
_WITHOUT_NETWORK = ("baseline", "retrieval")
"""Families whose methods ignore the requested precision."""
_NETWORKS = ("convolutional", "adversarial", "attention")
_INSTEAD = "Choose auto, bf16 or fp32."


@dataclass(frozen=True)
class QuantizationLoss:
    """Loss of a network in int8: PSNR-Y in dB, means over bundled photos that were not used for calibration."""

    scored: float
    """PSNR-Y against the reference in fp32, minus that in int8."""
    expected: float
    """Loss of PSNR-Y that the difference between both results would cause in an image at 31.5 dB. The photos are harder than
    Set5, and int8 often scores higher on gray textures by chance: `scored` alone accepted a network that lost 0.07 dB on
    Set5."""
    kept: int
    """Convolutions and linear layers that had to stay in floating point."""
    of: int
    """Convolutions and linear layers in the network."""

    @property
    def decibels(self) -> float:
        """The larger of both losses, which is compared with `MOST_LOSS` and shown to the user."""
        return max(self.scored, self.expected)


def load(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """Load the approach of an int8 job; methods without a network are loaded as for any other precision.

    Quantization takes from seconds to minutes, once for each network.

    Args:
        job: A job with the precision "int8".
        files: Verified local files of its checkpoint.
        progress: Receives 0..1.

    Raises:
        BadInput: The network cannot run in int8, or loses too much.
        MissingDependency: A package for quantization is not installed.
        StorageError: The cache folder cannot be written.
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
    """Return the location of the job's converted network. Raises BadInput or MissingDependency if it cannot have one."""
    approach = job.approach
    if approach.family not in _NETWORKS:
        raise BadInput(f"{job.title} cannot run in int8, which is for convolutional and attention networks. {_INSTEAD}")
    if hardware.gpu_bytes():
        raise BadInput("int8 is for processors, and networks run on the GPU here. Choose auto, bf16 or fp16.")
    if not openvino_backend.available():
        quantization.require()
    which = selection.converted_files(job.identity)
    if which is None:
        names = " and ".join(approach.load_options_of(job.checkpoint)) or "its options"
        raise BadInput(f"{job.title} runs in int8 only with {names} at the default. Change that, or the precision.")
    return which


def opened(which: ConvertedFiles, title: str) -> ConvertedNetwork | None:
    """Open the quantized network; None if it is not on disk. Raises BadInput if its loss is above `MOST_LOSS`."""
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


def stored(which: ConvertedFiles) -> QuantizationLoss | None:
    """Return the stored loss; None if there is none, or if it is corrupt or from an earlier version."""
    try:
        known = integrity.read_json_with_checksum(which.folder / RECORD)
        return QuantizationLoss(**known["loss"]) if known["recipe"] == _RECIPE else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def make(which: ConvertedFiles, network: Callable[[], object], progress: Progress) -> None:
    """Convert a network, quantize it, measure its loss, and store both.

    Args:
        which: Location of the converted network and its quantized form.
        network: Returns the nn.Module to convert; called only if it was not converted before.
        progress: Receives 0..1.

    Raises:
        ConversionError: OpenVINO cannot run the network.
        SRError: See `load`.
        Cancelled: Stop was pressed.
    """
    progress(0.0, "converting, once for this network")
    selection.convert(which, network, progress.check)
    with storage.disk_errors_translated(which.folder), storage.folder_lock(which.folder, progress.check):
        if stored(which) is None:  # no other process has quantized it meanwhile
            loss = quantize(which.folder, which.scale, progress)
            record = integrity.json_with_checksum({"recipe": _RECIPE, "loss": asdict(loss)})
            storage.write_atomically(which.folder / RECORD, record)


def quantize(kept_in: Path, scale: int, progress: Progress) -> QuantizationLoss:
    """Quantize the converted network in a folder with the most convolutions in int8 that the allowed loss permits.

    Args:
        kept_in: Folder of the converted network; the quantized one is written there as `MODEL`.
        scale: Scale factor of the network.
        progress: Receives 0..1.

    Returns:
        The loss of the written network; if every choice loses more than `MOST_LOSS`, the smallest loss, and no file.

    Raises:
        SRError: Quantization failed.
        Cancelled: Stop was pressed.
    """
    source = kept_in / openvino_backend.MODEL
    known, samples = quantization.operations(source), quantization.photos(scale)
    exact = ConvertedNetwork(kept_in, "fp32", scale)
    found, ways = list[QuantizationLoss](), quantization.exclusion_sets(known)
    for number, left in enumerate(ways):
        part = progress.part(0.1 + 0.9 * number / len(ways), 0.1 + 0.9 * (number + 1) / len(ways))
        with storage.unfinished_folder(kept_in) as folder:
            out = folder / MODEL
            quantization.quantize_in_subprocess(source, out, left, scale, part.part(0, 0.9))
            part(0.9, "measuring the loss in int8")
            network = ConvertedNetwork(folder, "int8", scale, model=MODEL)
            scored, expected = lost(exact, network, samples, progress)
            kept = len(left.intersection(known.layers))
            found.append(QuantizationLoss(scored, expected, kept, len(known.layers)))
            if found[-1].decibels <= MOST_LOSS:
                for path in (out.with_suffix(".bin"), out):
                    path.replace(kept_in / path.name)
                openvino_backend.write_checksums(kept_in, MODEL)
                break
    return min(found, key=lambda loss: loss.decibels)


def lost(
    exact: Upscaler, network: Upscaler, samples: Sequence[quantization.Sample], progress: Progress
) -> tuple[float, float]:
    """Measure the loss of a network in int8.

    Args:
        exact: The network in fp32.
        network: The network in int8.
        samples: Pairs of LR image and HR reference.
        progress: Checked for Stop.

    Returns:
        `QuantizationLoss.scored` and `QuantizationLoss.expected`.
    """
    scored: list[float] = []
    expected: list[float] = []
    for lr, reference in samples:
        one, other = (upscaler.upscale(lr, Options(), progress) for upscaler in (exact, network))
        scored.append(psnr_y(one, reference) - psnr_y(other, reference))
        change = float(np.mean(((other - one) @ LUMA) ** 2))  # not rounded to 8 bit first, as scores are
        expected.append(10 * log10(1 + change / _LIKE_SET5))
    return float(np.mean(scored)), float(np.mean(expected))
