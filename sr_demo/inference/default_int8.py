"""int8 as the default precision of networks whose int8 form ships, loses very little, and is faster on this machine.

The network is opened in OpenVINO, in int8 or in the fast precision of this CPU, whichever took less time on a small image.
This is measured when the network is first loaded on a machine. The verdict is kept, unless other programs disturbed the
timing, so that later results are identical.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sr_demo.backends import openvino_backend, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import BackendVerdict, ConvertedFiles
from sr_demo.backends.shipped_int8 import ShippedInt8
from sr_demo.errors import Cancelled, SRError, TookTooLong
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler
from sr_demo.system import storage

log = logging.getLogger("sr_demo")

_TOLERANCE = 3.0
"""Largest drop in dB of the agreement between int8 and fp32, compared with the machine that quantized the network; sums
saturate on CPUs without VNNI."""
Unfinished = dict[ConvertedFiles, tuple[ConvertedNetwork, ConvertedNetwork]]
"""Both opened forms of the network whose timing was stopped last, so that the next request need not compile them."""


def load(
    job: Job,
    files: Sequence[Path],
    decided: Callable[[Job, BackendVerdict], None],
    unfinished: Unfinished,
    progress: Progress,
) -> Upscaler | None:
    """Open the network of a job in OpenVINO, in the faster of int8 and the fast precision of this CPU.

    The caller must hold the compute lock, since both are timed at the first call.

    Args:
        job: The job.
        files: Verified local files of its checkpoint.
        decided: Receives a new verdict.
        unfinished: Networks of a stopped timing; the caller keeps it between calls.
        progress: Checked for Stop.

    Returns:
        The network; None if a precision was requested, if no int8 form ships, or if it cannot be opened.

    Raises:
        Cancelled: Stop was pressed.
        TookTooLong: The time limit of this server has passed.
    """
    shipped, which = shipped_int8.by_default(job.identity), selection.converted_files(job.identity)
    if shipped is None or which is None:
        return None
    try:
        shipped_int8.place(shipped, files, which.folder, progress.check)
        with storage.disk_errors_translated(which.folder), storage.folder_lock(which.folder, progress.check):
            verdict = selection.stored_verdict(which)
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
) -> tuple[BackendVerdict, ConvertedNetwork]:
    """Compare the time of int8 and of the fast precision of this CPU; return the verdict and the faster network."""
    both = unfinished.pop(which, None)
    unfinished.clear()
    plain, quantized = both or _both_opened(which, shipped)
    try:
        verdict = selection.compare_speed(plain, quantized, shipped.agreement - _TOLERANCE, progress.check)
    except (Cancelled, TookTooLong):
        unfinished[which] = plain, quantized
        raise
    return verdict, quantized if verdict.precision == quantized.precision else plain


def _both_opened(which: ConvertedFiles, shipped: ShippedInt8) -> tuple[ConvertedNetwork, ConvertedNetwork]:
    precisions = (openvino_backend.fast_precision(), "int8")
    with ThreadPoolExecutor() as threads:  # compiling uses one core and takes longer than the timing
        plain, quantized = threads.map(partial(_opened, which, shipped), precisions)
    return plain, quantized


def _opened(which: ConvertedFiles, shipped: ShippedInt8, precision: str) -> ConvertedNetwork:
    if precision == "int8":
        return shipped_int8.opened(shipped, which.folder, which.scale)
    return ConvertedNetwork(which.folder, precision, which.scale)
