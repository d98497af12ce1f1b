"""What the cards of the embedded networks say: how they were taught, how they learned, what they score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sr_demo.reports import formatting
from sr_demo.spec import Approach, card

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 14, 36
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")
"""Lines differ by their dashes, so that colour is never needed to tell them apart."""
MEASURES = (("psnr_y", "PSNR-Y on validation photos, dB"), ("ssim_y", "SSIM-Y on validation photos"), ("loss", "loss"))


@dataclass(frozen=True)
class Lesson:
    """One embedded network and its card."""

    name: str
    """As on the command line: `rdn:mse`."""
    title: str
    card: dict[str, Any]


def lessons(approaches: Sequence[Approach]) -> list[Lesson]:
    """The embedded networks whose cards hold curves, in catalogue order."""
    found: list[Lesson] = []
    for approach in approaches:
        for checkpoint in approach.checkpoints:
            if checkpoint.kind != "embedded":
                continue
            written = card(Path(checkpoint.files[0].name).stem)
            if "curves" in written:
                found.append(Lesson(f"{approach.id}:{checkpoint.name}", approach.title, written))
    return found


def curve_chart(taught: Sequence[Lesson], measure: str, title: str) -> str:
    """SVG: one line per network, iterations to the right and `measure` upward, in `currentColor`.

    Not minutes: those depend on what else a machine did meanwhile.

    A second, faint line beside it is the same measure on pictures that the network was taught with, where the card has it.
    """
    series = [_series(lesson, measure) for lesson in taught]
    familiar = [_series(lesson, f"train_{measure}") for lesson in taught]
    points = [point for line in (*series, *familiar) for point in line]
    if not points:
        return ""
    right = max(iteration for iteration, _ in points)
    values = sorted(v for _, v in points)
    # The first moments of a training lie far away and would flatten the rest.
    low, high = values[len(values) // 50], values[-1 - len(values) // 50]
    span = (high - low) or 1.0

    def place(iteration: float, value: float) -> str:
        x = _LEFT + iteration / right * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - (min(max(value, low), high) - low) / span * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    def drawn(name: str, line: list[tuple[float, float]], index: int, opacity: float) -> str:
        return (
            f'<polyline fill="none" stroke="currentColor" stroke-width="1.5" stroke-opacity="{opacity}" '
            f'stroke-dasharray="{_DASHES[index % len(_DASHES)]}" '
            f'points="{" ".join(place(i, v) for i, v in line)}"><title>{escape(name)}</title></polyline>'
        )

    lines = "".join(
        drawn(lesson.name, line, i, 1.0) + (drawn(f"{lesson.name}, taught pictures", own, i, 0.35) if own else "")
        for i, (lesson, line, own) in enumerate(zip(taught, series, familiar, strict=True))
    )
    return (
        f'<figure class="sr-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)} by iterations" '
        'style="width:100%;height:auto;font:11px system-ui,sans-serif" fill="currentColor">'
        f'<text x="4" y="{_TOP + 4}">{high:.3g}</text><text x="4" y="{_HEIGHT - _BOTTOM}">{low:.3g}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 14}" text-anchor="end">{right:.0f} iterations</text>'
        f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" fill="none" stroke="currentColor" '
        f'stroke-opacity=".3"/>{lines}</svg><figcaption>{escape(title)}</figcaption></figure>'
    )


def _series(lesson: Lesson, measure: str) -> list[tuple[float, float]]:
    """(iteration, value) where the card has a value."""
    curves = lesson.card["curves"]
    return [(i, v) for i, v in zip(curves["iteration"], curves.get(measure, []), strict=False) if v is not None]


def legend(taught: Sequence[Lesson], familiar: bool = True) -> str:
    """HTML: which dashes are whose; `familiar`: with a word on the faint lines."""
    items = "".join(
        f'<li><svg width="44" height="8" aria-hidden="true"><line x1="0" x2="44" y1="4" y2="4" stroke="currentColor" '
        f'stroke-width="2" stroke-dasharray="{_DASHES[i % len(_DASHES)]}"/></svg> {escape(t.name)}</li>'
        for i, t in enumerate(taught)
    )
    if not familiar:
        return f'<ul class="sr-legend">{items}</ul>'
    return (
        f'<ul class="sr-legend">{items}</ul><p class="sr-fine">Faint lines: the same on as many of the pictures that '
        "were taught. Where they part, the network learns its pictures by heart.</p>"
    )


def lesson_table(taught: Sequence[Lesson]) -> str:
    """HTML: scores and what they cost to learn, from the cards."""
    heads = ("Network", "Set5", "Set14", "Our photos", "Parameters", "Iterations", "Time", "Losses", "Taught on")
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(lesson)) + "</tr>" for lesson in taught
    )
    licences = dict.fromkeys(lesson.card["data"]["licence"] or "not stated" for lesson in taught)
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        '<div class="sr-table-scroll" tabindex="0" role="region" aria-label="How the networks were taught">'
        f'<table class="sr-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="sr-fine">PSNR-Y in dB / SSIM-Y, four times, as the file that is shipped scores. Licence of the photos: '
        f"{escape('; '.join(licences))}.</p>"
    )


def _cells(lesson: Lesson) -> tuple[str, ...]:
    written = lesson.card
    scores = written.get("scores", {})

    def score(key: str) -> str:
        return f"{scores[key]['psnr_y']:.2f} / {scores[key]['ssim_y']:.4f}" if key in scores else "–"

    return (
        lesson.name, score("Set5"), score("Set14"), score("val"), formatting.parameters(written["parameters"]),
        str(written["iterations"]), f"{written['seconds'] / 60:.0f} min", ", ".join(written["losses"]),
        f"{written['data']['count']} photos, {written['device']}",
    )  # fmt: skip
