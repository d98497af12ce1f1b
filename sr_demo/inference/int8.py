"""A network in int8 because a person asked for it: refused with a reason, opened from the disk, or made now and kept there.

The converted network of `engines` is quantised once, in the boldest way that loses little, and lies beside it with what it
lost. From then on it is opened without torch. Nothing runs in int8 unasked.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import log10
from pathlib import Path

import numpy as np

from sr_demo.backends import openvino_backend, quantization, selection
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import Identity
from sr_demo.errors import BadInput
from sr_demo.inference.jobs import Job, engine_identity, load_approach
from sr_demo.metrics.full_reference import LUMA, psnr_y
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler
from sr_demo.system import hardware, storage

log = logging.getLogger("sr_demo")

MOST_LOSS = 0.03
"""dB of PSNR-Y that int8 may lose against fp32 on bundled photos; what loses more is refused. So that it is at most 0.05 on
Set5: RRDN, with 0.034 on the photos, lost 0.056 there."""
MODEL, RECORD = "int8.xml", "quantised.json"
"""Files in the folder of a converted network: the quantised one, and what it lost."""
_RECIPE = 2
"""Raised when networks quantised by earlier versions must not be used any more."""
_LIKE_SET5 = 10**-3.15
"""Mean squared error of a result at 31.5 dB, about what good networks reach on Set5."""
_WITHOUT_NETWORK = ("baseline", "retrieval")
"""Families whose methods compute in one way, whatever precision is asked for."""
_CONVOLUTIONS = ("convolutional", "adversarial")
_INSTEAD = "Choose auto, bf16 or fp32."


@dataclass(frozen=True)
class Loss:
    """What a network loses in int8, means over bundled photos that did not calibrate it; dB of PSNR-Y."""

    scored: float
    """PSNR-Y against the truth in fp32, minus that in int8."""
    expected: float
    """What the change between the two results would cost a picture at 31.5 dB. The photos are harder than Set5, and on gray
    textures int8 often scores higher by chance: alone, `scored` let through what lost 0.07 dB there."""
    kept: int
    """Convolutions that had to stay as they were."""
    of: int
    """Convolutions there are."""

    @property
    def decibels(self) -> float:
        """The larger of the two: what is allowed, and shown."""
        return max(self.scored, self.expected)


def load(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """The approach of `job`, which asks for int8, from its verified `files`; methods without a network as ever.

    Making it takes from seconds to minutes, once. Raises BadInput where it cannot be or loses too much, MissingDependency,
    StorageError, Cancelled.
    """

    exact = replace(job, precision="fp32")
    if job.approach.family in _WITHOUT_NETWORK:
        return load_approach(exact, files, progress)
    which = _checked(job)
    found = opened(which, job.title)
    if found is None:
        quantization.require()

        def network() -> object:
            upscaler = load_approach(exact, files, progress)
            if not selection.can_prepare(upscaler):
                raise BadInput(f"{job.title} is not one network that OpenVINO runs, so there is no int8. {_INSTEAD}")
            return selection.graph(upscaler)

        make(which, network, progress)
        found = opened(which, job.title)
    assert found is not None, "it was just made"
    return found


def _checked(job: Job) -> Identity:
    """How the job's converted network is known. Raises BadInput or MissingDependency where there can be none."""
    approach = job.approach
    if approach.family not in _CONVOLUTIONS:
        raise BadInput(f"{job.title} cannot run in int8, which is for convolutional networks. {_INSTEAD}")
    if hardware.gpu_bytes():
        raise BadInput(
            "int8 is for processors, and networks run on the GPU of this machine. Choose auto, bf16 or fp16."
        )
    if not openvino_backend.available():
        quantization.require()
    which = engine_identity(job)
    if which is None:
        usual = " and ".join(approach.load_options) or "its options"
        raise BadInput(f"{job.title} runs in int8 only with {usual} as usual. Change that, or the precision.")
    return which


def opened(which: Identity, title: str) -> ConvertedNetwork | None:
    """The network in int8 as it lies on the disk, None where it does not. Raises BadInput where it was found too lossy."""
    loss = stored(which)
    if loss is None:
        return None
    if loss.decibels > MOST_LOSS:
        raise BadInput(
            f"{title} loses {loss.decibels:.2f} dB of PSNR-Y in int8, even where its most sensitive convolutions are left "
            f"out; {MOST_LOSS} dB is allowed. {_INSTEAD}"
        )
    try:
        return ConvertedNetwork(which.folder, "int8", which.scale, model=MODEL, loss_db=loss.decibels)
    except RuntimeError as exc:
        log.warning("a network in int8 cannot be read, it will be made again: %s", exc)
        shutil.rmtree(which.folder, ignore_errors=True)
        return None


def stored(which: Identity) -> Loss | None:
    """What a network lost in int8, or None: not made yet, made by an earlier version, or damaged."""
    try:
        known = json.loads((which.folder / RECORD).read_text(encoding="utf-8"))
        return Loss(**known["loss"]) if known["recipe"] == _RECIPE else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def make(which: Identity, network: Callable[[], object], progress: Progress) -> None:
    """Convert (what `network` gives, if that was not done yet), quantise, measure, keep. Raises as `load` does."""
    progress(0.0, "converting, once for this network")
    selection.convert(which, network, progress.check)
    with storage.guarded(which.folder), storage.alone(which.folder, progress.check):
        if stored(which) is None:  # nobody else made it meanwhile
            loss = quantize(which.folder, which.scale, progress)
            record = json.dumps({"recipe": _RECIPE, "loss": asdict(loss)})
            storage.write_atomically(which.folder / RECORD, record.encode())


def quantize(kept_in: Path, scale: int, progress: Progress) -> Loss:
    """Put the first way that loses little beside the converted network in the folder `kept_in`, as MODEL; return its loss.

    Where each loses more than MOST_LOSS, nothing is put there, and the least loss is returned. Raises Cancelled, SRError.
    """
    source = kept_in / openvino_backend.MODEL
    known, samples = quantization.operations(source), quantization.photos(scale)
    exact = ConvertedNetwork(kept_in, "fp32", scale)
    found, ways = list[Loss](), quantization.ways(known)
    for number, left in enumerate(ways):
        part = progress.part(0.1 + 0.9 * number / len(ways), 0.1 + 0.9 * (number + 1) / len(ways))
        with tempfile.TemporaryDirectory(dir=kept_in, prefix="int8") as folder:
            out = Path(folder) / MODEL
            quantization.quantize_in_subprocess(source, out, left, scale, part.part(0, 0.9))
            part(0.9, "measuring what int8 loses")
            network = ConvertedNetwork(Path(folder), "int8", scale, model=MODEL)
            scored, expected = lost(exact, network, samples, progress)
            kept = len(left.intersection(known.convolutions))
            found.append(Loss(scored, expected, kept, len(known.convolutions)))
            if found[-1].decibels <= MOST_LOSS:
                for path in (out.with_suffix(".bin"), out):
                    path.replace(kept_in / path.name)
                break
    return min(found, key=lambda loss: loss.decibels)


def lost(
    exact: Upscaler, network: Upscaler, samples: Sequence[quantization.Sample], progress: Progress
) -> tuple[float, float]:
    """`Loss.scored` and `Loss.expected` of `network` against `exact`, on small pictures with their truths."""
    scored: list[float] = []
    expected: list[float] = []
    for small, truth in samples:
        one, other = (upscaler.upscale(small, Options(), progress) for upscaler in (exact, network))
        scored.append(psnr_y(one, truth) - psnr_y(other, truth))
        change = float(np.mean(((other - one) @ LUMA) ** 2))  # not rounded to 8 bit first, as scores are
        expected.append(10 * log10(1 + change / _LIKE_SET5))
    return float(np.mean(scored)), float(np.mean(expected))
