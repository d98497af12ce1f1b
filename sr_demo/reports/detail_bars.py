"""A stacked bar for each result that was scored against a reference: the shares of right, missing and invented detail."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from sr_demo.inference.jobs import Result
from sr_demo.reports import formatting, svg
from sr_demo.reports.invention_overlay import INVENTED, MISSING, RIGHT

_WIDTH, _ROW, _BAR, _LINE = 440, 66, 16, 18
_STYLE = "width:100%;max-width:440px;height:auto;font:13px system-ui,sans-serif"
_TITLE = "Detail that scaling down removed: right, missing and invented"


class _Kind(NamedTuple):
    key: str
    word: str
    fill: str


def _rgb(colour: tuple[int, int, int]) -> str:
    return "rgb({},{},{})".format(*colour)


_KINDS = (
    _Kind("improvement", "right", _rgb(RIGHT)),
    _Kind("omission", "missing", "url(#sr-dots)"),
    _Kind("hallucination", "invented", "url(#sr-stripes)"),
)
_PATTERNS = (
    '<defs><pattern id="sr-dots" width="7" height="7" patternUnits="userSpaceOnUse">'
    f'<rect width="7" height="7" fill="#777"/><circle cx="3.5" cy="3.5" r="2" fill="{_rgb(MISSING)}"/></pattern>'
    '<pattern id="sr-stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" fill="{_rgb(INVENTED)}" fill-opacity=".35"/>'
    f'<rect width="3" height="6" fill="{_rgb(INVENTED)}"/></pattern></defs>'
)


def detail_bars(results: Sequence[Result]) -> str:
    """Return the bars as SVG with the numbers beside them; "" if no result was scored against a reference."""
    scored = [result for result in results if result.scores.hallucination is not None]
    if not scored:
        return ""
    frame = svg.Frame(_WIDTH, _ROW * len(scored) + 4, left=0, right=0, top=0, bottom=0)
    body = _PATTERNS + "".join(_row(result, index * _ROW) for index, result in enumerate(scored))
    words = "; ".join(f"{formatting.title(result)}: {_numbers(result)}" for result in scored)
    image = svg.document(frame, f"{_TITLE}. {words}", body, _STYLE)
    caption = f"{_TITLE} (opensr-test; the best possible is 79 % right)."
    return f'<figure class="sr-curve sr-words">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def _row(result: Result, top: float) -> str:
    parts, x = svg.text(0, top + _LINE, formatting.title(result)) + svg.text(0, top + 2 * _LINE, _numbers(result)), 0.0
    for kind in _KINDS:
        width = getattr(result.scores, kind.key) / 100 * _WIDTH
        parts += (
            f'<rect x="{x:.1f}" y="{top + 2 * _LINE + 6:.1f}" width="{width:.1f}" height="{_BAR}" fill="{kind.fill}">'
            f"<title>{escape(kind.word)}</title></rect>"
        )
        x += width
    return parts


def _numbers(result: Result) -> str:
    return ", ".join(f"{getattr(result.scores, kind.key):.0f} % {kind.word}" for kind in _KINDS)
