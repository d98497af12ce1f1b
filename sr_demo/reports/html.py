"""HTML from the jinja2 templates in `templates/`, for all reports and for their parts on the page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sr_demo.image import Image, ImageData, encode_png


def render(template: str, **values: Any) -> str:
    """Fill a template; every value is escaped unless the template marks it as HTML (`| safe`).

    Args:
        template: File name in `templates/`.
        **values: Its variables, all of which must be given.
    """
    return _environment().get_template(template).render(values)


def stream(template: str, **values: Any) -> Iterator[str]:
    """Fill a template like `render`, and yield the text in parts as they are rendered."""
    return _environment().get_template(template).generate(values)


def image_uri(image: Image) -> str:
    """Return an image (H, W, 3), float32 in [0, 1], as a `data:` address of a PNG."""
    return png_uri(encode_png(ImageData(image)))


def png_uri(png: bytes) -> str:
    """Return the bytes of a PNG file as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("sr_demo.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
