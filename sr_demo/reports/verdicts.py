"""Verdicts on whether a measured approach fits a budget, with a figure for each reason."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Literal, NamedTuple

from sr_demo.checkpoint import STATED_BY_USER
from sr_demo.options import Options, option
from sr_demo.system import memory
from sr_demo.system.file_sizes import file_size

Facts = dict[str, Any]
"""JSON-able data: a report, or one of its rows."""
Level = Literal["fits", "fits with", "does not fit", "not measured"]
HERE = "this machine"
RATES = {"2 cores, 8 GB": 0.25e12, "laptop": 0.8e12, "T4": 16e12, "H100": 250e12}
"""Assumed floating point operations per second of convolutional networks: on the two CPUs the rate of convolutions in fp32,
on the GPUs a quarter of the vendor's dense half-precision peak (65 and 990 TFLOP/s)."""
BY_OPERATIONS = ("convolutional", "adversarial")
"""Families whose time on other hardware is estimated from their operations. Attention and methods without networks take many
times longer than their operations suggest, so that the time measured here is used for them."""
RULE = (
    "on other hardware, convolutional networks: operations per pixel x pixels / the rate assumed for that hardware; "
    "attention networks and all other methods: the time measured here, since their operations would suggest far too little. "
    "For other sizes, time in proportion to the pixels. Memory: as measured here; for larger sizes, its growth during a run "
    "in proportion to the pixels, up to 2 GB; GPU memory that was measured here: in proportion to the pixels"
)
"""Rule for the estimation of figures that were not measured, as text for the report."""
MEMORY_MB = {"2 cores, 8 GB": 8e3, "laptop": 16e3}
VRAM_MB = {"T4": 16e3, "H100": 80e3}
"""GPU memory in MB from the vendors' data sheets."""
_SLOWER = 4.0
"""Ratio to the time limit up to which the verdict suggests smaller images instead of refusing the method."""
NO_LICENCE = "no licence stated"
"""Licence of weights whose author stated none and thus has all rights."""
_ALLOWED = frozenset({
    "none needed", "Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "0BSD", "ISC", "Zlib", "CC0-1.0", "CC-BY-4.0",
    "Unlicense", "WTFPL",
    # Works derived from the weights must have the same licence; commercial use is allowed.
    "CC-BY-SA-4.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-3.0-only", "MPL-2.0",
})  # fmt: skip
_FORBIDDEN = frozenset({"S-Lab-1.0", "SUPIR, non-commercial", NO_LICENCE})


def commercial_use(licence: str) -> Literal["yes", "no", "ask"]:
    """Return whether a licence allows commercial use; "ask" if permission or conditions must be checked.

    Args:
        licence: SPDX identifier, or several joined by OR, of which the user may choose one; of a user's file as stated.
    """
    found = {_commercial_use(part.strip()) for part in licence.removesuffix(f", {STATED_BY_USER}").split(" OR ")}
    return "yes" if "yes" in found else "ask" if "ask" in found else "no"


def _commercial_use(identifier: str) -> Literal["yes", "no", "ask"]:
    if identifier in _ALLOWED:
        return "yes"
    # Other licences, such as OpenRAIL++-M, have lists of forbidden uses that must be read before deployment.
    return "no" if identifier in _FORBIDDEN or identifier.startswith("CC-BY-NC") else "ask"


@dataclass(frozen=True)
class Budget(Options):
    """Limits and requirements by which a method is judged."""

    seconds: float = option(
        5.0, "Seconds per picture", "Longest time for one picture, without loading the method.",
        minimum=0.01, maximum=3600, step=0.1,
    )  # fmt: skip
    side: int = option(
        256, "Picture side", "Side of a square input picture in pixels; the result is four times as large.",
        minimum=16, maximum=8192, step=16,
    )  # fmt: skip
    memory_mb: int = option(
        4000, "Memory (MB)", "Largest memory of the whole process.",
        minimum=100, maximum=1_000_000, step=100,
    )  # fmt: skip
    vram_mb: int = option(
        16000, "GPU memory (MB)", "Largest GPU memory, for methods that run on a GPU.",
        minimum=100, maximum=1_000_000, step=100,
    )  # fmt: skip
    disk_mb: int = option(
        500, "Disk (MB)", "Space for the weight files.", minimum=1, maximum=1_000_000, step=10
    )  # fmt: skip
    offline: bool = option(True, "Works without a network", "Nothing may be downloaded, not even once.")
    commercial: bool = option(False, "Commercial use", "The licence of the weights must allow it.")
    measures: bool = option(
        False, "Results are measured", "People will count, read or measure in the results, so little may be invented."
    )
    # Between networks trained for closeness and generative ones on the bundled photos: 36 to 37 % against 39 to 68 %.
    invented_percent: int = option(
        38, "Invented detail (%)", "For results that are measured: largest share of detail that the original does not have.",
        minimum=0, maximum=100, step=1,
    )  # fmt: skip
    missing_percent: int = option(
        100, "Missing detail (%)",
        "For results that are measured: largest share of the original's detail that may be missing.",
        minimum=0, maximum=100, step=1,
    )  # fmt: skip
    # Between bicubic and Real-ESRGAN on the bundled photos: 38 against 33 dB.
    consistency_db: int = option(
        35, "LR consistency (dB)", "For results that are measured: least agreement of the result, made small again, with the "
        "input.",
        minimum=0, maximum=100, step=1,
    )  # fmt: skip
    hardware: str = option(
        HERE, "Runs on", "Figures for other machines, and for sizes that were not measured, are estimates.",
        choices=(HERE, *RATES),
    )  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """One criterion of a verdict."""

    text: str
    holds: Literal["yes", "with", "no"]
    figure: float | None = None
    """The figure that decided, in the unit of the text."""
    source: Literal["measured", "estimate", "stated"] = "stated"


@dataclass(frozen=True)
class Verdict:
    """The result of judging a method, with its reasons."""

    level: Level
    reasons: tuple[Reason, ...]

    @property
    def sentence(self) -> str:
        """The verdict in words: `fits`, `fits with …` or `does not fit, because …`."""
        decisive = {"fits with": "with", "does not fit": "no"}.get(self.level)
        texts = "; ".join(r.text for r in self.reasons if r.holds == decisive)
        if self.level == "does not fit":
            return f"does not fit, because {texts}"
        return f"fits with {texts}" if self.level == "fits with" else self.level


def verdict(row: Facts, budget: Budget) -> Verdict:
    """Judge one row of the deployability report by a budget."""
    if row["measured"] is None:
        return Verdict("not measured", (Reason(row["failed"], "no"),))
    reasons = (
        _time(row, budget),
        _memory(row, budget),
        *_vram(row["measured"], budget),
        _disk(row, budget),
        _network(row, budget),
        _licence(row, budget),
        *_invention(row, budget),
    )
    if any(r.holds == "no" for r in reasons):
        return Verdict("does not fit", reasons)
    return Verdict("fits with" if any(r.holds == "with" for r in reasons) else "fits", reasons)


def seconds_for(row: Facts, side: int, hardware: str) -> tuple[float, Literal["measured", "estimate"]]:
    """Return the time for an image by RULE; on this machine, the median at this size, or scaled from the largest size.

    Args:
        row: A measured row of the report.
        side: Side of the square input image in pixels.
        hardware: HERE or a key of RATES.

    Returns:
        Seconds, and whether they were measured or estimated.
    """
    measured, pixels = row["measured"], side * side
    operations = 2 * measured["multiply_adds_per_pixel"]["value"]
    if hardware != HERE and operations and row["family"] in BY_OPERATIONS:
        return operations * pixels / RATES[hardware], "estimate"
    exact = [r for r in measured["latency"] if (r["width"], r["height"]) == (side, side)]
    if exact and hardware == HERE:
        return exact[0]["median_seconds"], "measured"
    return _largest(measured)["median_seconds"] * _times(measured, side), "estimate"


def _time(row: Facts, budget: Budget) -> Reason:
    seconds, source = seconds_for(row, budget.side, budget.hardware)
    duration = f"{_short(seconds)} s for {budget.side} x {budget.side} pixels{_mark(source)}"
    if seconds <= budget.seconds:
        return Reason(duration, "yes", seconds, source)
    if seconds <= _SLOWER * budget.seconds:
        side = int(budget.side * sqrt(budget.seconds / seconds))
        return Reason(
            f"pictures of at most {side} x {side} pixels (estimate: time grows with the pixels; it takes {duration})",
            "with", seconds, source,
        )  # fmt: skip
    return Reason(f"it takes {duration}, and {_short(budget.seconds)} s are allowed", "no", seconds, source)


def _largest(measured: Facts) -> Facts:
    return max(measured["latency"], key=lambda r: r["width"] * r["height"])


def _times(measured: Facts, side: int) -> float:
    """Return how many times as many pixels as the largest measured size a square image has."""
    largest = _largest(measured)
    return side * side / (largest["width"] * largest["height"])


def memory_for(measured: Facts, side: int) -> tuple[float, Literal["measured", "estimate"]]:
    """Return the peak memory of the process for an image, by RULE; the peak of all runs is a bound for smaller images.

    Args:
        measured: The "measured" of a row of the report.
        side: Side of the square input image in pixels.

    Returns:
        MB, and whether they were measured or estimated.
    """
    times, peak = _times(measured, side), measured["peak_mb"]
    if times <= 1:
        return peak, "measured"
    growth = min(_largest(measured)["peak_growth_mb"] * times, memory.ALLOWED / 1e6)
    return max(peak, measured["loaded_mb"] + growth), "estimate"


def _memory(row: Facts, budget: Budget) -> Reason:
    measured, largest = row["measured"], row.get("largest_side")
    if largest is not None and budget.side > largest:
        refusal = (
            f"its whole result would take too much memory: it takes pictures of at most {largest} x {largest} pixels"
        )
        return Reason(refusal, "no", largest)
    peak, source = memory_for(measured, budget.side)
    available = MEMORY_MB.get(budget.hardware, inf)
    allowed, source = min(budget.memory_mb, available), source if budget.hardware == HERE else "estimate"
    text = f"{peak:.0f} MB of memory at the peak{_mark(source)}"
    if peak <= allowed:
        return Reason(text, "yes", peak, source)
    return Reason(f"it took {text}, and {allowed:.0f} MB are allowed", "no", peak, source)


def _vram(measured: Facts, budget: Budget) -> tuple[Reason, ...]:
    """Judge GPU memory if the hardware is a GPU; unmeasured GPUs are estimated by main memory beyond the idle process."""
    available = VRAM_MB.get(budget.hardware)
    main, source = memory_for(measured, budget.side)
    estimate = measured["peak_over_idle_mb"] + main - measured["peak_mb"] if available else None
    peak = measured.get("vram_peak_mb") if budget.hardware == HERE else estimate
    if peak is None:
        return ()
    if available is None and source == "estimate":
        peak *= _times(measured, budget.side)
    allowed, source = min(budget.vram_mb, available or inf), source if available is None else "estimate"
    text = f"{peak:.0f} MB of GPU memory{_mark(source)}"
    if peak <= allowed:
        return (Reason(text, "yes", peak, source),)
    return (Reason(f"it takes {text}, and {allowed:.0f} MB are allowed", "no", peak, source),)


def _disk(row: Facts, budget: Budget) -> Reason:
    count = row["files"]["bytes"]
    size = count / 1e6
    if size <= budget.disk_mb:
        return Reason(f"{file_size(count)} of weights" if count else "no weight files", "yes", size, "measured")
    return Reason(f"its weights take {size:.0f} MB, and {budget.disk_mb} MB are allowed", "no", size, "measured")


def _network(row: Facts, budget: Budget) -> Reason:
    if row["files"]["kind"] != "hub":
        return Reason("works without a network", "yes")
    if not budget.offline:
        return Reason("downloaded once", "yes")
    size = row["files"]["bytes"] / 1e6
    return Reason(f"a file of {size:.0f} MB copied here once by hand", "with", size)


def _licence(row: Facts, budget: Budget) -> Reason:
    name, commercial = row["licence"]["weights"], row["licence"]["commercial"]
    if not budget.commercial or commercial == "yes":
        return Reason("no licence needed" if name == "none needed" else f"licence {name}", "yes")
    if commercial == "no":
        return Reason(f"the licence {name} forbids commercial use", "no")
    return Reason(f"permission, since the licence is {name}", "with")


class _Threshold(NamedTuple):
    """A limit for a measured figure of the results."""

    figure: str
    """Key of the figure, a mean over the photos."""
    limit: str
    """Name of the budget's option with the limit."""
    at_most: bool
    text: str
    """Reason for refusing a method whose figure is beyond the limit."""


THRESHOLDS = (
    _Threshold(
        "hallucination", "invented_percent", True,
        "{figure:.0f} % of its detail is not in the original, and {limit} % are allowed",
    ),
    _Threshold(
        "omission", "missing_percent", True,
        "{figure:.0f} % of the original's detail is missing, and {limit} % are allowed",
    ),
    _Threshold(
        "lr_consistency", "consistency_db", False,
        "its LR consistency is {figure:.0f} dB, and {limit} dB are required",
    ),
)  # fmt: skip
"""The limits for measured figures of results."""


def _invention(row: Facts, budget: Budget) -> tuple[Reason, ...]:
    """Judge invented detail by measured figures, or by the kind of method if they were not measured."""
    generative = row["may_invent_detail"]
    quality = row["measured"].get("quality")
    means: Facts = quality["photos_mean"] if quality else {}
    share = means.get("hallucination")
    figure = "" if share is None else f" ({share:.0f} % of it on photos)"
    if not budget.measures:
        return (Reason(f"may invent detail{figure}" if generative else "not a generative method", "yes"),)
    if broken := _broken(means, budget):
        return broken
    if share is None:
        if generative:
            return (Reason("it may invent detail, and the results will be used for measuring", "no"),)
        return (Reason("not a generative method", "yes"),)
    if generative:
        check = f"a check of each result, since it may invent detail ({share:.0f} % of it on photos)"
        return (Reason(check, "with", share, "measured"),)
    text = f"not a generative method; {share:.0f} % of its detail is not in the original"
    return (Reason(text, "yes", share, "measured"),)


def _broken(means: Facts, budget: Budget) -> tuple[Reason, ...]:
    """Return a reason for each threshold that a method violates; missing figures violate none."""
    reasons: list[Reason] = []
    for threshold in THRESHOLDS:
        figure, limit = means.get(threshold.figure), getattr(budget, threshold.limit)
        if figure is None:
            continue
        shown = round(figure)  # compared as it is displayed, so that 38.2 does not exceed 38
        if shown <= limit if threshold.at_most else shown >= limit:
            continue
        text = threshold.text.format(figure=figure, limit=limit)
        if not reasons:
            text = f"the results will be used for measuring: {text}"
        reasons.append(Reason(text, "no", figure, "measured"))
    return tuple(reasons)


def _mark(source: str) -> str:
    return " (estimate)" if source == "estimate" else ""


def _short(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"
