"""HTML of the Digits tab (small images side by side, scores, sentences), and its files for download."""

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

from sr_demo.checkpoint import EMBEDDED, card
from sr_demo.digits.options import LARGEST, SMALLEST
from sr_demo.errors import StorageError
from sr_demo.reports.training_curves import TrainedNetwork, curve_chart, legend
from sr_demo.ui.languages import attribute, marked, word

_STEPS = 200
"""Number of positions of the size slider."""
METHODS = {
    "bicubic": "Bicubic", "vaegan": "VAE-GAN", "cppn-gan": "CPPN with discriminator",
    "cppn-l2": "CPPN without discriminator",
}  # fmt: skip
TYPICAL_NOTE = (
    "Drawn by our own VAE-GAN from the latent of a typical training digit, not by hand. "
    "It is its own original here, which flatters it."
)
_TRAINED = {"digits-vaegan": "vaegan", "digits-cppn-vaegan": "cppn-gan", "digits-cppn-l2": "cppn-l2"}
"""Weight file of each network -> key in `METHODS`."""
LATENT: int = card("digits-vaegan")["architecture"]["settings"]["latent"]
"""Number of values of a latent, the same for all three networks."""


@dataclass(frozen=True)
class Card:
    """One small image with its text."""

    title: str
    about: str
    image: NDArray[np.uint8]
    """(H, W) gray or (H, W, 3) RGB uint8."""
    note: str = ""
    smooth: bool = False
    """Whether the browser interpolates, for images with more pixels than shown; otherwise each pixel is a square."""


def cards(shown: Sequence[Card]) -> str:
    """Return the images side by side at the same size, each with its text below, as HTML."""
    figures = "".join(
        f'<figure><img src="{data_url(card.image)}" class="{"srd-smooth" if card.smooth else "srd-pixels"}" '
        f'alt="{escape(card.title)}, {card.image.shape[1]} by {card.image.shape[0]} pixels">'
        f"<figcaption><b>{word(card.title)}</b><span>{escape(card.about)}</span>"
        f"<span>{escape(card.note)}</span></figcaption></figure>"
        for card in shown
    )
    return f'<div class="srd-cards sr-words">{figures}</div>'


def measured() -> list[dict[str, Any]]:
    """Return the rows that `evaluate-digits` wrote for the embedded networks."""
    return json.loads((EMBEDDED / "measures" / "digits.json").read_text(encoding="utf-8"))


def figures() -> str:
    """Return the scores that `evaluate-digits` measured, and the learning curves of the embedded networks, as HTML."""
    rows = measured()
    count = f"{rows[0]['digits']:,}"
    cells = "".join(
        f'<tr><th scope="row">{word(METHODS[row["method"]])}</th><td>{row["psnr"]:.2f} dB</td><td>{row["ssim"]:.4f}</td>'
        f"<td>{row['sharpness']:.3f}</td><td>{row['accuracy']:.2%}</td></tr>"
        for row in rows
    )
    cards_of = {stem: card(stem) for stem in _TRAINED}
    trained = [
        TrainedNetwork(stem, METHODS[_TRAINED[stem]], written["parameters"], written)
        for stem, written in cards_of.items()
    ]
    chart = curve_chart(trained, "psnr", "PSNR on 2,000 held-out training digits, dB")
    return (
        f'<div class="sr-table-scroll" tabindex="0" role="region" {attribute("aria-label", "digits_scores")}>'
        f'<table class="sr-table"><thead><tr><th scope="col">{marked("table_method")}</th><th scope="col">PSNR</th>'
        f'<th scope="col">SSIM</th><th scope="col">{marked("digits_sharpness")}</th>'
        f'<th scope="col">{marked("digits_same")}</th></tr></thead>'
        f"<tbody>{cells}</tbody></table></div>"
        f'<p class="sr-fine">{marked("digits_means", count=count)}</p>'
        f'<div class="sr-curves sr-words">{chart}</div>{legend(trained, note=False)}'
    )


def strip(image: NDArray[np.uint8], alt: str) -> str:
    """Return one wide image, (H, W) gray or (H, W, 3) RGB uint8, that scrolls inside its own box, as HTML."""
    return f'<div class="srd-strip sr-words"><img src="{data_url(image)}" alt="{escape(alt)}"></div>'


def scores_text(psnr: float, ssim: float) -> str:
    """Return PSNR (in dB, infinite for identical images) and SSIM in one line."""
    return f"{'identical' if math.isinf(psnr) else f'{psnr:.1f} dB'}, SSIM {ssim:.3f}"


def sentence(text: str, role: str = "note") -> str:
    """Return `text` as a paragraph in small print with the ARIA role `role`, escaped; "" for an empty text."""
    return f'<p class="sr-fine" role="{role}">{word(text)}</p>' if text else ""


EMPTY = f'<p class="sr-fine" role="note">{marked("digits_empty")}</p>'
"""Shown in place of the comparison while there is no digit."""


def data_url(image: NDArray[np.uint8]) -> str:
    """Return a small image, (H, W) gray or (H, W, 3) RGB uint8, as a `data:` URL."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode (H, W) gray or (H, W, 3) RGB uint8 as PNG, with fast compression."""
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    return encoded.tobytes()


def write(content: bytes, folder: Path, name: str) -> str:
    """Write a result into a folder that the page serves, and return its path.

    Args:
        content: Content of the file.
        folder: A folder of the store.
        name: File name.

    Raises:
        StorageError: The disk is full or not writable.
    """
    target = folder / name
    try:
        target.write_bytes(content)
    except OSError as exc:
        raise StorageError("The server's disk is full or cannot be written. Please try again later.") from exc
    return str(target)


def size_slider(default: int) -> str:
    """Return a logarithmic slider for the side of a digit in pixels: each step changes it by about two per cent."""
    start = round(_STEPS * math.log(default / SMALLEST) / math.log(LARGEST / SMALLEST))
    return (
        f'<label class="sr-label" for="digit-size-range">{marked("digits_size")}: '
        f'<output id="digit-size-text">{default} × {default}</output> {marked("pixels")}</label>'
        f'<input id="digit-size-range" type="range" min="0" max="{_STEPS}" value="{start}" '
        f'aria-valuetext="{default} × {default}">'
    )


SIZE_SCRIPT = f"""
const range = element.querySelector("input"), text = element.querySelector("output");
const size = () => Math.round({SMALLEST} * Math.pow({LARGEST} / {SMALLEST}, range.value / {_STEPS}));
range.addEventListener("input", () => {{
  text.textContent = `${{size()}} × ${{size()}}`;
  range.setAttribute("aria-valuetext", text.textContent);
  trigger("select", {{ index: size(), value: String(size()) }});
}});
"""
