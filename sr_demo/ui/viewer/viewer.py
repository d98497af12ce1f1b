"""The comparison viewer: images of one scene in a grid or under a slider, with one zoom and position for all.

Python only provides the value. Appearance and behaviour are defined in `viewer.html`, `viewer.css` and `SCRIPTS`, which
Gradio renders as one custom component: the template is static; the script builds the document from `value` and updates only
what has changed, so that a new image does not disturb the view of others. `shared_page.py` uses the same files in a separate
page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from sr_demo.ui.languages import with_texts

if TYPE_CHECKING:
    import gradio as gr

    from sr_demo.reports.saved_image import Part

EMPTY = "The results appear here, side by side."

SCRIPTS = (
    "geometry.js", "mask.js", "state.js", "elements.js", "stage.js", "plate.js", "adjust.js", "bars.js", "draw.js",
    "input.js", "viewer.js",
)  # fmt: skip
"""Parts of one script, in the order of their dependencies: scripts of Gradio's components cannot import modules."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ViewerImage:
    """One image of a comparison, as the viewer's script receives it.

    Attributes:
        id: Short id, unique in the comparison, the same in all updates. A download is named after it unless the server sets
            a name; Gradio sets the file's own name.
        label: Name of the image; one line of plain text, never interpreted as HTML.
        url: Address relative to the page; see `file_url`.
        width: Width of the full result in pixels, even if `url` is that of a smaller copy: 1:1 refers to these pixels.
        height: Height of the full result, likewise.
        alt: Text alternative, read by screen readers.
        scores: One line of plain text, or "".
        note: One line of plain text, or "".
        difference_url: Address of the difference to the HR reference, or "".
        reference: Whether this is the HR reference that the others are scored against.
        download_url: Address of the file to download; "" if it is that of `url`.
        status: Shown in place of an image without `url`: "waiting", "tile 3 of 12", or an error message.
        fraction: Finished share of the job, 0..1; shown as a bar if above 0.
        failed: Whether `status` is an error message; screen readers announce it immediately.
        invents: Whether the detail of the image can be reduced.
        faithful_url: Address of the result with none of its detail; "" if that was not requested.
        detailed_url: Address of the result with all of its detail on the low band of the image at `faithful_url`. The viewer
            mixes the two for values in between.
        invention_url: Address of the map that is drawn over the image, or "".
        part: Position of the image in images of the whole photo; the first of these is shown darkened around it.

    Raises:
        ValueError: The id or the size is empty, or an address is not on the page's own server.
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
    reference: bool = False
    download_url: str = ""
    status: str = ""
    fraction: float = 0.0
    failed: bool = False
    invents: bool = False
    faithful_url: str = ""
    detailed_url: str = ""
    invention_url: str = ""
    part: Part | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("an image needs an id")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image {self.id!r} has no pixels: {self.width} x {self.height}")
        given = (
            self.url,
            self.difference_url,
            self.download_url,
            self.faithful_url,
            self.detailed_url,
            self.invention_url,
        )
        for url in filter(None, given):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                raise ValueError(f"image {self.id!r} must have an address on this server, not {url!r}")


def file_url(path: str | Path) -> str:
    """Return the address, relative to the page, of a file in Gradio's cache or in an allowed folder."""
    return "gradio_api/file=" + quote(Path(path).as_posix(), safe="/:")


GONE: dict[str, Any] = {"gone": True}
"""Value that reports that the files of what the viewer shows were deleted: it keeps the images, and waits for nothing."""


def viewer_value(
    images: Sequence[ViewerImage],
    empty: str = EMPTY,
    *,
    pair: tuple[str, str] | None = None,
    example: bool = False,
    scene: str = "",
    centre: tuple[float, float] | None = None,
    adjustable: bool = False,
) -> dict[str, Any]:
    """Return the component's `value`.

    Zoom, position, mode and selected pair survive an update that shows the same scene. Another scene starts fitted to the
    viewer, or at `centre`, or in its last state.

    Args:
        images: Images to show, in order.
        empty: Text to show if there are no images.
        pair: Ids of the images that the slider opens with; None for the first two.
        example: Whether this is an example, or a photo before its comparison, which cannot be adjusted: it opens with the
            slider, and the next comparison as a grid.
        scene: Equal for comparisons of the same part of the same photo; "" uses the first image's `url`.
        centre: Position (x, y), as fractions of the largest image, that a grid of reduced images starts with at 1:1; None
            starts with whole images.
        adjustable: Whether the event `input` can request less detail, and maps of invented detail.

    Raises:
        ValueError: Two images share an id.
    """
    ids = [image.id for image in images]
    if len(set(ids)) != len(ids):
        raise ValueError(f"images of one comparison need different ids: {ids}")
    shown = [asdict(image) for image in images]
    return {
        "images": shown, "empty": empty, "pair": list(pair or ()), "example": example, "scene": scene,
        "centre": list(centre) if centre else None, "adjustable": adjustable,
    }  # fmt: skip


_RUN = "window.srViewer(element, trigger, props, watch);"
# The brackets make browsers parse the function immediately, instead of once to find its end and again when it runs.
_SHARED = "window.srViewer = (function (element, trigger, props, watch) {{\n{script}}});\n" + _RUN


def viewer(
    empty: str = EMPTY,
    *,
    elem_id: str | None = None,
    example: Sequence[ViewerImage] = (),
    pair: tuple[int, int] = (0, -1),
    savable: bool = False,
    first: bool = True,
) -> gr.HTML:
    """Return the viewer component.

    To update it, return `viewer_value(...)` from a listener with `show_progress="hidden"`: otherwise Gradio fades the
    component while it waits for the next value. If the value is `adjustable`, the event `input` requests less detail or maps,
    and `apply` requests the positions of faces; see `ui/compare/adjustment.py`.

    Args:
        empty: Text to show if there are no images.
        elem_id: Id of the component's element.
        example: Images to show at first.
        pair: Indices of the two images of `example` that the slider opens with.
        savable: Whether each image has a button that triggers the event `select` with its `url` and `label`.
        first: Whether this is the first viewer of the page. It contains the script of all, so it must precede the others.
    """
    import gradio as gr  # `shared_page` needs the rest of this module without Gradio

    opened = (example[pair[0]].id, example[pair[1]].id) if example else None
    return gr.HTML(
        value=viewer_value(example, empty, pair=opened, example=bool(example)),
        html_template=source("viewer.html"),
        css_template=source("viewer.css"),
        js_on_load=_SHARED.format(script=script()) if first else _RUN,
        apply_default_css=False,
        elem_id=elem_id,
        savable=savable,
    )


def scroll_to(elem_id: str) -> str:
    """Return the script of an event that scrolls to a viewer that is out of sight (on phones, below the controls).

    It scrolls without animation, during which elements that grow above the viewer would move it. It first sets the height of
    the viewer's column to that of the screen, so that elements added below the viewer do not shift visible ones.
    """
    return f"""() => {{
  const viewer = document.getElementById("{elem_id}");
  if (viewer && viewer.getBoundingClientRect().top > window.innerHeight * 0.6) {{
    viewer.parentElement.style.minHeight = "100vh";
    requestAnimationFrame(() => setTimeout(() => viewer.scrollIntoView({{ block: "start" }})));
  }}
  return [];
}}"""


def script() -> str:
    """Return the viewer's script, preceded by all code that it needs."""
    return with_texts("".join(map(source, SCRIPTS)))


def source(name: str) -> str:
    """Return the text of a file in this folder."""
    return (_HERE / name).read_text(encoding="utf-8")
