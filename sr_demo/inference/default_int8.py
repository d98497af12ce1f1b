"""Networks in int8 without a request for it: where it ships, costs next to nothing, and is measured to be faster here.

The network opens in OpenVINO at once, in int8 or in the fast precision of this CPU, whichever took less time on a small
image. That is measured when the network is first loaded on a machine, and stays, unless other programs disturbed it: later
results are the same, byte for byte.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sr_demo.backends import openvino_backend, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import ConvertedFiles, Verdict
from sr_demo.backends.shipped_int8 import ShippedInt8
from sr_demo.errors import Cancelled, SRError, TookTooLong
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler
from sr_demo.system import storage

log = logging.getLogger("sr_demo")

_TOLERANCE = 3.0
"""dB by which int8 may agree less with fp32 here than where it was quantized: CPUs without VNNI let sums saturate."""
Unfinished = dict[ConvertedFiles, tuple[ConvertedNetwork, ConvertedNetwork]]
"""Both forms of the network whose timing was stopped last, opened: whoever asks for it next need not compile them."""


def load(
    job: Job,
    files: Sequence[Path],
    decided: Callable[[Job, Verdict], None],
    unfinished: Unfinished,
    progress: Progress,
) -> Upscaler | None:
    """Open the network of a job in OpenVINO, in the faster of int8 and the fast precision of this CPU.

    The caller holds the compute lock: the first time, both are timed.

    Args:
        job: any.
        files: verified local files of its checkpoint.
        decided: receives a new verdict.
        unfinished: kept by the caller between calls.
        progress: checked for Stop.

    Returns:
        None where a precision was requested, where no int8 form ships for the checkpoint, or it cannot be opened.

    Raises:
        Cancelled: Stop was pressed.
        TookTooLong: the time limit of this server has passed.
    """
    shipped, which = shipped_int8.by_default(job.identity), selection.converted_files(job.identity)
    if shipped is None or which is None:
        return None
    try:
        shipped_int8.place(shipped, files, which.folder, progress.check)
        with storage.guarded(which.folder), storage.alone(which.folder, progress.check):
            verdict = selection.stored(which)
            if verdict is not None and verdict.settled:
                return _opened(which, shipped, verdict.precision)
            verdict, winner = _measured(which, shipped, unfinished, progress)
            selection.store(which, verdict)
            decided(job, verdict)
            return winner
    except (Cancelled, TookTooLong):
        raise
    except (SRError, RuntimeError) as exc:  # OpenVINO's own errors are RuntimeErrors
        log.warning("%s does not run in the form that ships with this app: %s", job.key, exc)
        return None


def _measured(
    which: ConvertedFiles, shipped: ShippedInt8, unfinished: Unfinished, progress: Progress
) -> tuple[Verdict, ConvertedNetwork]:
    """Time int8 against the fast precision of this CPU; return the verdict and the network that won."""
    both = unfinished.pop(which, None)
    unfinished.clear()
    plain, quantized = both or _both_opened(which, shipped)
    try:
        verdict = selection.faster(plain, quantized, shipped.agreement - _TOLERANCE, progress.check)
    except (Cancelled, TookTooLong):
        unfinished[which] = plain, quantized
        raise
    return verdict, quantized if verdict.precision == quantized.precision else plain


def _both_opened(which: ConvertedFiles, shipped: ShippedInt8) -> tuple[ConvertedNetwork, ConvertedNetwork]:
    precisions = (openvino_backend.fast_precision(), "int8")
    with ThreadPoolExecutor() as threads:  # compiling takes longer than the timing, on one core
        plain, quantized = threads.map(partial(_opened, which, shipped), precisions)
    return plain, quantized


def _opened(which: ConvertedFiles, shipped: ShippedInt8, precision: str) -> ConvertedNetwork:
    if precision == "int8":
        return shipped_int8.opened(shipped, which.folder, which.scale)
    return ConvertedNetwork(which.folder, precision, which.scale)
