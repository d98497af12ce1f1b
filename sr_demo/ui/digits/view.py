"""What the digits tab shows, as HTML: small pictures side by side, scores, sentences."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.digits.options import LARGEST, SMALLEST
from sr_demo.errors import StorageError
from sr_demo.reports.training_curves import TrainedNetwork, curve_chart, legend
from sr_demo.spec import EMBEDDED, card

_STEPS = 200
"""Positions of the size slider."""
_METHODS = {
    "bicubic": "Bicubic", "vaegan": "VAE-GAN", "cppn-gan": "CPPN with a critic", "cppn-l2": "CPPN without a critic",
}  # fmt: skip
_TAUGHT = ("digits-vaegan", "digits-cppn-vaegan", "digits-cppn-l2")


@dataclass(frozen=True)
class Card:
    """One small picture with what is known about it."""

    title: str
    about: str
    picture: NDArray[np.uint8]
    """(H, W) uint8."""
    note: str = ""
    smooth: bool = False
    """False: each pixel is shown as a square; true for pictures with more pixels than the screen shows."""


def cards(shown: Sequence[Card]) -> str:
    """The pictures side by side at the same size, each with its text below."""
    figures = "".join(
        f'<figure><img src="{data_url(card.picture)}" class="{"srd-smooth" if card.smooth else "srd-pixels"}" '
        f'alt="{escape(card.title)}, {card.picture.shape[1]} by {card.picture.shape[0]} pixels">'
        f"<figcaption><b>{escape(card.title)}</b><span>{escape(card.about)}</span>"
        f"<span>{escape(card.note)}</span></figcaption></figure>"
        for card in shown
    )
    return f'<div class="srd-cards">{figures}</div>'


def measured() -> list[dict[str, Any]]:
    """The rows that `evaluate-digits` wrote for the embedded networks."""
    return json.loads((EMBEDDED / "measures" / "digits.json").read_text(encoding="utf-8"))


def figures() -> str:
    """What `evaluate-digits` measured with the embedded networks, and how these learned."""
    rows = measured()
    cells = "".join(
        f'<tr><th scope="row">{_METHODS[row["method"]]}</th><td>{row["psnr"]:.2f} dB</td><td>{row["ssim"]:.4f}</td>'
        f"<td>{row['sharpness']:.3f}</td><td>{row['accuracy']:.2%}</td></tr>"
        for row in rows
    )
    taught = [TrainedNetwork(stem, stem, card(stem)) for stem in _TAUGHT]
    chart = curve_chart(taught, "psnr", "PSNR on 2,000 held-out training digits, dB")
    return (
        f'<div class="sr-table-scroll" tabindex="0" role="region" aria-label="Scores of the digits lab">'
        '<table class="sr-table"><thead><tr><th scope="col">Method</th><th scope="col">PSNR</th><th scope="col">SSIM</th>'
        '<th scope="col">Sharpness</th><th scope="col">Still the same digit</th></tr></thead>'
        f"<tbody>{cells}</tbody></table></div>"
        f'<p class="sr-fine">Means over the {rows[0]["digits"]:,} test digits of MNIST, shrunk to 26 × 26 and drawn again at '
        "28 × 28. Sharpness: steps between neighbouring pixels, 1 is as steep as the truth. Still the same digit: the "
        "reader sees what the digit was. <code>python -m sr_demo evaluate-digits</code> measures it again.</p>"
        f'<div class="sr-curves">{chart}</div>{legend(taught, note=False)}'
    )


def strip(picture: NDArray[np.uint8], alt: str) -> str:
    """One wide picture that scrolls inside its own box."""
    return f'<div class="srd-strip"><img src="{data_url(picture)}" alt="{escape(alt)}"></div>'


def scores_text(psnr: float, ssim: float) -> str:
    """PSNR and SSIM in one line."""
    return f"{'identical' if math.isinf(psnr) else f'{psnr:.1f} dB'}, SSIM {ssim:.3f}"


def sentence(text: str, role: str = "note") -> str:
    """A quiet line."""
    return f'<p class="sr-fine" role="{role}">{escape(text)}</p>' if text else ""


def problem(text: str) -> str:
    """A sentence that says what went wrong and what to do."""
    return f'<p class="sr-problem" role="alert">{escape(text)}</p>'


def data_url(picture: NDArray[np.uint8]) -> str:
    """A small picture as part of the page."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")


def png(picture: NDArray[np.uint8]) -> bytes:
    """(H, W) or (H, W, 3) RGB uint8 as PNG, quickly."""
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    return encoded.tobytes()


def write(content: bytes, folder: Path, name: str) -> str:
    """Put a result where the page may serve it. Raises StorageError."""
    target = folder / name
    try:
        target.write_bytes(content)
    except OSError as exc:
        raise StorageError("The server's disk is full or cannot be written. Please try again later.") from exc
    return str(target)


def size_slider(default: int) -> str:
    """A slider whose steps grow with the size: each is about two per cent."""
    start = round(_STEPS * math.log(default / SMALLEST) / math.log(LARGEST / SMALLEST))
    return (
        f'<label class="sr-label" for="digit-size-range">Size of the picture: '
        f'<output id="digit-size-text">{default} × {default} pixels</output></label>'
        f'<input id="digit-size-range" type="range" min="0" max="{_STEPS}" value="{start}" '
        f'aria-valuetext="{default} pixels a side">'
    )


SIZE_SCRIPT = f"""
const range = element.querySelector("input"), text = element.querySelector("output");
const size = () => Math.round({SMALLEST} * Math.pow({LARGEST} / {SMALLEST}, range.value / {_STEPS}));
range.addEventListener("input", () => {{
  text.textContent = `${{size()}} × ${{size()}} pixels`;
  range.setAttribute("aria-valuetext", `${{size()}} pixels a side`);
  trigger("select", {{ index: size(), value: String(size()) }});
}});
"""
