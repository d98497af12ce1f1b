"""Backend selection: whether torch or OpenVINO runs a network, measured once and stored on disk.

Where an int8 form ships with this app (`shipped_int8`), OpenVINO runs the network, and its precision is measured: see
`inference/default_int8.py`. Any other network that was loaded into torch can be prepared: converted for OpenVINO, compared
and timed. If OpenVINO was faster, later processes open the converted network straight from the disk and never import torch.
Approaches do not depend on this: it applies to every plain `NetworkUpscaler` under autocast, and to HAT and DRCT, for which
an exportable graph exists (`networks/attention_graph.py`).

Stored results are keyed by the checkpoint's sha256, the int8 form that ships for it, precision, scale, the code of the
networks, OpenVINO's version and this CPU.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import log10
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import Any, Protocol

import numpy as np

from sr_demo.backends import openvino_backend, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.errors import Cancelled, SRError, WeightsUnavailable
from sr_demo.hub import checkpoints
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import ModelIdentity, Precision, Upscaler
from sr_demo.system import integrity, storage
from sr_demo.system.hardware import OtherLoad

log = logging.getLogger("sr_demo")

_FOLDER = "engines"  # words: ok
"""Folder within the cache folder; the name is kept from earlier versions."""
_FORMAT = 4
"""Version of converted networks and verdicts; those of other versions are not used."""
SIDE = 96
"""Side in pixels of the image on which both backends are timed."""
_ROUNDS, _MOST_ROUNDS = 3, 12
_MOST_ATTEMPTS = 5
"""Largest number of timings, each of which but the last one ends when a request comes."""
_ENOUGH = 3.0
"""Seconds after which two rounds suffice: other work waits during the timing, and a large attention network takes a second
per run."""
_SETTLED = 1.2
"""Largest ratio of the two best times of a backend; if it is larger, the CPU was busy and timing continues."""
_QUIET = 0.25
"""Largest share of the processors that other programs may use during the timing; otherwise it counts as disturbed."""
_PAUSE, _MOST_RACES = 60.0, 5
"""Seconds until a disturbed timing is repeated, and the largest number of timings per process."""
_LOOK = 1.0
"""Seconds for which the load of the processors is measured before a repetition, which is postponed while they are busy."""
_LEAST_AGREEMENT = 45.0
"""Lowest PSNR in dB between the results of both backends for a conversion to count as correct. bf16 gives 55 to 62."""


@dataclass(frozen=True)
class BackendVerdict:
    """The faster of two ways to run one network at one requested precision, with the measurements."""

    backend: str
    """"OpenVINO" or "torch"."""
    precision: str
    """The precision that the faster way computes in."""
    seconds: float
    """Minimum of two to twelve runs on an image of 96 x 96 pixels, alternating with those of the other way."""
    seconds_other: float
    """The same for the other way, which was slower or whose results differ too much."""
    agreement_db: float
    """PSNR in dB between the results of both."""
    settled: bool = True
    """False if other programs disturbed the timing and the first way won; it is repeated later then."""


@dataclass(frozen=True)
class ConvertedFiles:
    """Location of the converted form of one network, with the verdict for one requested precision."""

    key: str
    """Name of the folder: a digest of everything that changes the converted network."""
    precision: Precision
    scale: int
    source: Path | None = None
    """The model file of a user, whose converted form must not outlive it; None for weights that stay."""

    @property
    def folder(self) -> Path:
        """Folder of the converted network; it may not exist."""
        return storage.cache_folder() / _FOLDER / self.key

    @property
    def verdict_file(self) -> Path:
        """File of the verdict; it may not exist."""
        return self.folder / f"{self.precision}.json"


def converted_files(model: ModelIdentity) -> ConvertedFiles | None:
    """Return the location of the converted form of `model`, whether it exists or not.

    None if the model cannot have one: OpenVINO is not installed, the model has no weights, runs in fp16 (for GPUs), or was
    loaded with options other than the defaults, of which there are too many combinations.
    """
    files, precision, scale = model.checkpoint.files, model.precision, model.scale
    if not files or precision == "fp16" or model.load_options or not openvino_backend.available():
        return None
    shipped = shipped_int8.of(model.checkpoint)
    parts = [
        str(_FORMAT), model.approach, *(step.sha256 for step in checkpoints.plan(model.checkpoint)), str(scale),
        openvino_backend.installed_version(), openvino_backend.processor(), _sources(),
        shipped.sha256 if shipped else "",
    ]  # fmt: skip
    source = next((file.path for file in files if file.path is not None), None)
    return ConvertedFiles(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32], precision, scale, source)


class Preparation(Protocol):
    """One network to prepare, with the functions that the preparation needs from its owner."""

    @property
    def files(self) -> ConvertedFiles:
        """Location of the converted form."""
        ...

    @property
    def upscaler(self) -> Upscaler:
        """The network in torch, in the requested precision, which the converted form is compared with."""
        ...

    def load_exact(self) -> Upscaler:
        """Load the same network in fp32, the source of the conversion."""
        ...

    def computing(self, *, gives_way: bool) -> AbstractContextManager[Progress]:
        """Block other computation while both backends are timed.

        Args:
            gives_way: Whether `check` of the progress raises Cancelled once a request waits.
        """
        ...

    def decided(self, verdict: BackendVerdict) -> None:
        """Receive the verdict; called outside of `computing`."""
        ...


@lru_cache
def _sources() -> str:
    """Return a digest of the networks' code, since the same weights give other results in a changed network."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parents[1] / "networks").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stored_verdict(which: ConvertedFiles) -> BackendVerdict | None:
    """Return the stored verdict for a network; None if it is missing or the file is damaged."""
    try:
        return BackendVerdict(**integrity.read_json_with_checksum(which.verdict_file))
    except (OSError, ValueError, TypeError):
        return None


def open_stored(which: ConvertedFiles) -> Upscaler | None:
    """Return the converted network if OpenVINO was the faster backend, else None. Damaged files are removed."""
    verdict = stored_verdict(which)
    if verdict is None or verdict.backend != ConvertedNetwork.backend or verdict.precision == "int8":
        return None
    if not openvino_backend.is_intact(which.folder):
        shutil.rmtree(which.folder, ignore_errors=True)
        return None
    try:
        return ConvertedNetwork(which.folder, verdict.precision, which.scale)
    except RuntimeError as exc:
        log.warning("a converted network cannot be read and will be converted again: %s", exc)
        shutil.rmtree(which.folder, ignore_errors=True)
        return None


def can_prepare(upscaler: Upscaler) -> bool:
    """Return whether a loaded approach is one network that OpenVINO may run faster: convolutions, HAT or DRCT, on a CPU."""
    from torch import nn

    from sr_demo.backends.torch_backend import NetworkUpscaler, device

    if type(upscaler) is not NetworkUpscaler or device().type != "cpu":
        return False
    if upscaler.mode == "autocast":
        return isinstance(upscaler.network, nn.Module)  # not one that spandrel pads and crops around
    from sr_demo.networks import attention_graph

    return attention_graph.is_supported(upscaler.network)


def graph(upscaler: Any) -> Any:
    """Return the nn.Module to convert, (1, 3, H, W) in and out, of an upscaler that `can_prepare`, loaded in fp32."""
    if upscaler.mode == "autocast":
        return upscaler.network
    from sr_demo.networks import attention_graph

    return attention_graph.as_graph(upscaler.network)


def convert(which: ConvertedFiles, network: Callable[[], object], waiting: Callable[[], None] = lambda: None) -> None:
    """Convert a network for OpenVINO unless it is converted already. Runs one conversion at a time across all processes.

    Args:
        which: Location of the converted form.
        network: Returns an nn.Module in fp32; called only if it is needed.
        waiting: Called five times a second while another network is converted.

    Raises:
        StorageError: The cache folder cannot be written.
        ConversionError: OpenVINO cannot run the network, or gives other results.
        WeightsUnavailable: The user's file was deleted meanwhile; nothing is kept then.
        Exception: Whatever `network` or `waiting` raises.
    """
    everything = storage.ensure_folder(which.folder.parent)
    with storage.disk_errors_translated(everything), storage.folder_lock(everything, waiting):
        if openvino_backend.is_intact(which.folder):
            return
        shutil.rmtree(which.folder, ignore_errors=True)
        with storage.unfinished_folder(everything) as part:
            openvino_backend.convert(network(), part / which.key)
            (part / which.key).replace(which.folder)
        # After it is in place: whoever deletes the file first and then this folder leaves nothing, in whatever order.
        if which.source is not None and not which.source.exists():
            shutil.rmtree(which.folder, ignore_errors=True)
            raise WeightsUnavailable(
                f"The model file {which.source.name} was changed or removed since it was opened. Open it again."
            )


def prepare(preparation: Preparation) -> BackendVerdict:
    """Convert the network, compare and time both backends, and store the verdict.

    Conversion runs concurrently with other work, timing does not: it gives way to requests and starts again after them,
    `_MOST_ATTEMPTS` times; a request that comes during the last timing waits. Raises what `convert` or loading raises.
    """
    which = preparation.files
    precision = openvino_backend.fast_precision() if which.precision == "auto" else which.precision
    convert(which, lambda: graph(preparation.load_exact()))
    candidate = ConvertedNetwork(which.folder, precision, which.scale)
    verdict: BackendVerdict | None = None
    for attempt in range(_MOST_ATTEMPTS):
        gives_way = attempt < _MOST_ATTEMPTS - 1
        with suppress(Cancelled), preparation.computing(gives_way=gives_way) as progress:
            verdict = compare_speed(preparation.upscaler, candidate, check=progress.check)
            break
    assert verdict is not None, "the last timing is not cancelled"
    store(which, verdict)
    return verdict


def store(which: ConvertedFiles, verdict: BackendVerdict) -> None:
    """Store a verdict in the folder of the converted network. Raises StorageError."""
    with storage.disk_errors_translated(which.folder):
        storage.write_atomically(which.verdict_file, integrity.json_with_checksum(asdict(verdict)))


def compare_speed(
    first: Upscaler,
    candidate: ConvertedNetwork,
    least_agreement: float = _LEAST_AGREEMENT,
    check: Callable[[], None] = SILENT.check,
) -> BackendVerdict:
    """Time two ways to run a network, in alternation and on the same image.

    Args:
        first: The present way.
        candidate: The other way; wins if it is faster and its result agrees.
        least_agreement: Lowest PSNR in dB between the two results.
        check: Called before each run; an exception from it ends the timing.
    """
    image = synthetic_image(SIDE)
    times: dict[bool, list[float]] = {True: [], False: []}
    results: dict[bool, Image] = {}
    load, started = OtherLoad(), time.perf_counter()
    for turn in range(_MOST_ROUNDS + 1):  # the first warms both up and does not count
        for is_candidate, upscaler in ((False, first), (True, candidate)):
            check()
            begun = time.perf_counter()
            result = upscaler.upscale(image, Options(), SILENT)
            if turn:
                times[is_candidate].append(time.perf_counter() - begun)
            results[is_candidate] = result
        if turn >= _ROUNDS and _are_settled(times):
            break
        if turn >= 2 and time.perf_counter() - started > _ENOUGH:
            break
    best = {which: min(taken) for which, taken in times.items()}
    found = float_psnr(results[False], results[True])
    wins = found >= least_agreement and best[True] < best[False]
    winner: Upscaler = candidate if wins else first
    return BackendVerdict(
        backend=winner.backend,
        precision=winner.precision,
        seconds=best[wins],
        seconds_other=best[not wins],
        agreement_db=found,
        settled=wins or found < least_agreement or (_are_settled(times) and load.share() <= _QUIET),
    )


def float_psnr(one: Image, other: Image) -> float:
    """Return the PSNR in dB between two results of the same size; 200 if they are equal."""
    squared = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 200.0 if squared == 0 else -10 * log10(squared)


def _are_settled(times: dict[bool, list[float]]) -> bool:
    """Return whether the two best times of each backend agree."""
    pairs = [sorted(taken)[:2] for taken in times.values()]
    return all(second <= _SETTLED * first for first, second in pairs)


def synthetic_image(side: int) -> Image:
    """Return a synthetic image (side, side, 3) of smooth waves with fine noise, the same at every call."""
    y, x = np.mgrid[:side, :side] / side
    waves = np.stack([np.sin(9 * x + 5 * y), np.sin(7 * x - 4 * y), np.sin(3 * x + 11 * y)], axis=-1) * 0.4 + 0.5
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, waves.shape)
    return readonly(np.clip(waves + noise, 0, 1).astype(np.float32))


class Preparer:
    """Prepares networks in background threads, one after the other, each once unless its timing was disturbed."""

    def __init__(self) -> None:
        self._seen: set[ConvertedFiles] = set()
        self._lock = Lock()
        self._one_at_a_time = Lock()
        self._threads: list[Thread] = []

    def begin(self, preparation: Preparation) -> bool:
        """Start to `prepare` a network in the background; return False if it needs no preparation or was started before.

        If other programs disturb the timing, it is repeated when they have ended, up to `_MOST_RACES` times in all.
        """
        which = preparation.files
        with self._lock:
            known = stored_verdict(which)
            if which in self._seen or (known is not None and known.settled) or not can_prepare(preparation.upscaler):
                return False
            self._seen.add(which)

        def work(races_left: int) -> None:
            try:
                with self._one_at_a_time:
                    verdict = prepare(preparation)
            except SRError as exc:
                log.warning("a network could not be prepared for OpenVINO: %s", exc)
            except Exception as exc:  # such as ConversionError: torch stays in use
                log.warning("a network could not be prepared for OpenVINO", exc_info=exc)
            else:
                preparation.decided(verdict)
                if not verdict.settled and races_left:
                    later(races_left - 1)

        def later(races_left: int) -> None:
            again = Timer(_PAUSE, when_quiet, (races_left,))
            again.daemon = True
            again.start()

        def when_quiet(races_left: int) -> None:
            load = OtherLoad()
            time.sleep(_LOOK)
            if load.share() > _QUIET:
                later(races_left)
            else:
                work(races_left)

        thread = Thread(target=work, args=(_MOST_RACES - 1,), name="prepare-backend", daemon=True)
        self._threads.append(thread)
        thread.start()
        return True

    def wait(self) -> None:
        """Wait until all networks begun so far are prepared; repetitions of the timing are not awaited."""
        for thread in self._threads:
            thread.join()
