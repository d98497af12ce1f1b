"""The comparison viewer: pictures of one scene in a grid or under a slider, with one zoom and position for all.

The Python side only says what is shown. Looks and behaviour are in `viewer.html`, `viewer.css` and `viewer.js`, which
Gradio renders as one custom component: the template is static, the script builds the page from `value` and follows its
changes, so that a picture added while others are being looked at disturbs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import gradio as gr

EMPTY = "The results appear here, side by side."

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ViewerPicture:
    """One picture of a comparison.

    `id`: short, unique in the comparison, stable from one update to the next. A download is named after it, unless the
    server states a name: Gradio states the file's own, so call the files what people should find in their folder.
    `label`, `scores`, `note`: plain text of one line each, shown as text whatever it contains; the last two may be "".
    `url`, `difference_url`, `download_url`: addresses relative to the page (see `file_url`). The difference is "" where
    there is none; the download is "" where it is the picture behind `url` itself.
    `width`, `height`: pixels of the full result, also where `url` shows a smaller copy of it: 1:1 means these pixels.
    `alt`: what a screen reader says.
    `truth`: this is the true answer the others are measured against.

    Raises `ValueError` for an empty id or size and for an address that leaves the page's own server.
    """

    id: str
    label: str
    url: str
    width: int
    height: int
    alt: str
    scores: str = ""
    note: str = ""
    difference_url: str = ""
    truth: bool = False
    download_url: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a picture needs an id")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"picture {self.id!r} has no pixels: {self.width} x {self.height}")
        for url in filter(None, (self.url, self.difference_url, self.download_url)):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                raise ValueError(f"picture {self.id!r} must have an address on this server, not {url!r}")


def file_url(path: str | Path) -> str:
    """Address, relative to the page, under which Gradio serves a file of its cache or of an allowed folder."""
    return "gradio_api/file=" + quote(Path(path).as_posix(), safe="/:")


def viewer_value(pictures: Sequence[ViewerPicture], empty: str = EMPTY) -> dict[str, Any]:
    """The `value` of the component for these pictures, in this order; `empty` is shown when there are none.

    Zoom, position, mode and chosen pair survive an update as long as the first picture keeps its `url`; a new first
    `url` is a new comparison and starts fitted. Raises `ValueError` if two pictures share an id.
    """
    ids = [picture.id for picture in pictures]
    if len(set(ids)) != len(ids):
        raise ValueError(f"pictures of one comparison need different ids: {ids}")
    return {"pictures": [asdict(picture) for picture in pictures], "empty": empty}


def viewer(empty: str = EMPTY, *, elem_id: str | None = None) -> gr.HTML:
    """The component, without pictures yet and therefore showing the sentence `empty`.

    Update it by returning `viewer_value(...)` from a listener, and give that listener `show_progress="hidden"`: Gradio
    fades a component that waits for its next value, and here people are looking at the pictures already on the page.
    """
    return gr.HTML(
        value=viewer_value((), empty),
        html_template=_read("viewer.html"),
        css_template=_read("viewer.css"),
        js_on_load=_read("viewer.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
