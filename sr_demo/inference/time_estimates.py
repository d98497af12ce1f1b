"""How long a job will take on this machine, before it runs.

The shape comes from the card: seconds for pieces of a few sizes, the first time and later, in each engine (`timings`),
added up over the pieces that a picture is cut into, halo included. The level comes from this machine: each run says how
many times the card's seconds it took. Methods never run here are taken to be as much slower or faster as those that were.
What was learned is kept in the cache folder, per size, since a machine of another kind may have another shape too.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf, isclose, log2
from pathlib import Path
from statistics import median
from threading import Lock
from typing import Any

from sr_demo.imaging import tiling
from sr_demo.inference.jobs import Job
from sr_demo.system.memory import budget
from sr_demo.system.storage import write_atomically
from sr_demo.timing import Timing, plain

Size = tuple[int, int]
"""Height and width in LR pixels."""

_CPU, _GPU = "operations", "operations on a GPU"
_ASSUMED = {_CPU: 4e11, _GPU: 4e13}
"""Floating point operations per second where nothing was measured: a little over fp32 on two AVX-512 cores; for what runs
on a GPU only, a fair part of what a recent card does in 16 bit."""
_LEAST_FLOPS = 1e4
"""Operations per LR pixel of what does not say: copying alone costs as much."""
_MOST_THREADS = 4
"""More than these are not assumed to make a first guess smaller."""
_FLOOR_SECONDS = 0.01
_WEIGHT_OF_SLOWER = 0.5
"""Of a slower measurement, since other programs may have been in the way; a faster one is believed."""
_ENOUGH_PIXELS = 64 * 64
"""Smaller pictures measure overhead, not the network."""
_BRIEF_SECONDS = 0.1
"""Another program that gets a turn on the processor makes a shorter run half as long again."""
_FEWEST_RUNS, _MOST_RUNS = 2, 6
_FORMAT = 2
"""Of the file. Earlier ones held seconds per pixel."""


@dataclass(frozen=True)
class _Learned:
    """One job in one engine on this machine."""

    kind: str
    """The engine that the card's seconds are of, or what stands in for them: factors of one kind can be compared."""
    reference: float
    """Seconds that the card gave for 256 x 256 pixels at that time: with another card, what was learned is void."""
    factors: dict[int, float]
    """How many times the card's seconds it takes, by size class: see `_Work.size_class`."""

    def at(self, size_class: int) -> float:
        """The factor learned at the nearest size."""
        return self.factors[min(self.factors, key=lambda known: abs(known - size_class))]


@dataclass(frozen=True)
class _Work:
    """What is computed for one picture."""

    pieces: Counter[Size]
    """How many tiles of which size, halo included; or the picture itself."""

    @property
    def size_class(self) -> int:
        """log2 of the side of a square as large as all pieces together, rounded."""
        return round(log2(sum(count * height * width for (height, width), count in self.pieces.items())) / 2)

    @property
    def largest(self) -> int:
        """LR pixels of the largest piece."""
        return max(height * width for height, width in self.pieces)

    def seconds(self, timing: Timing, *, again: bool) -> float:
        """By the card: of all pieces, only one of the largest is new."""
        later = sum(count * timing.seconds(h * w, again=True) for (h, w), count in self.pieces.items())
        new = 0.0 if again else timing.seconds(self.largest, again=False) - timing.seconds(self.largest, again=True)
        return later + new


class Estimates:
    """What runs took here, compared with the cards. Thread-safe; without a file, kept for this process only."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = Lock()
        self._learned: dict[str, dict[str, _Learned]] = _read(file) if file else {}
        self._largest: dict[str, int] = {}
        """LR pixels of the largest piece, by price key, since it was loaded."""

    def seconds(self, job: Job, size: Size, *, again: bool | None = None) -> float:
        """Expected seconds to enlarge a picture of `size`, loading not counted.

        `again` says whether pictures as large were run before; without it, what is known here counts. Options never tried
        are priced like the usual ones.
        """
        work = _work(job, size)
        with self._lock:
            if again is None:
                again = work.largest <= self._largest.get(job.timing_key, 0)
            timing, factor = self._level(job, work.size_class)
        return max(factor * work.seconds(timing, again=again), _FLOOR_SECONDS)

    def learn(
        self, job: Job, size: Size, seconds: float, *, engine: str = "", cold: bool = False, anew: bool = False
    ) -> None:
        """Take in one measured run.

        `cold`: it was loaded for this run, which makes it slower. `anew`: the least of several runs at this size, and
        earlier ones in this engine no longer count, because it runs in another way now.
        """
        with self._lock:
            work, before = _work(job, size), 0 if cold else self._largest.get(job.timing_key, 0)
            again = anew or work.largest <= before
            self._largest[job.timing_key] = 0 if anew else max(work.largest, before)  # another engine is loaded next
            if size[0] * size[1] < _ENOUGH_PIXELS:
                return
            timing = _timing(job, engine)
            known = None if anew else self._valid(job.timing_key, engine, timing)
            new = seconds / work.seconds(timing, again=again)
            if known and new > (old := known.at(work.size_class)):
                new = old if cold else old + _WEIGHT_OF_SLOWER * (new - old)
            factors = {**(known.factors if known else {}), work.size_class: new}
            engines = self._learned.setdefault(job.timing_key, {})
            engines.pop(engine, None)  # so that the latest is the last
            engines[engine] = _Learned(timing.engine, _reference(timing), factors)
            if self._file:
                _write(self._file, self._learned)

    def _level(self, job: Job, size_class: int) -> tuple[Timing, float]:
        """What the card says of the engine that ran last, and how many times that it takes here."""
        for key in (job.timing_key, job.key):
            for engine in reversed(list(self._learned.get(key, {}))):
                timing = _timing(job, engine)
                learned = self._valid(key, engine, timing)
                if learned:
                    return timing, learned.at(size_class)
        timing = _timing(job, "torch")
        return timing, self._of_others(timing.engine, size_class)

    def _valid(self, key: str, engine: str, timing: Timing) -> _Learned | None:
        """What was learned of a job in one engine; forgotten when the card has changed since."""
        learned = self._learned.get(key, {}).get(engine)
        if learned and not isclose(learned.reference, _reference(timing), rel_tol=1e-6):
            del self._learned[key][engine]
            return None
        return learned

    def _of_others(self, kind: str, size_class: int) -> float:
        """The middle one of the factors of what was run in the same kind of engine, else in any; 1 where nothing was."""
        usual = [learned for key, engines in self._learned.items() if " " not in key for learned in engines.values()]
        same = [learned for learned in usual if learned.kind == kind]
        if kind not in _ASSUMED:
            same = same or [learned for learned in usual if learned.kind not in _ASSUMED]
        return median([learned.at(size_class) for learned in same] or [1.0])


def _work(job: Job, size: Size) -> _Work:
    """The pieces that a picture is cut into by the memory there is now."""
    rule = job.approach.tiling_of(job.checkpoint)
    if rule.mode != "tiles":
        return _Work(Counter([size]))
    side = tiling.side_for(rule, job.checkpoint.bytes_per_pixel, budget(), size)
    rows, columns = (Counter(span.high - span.low for span in spans) for spans in tiling.axes(*size, rule, side))
    return _Work(Counter({(h, w): rows[h] * columns[w] for h in rows for w in columns}))


def _timing(job: Job, engine: str) -> Timing:
    """The card's seconds in that engine, else in another, on as many threads as there are here.

    Without any: those of another checkpoint of the approach, by their operations; else operations at an assumed rate.
    """
    checkpoint = job.checkpoint
    for other in (checkpoint, *job.approach.checkpoints):
        if other.timings and (other is checkpoint or (other.flops_per_pixel and checkpoint.flops_per_pixel)):
            timing = next((t for t in other.timings if t.engine == engine), other.timings[0])
            ratio = 1.0 if other is checkpoint else checkpoint.flops_per_pixel / other.flops_per_pixel
            return timing.scaled(ratio * (timing.threads / threads() if timing.threads else 1.0))
    kind = _CPU if checkpoint.needs is None else _GPU
    return plain(kind, max(checkpoint.flops_per_pixel, _LEAST_FLOPS) / _ASSUMED[kind])


def _reference(timing: Timing) -> float:
    return timing.seconds(256 * 256, again=True)


def record_timing(run: Callable[[], float | None]) -> None:
    """Call `run`, which runs a method at one size and returns its seconds, until they tell what it takes on this machine.

    The first is the slowest; of brief ones it takes more, since a disturbed run says little and the fastest is believed.
    None, where it failed, ends it.
    """
    for count in itertools.count(1):
        seconds = run()
        if seconds is None or count >= (_FEWEST_RUNS if seconds > _BRIEF_SECONDS else _MOST_RUNS):
            return


def threads() -> int:
    """Threads that a network is assumed to use well here."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    here = int(limit) if limit.isdecimal() and int(limit) else os.cpu_count() or 1
    return min(here, _MOST_THREADS)


def _read(file: Path) -> dict[str, dict[str, _Learned]]:
    """What the file holds; nothing where it is absent, damaged or of an earlier format: it is measured again."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["format"] != _FORMAT:
            return {}
        return {
            str(key): {str(engine): _learned(found) for engine, found in engines.items()}
            for key, engines in stored["learned"].items()
        }
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


def _learned(found: dict[str, Any]) -> _Learned:
    """One entry of the file. Raises ValueError, KeyError, TypeError or AttributeError when it is damaged."""
    factors = {int(size_class): float(factor) for size_class, factor in found["factors"].items()}
    reference = float(found["reference"])
    if not factors or not all(0 < value < inf for value in (reference, *factors.values())):
        raise ValueError("not a measured time")
    return _Learned(str(found["kind"]), reference, factors)


def _write(file: Path, learned: dict[str, dict[str, _Learned]]) -> None:
    entries = {key: {engine: asdict(one) for engine, one in engines.items()} for key, engines in learned.items()}
    with suppress(OSError):  # a full or read-only disk costs only the memory of these figures
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps({"format": _FORMAT, "learned": entries}).encode())
