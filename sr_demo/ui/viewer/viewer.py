"""The comparison viewer: images of one scene in a grid or under a slider, with one zoom and position for all.

Python only states what is shown. Appearance and behaviour are in `viewer.html`, `viewer.css` and `SCRIPTS`, which Gradio
renders as one custom component: the template is static, the script builds the document from `value` and follows its changes,
so that an image added while people look at others disturbs nothing. `shared_page.py` puts the same files into a page of their
own.
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
"""Parts of one script, since those of Gradio's components have no imports: what runs at once uses what stands before it."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ViewerImage:
    """One image of a comparison, as the viewer's script receives it.

    Attributes:
        id: Short, unique in the comparison, stable from one update to the next. A download is named after it unless the
            server states a name; Gradio states the file's own name.
        label: Name of the image; plain text of one line, shown as text whatever it contains.
        url: Address relative to the page, see `file_url`.
        width: Pixels of the full result, also where `url` shows a smaller copy of it: 1:1 means these pixels.
        height: Likewise.
        alt: Text alternative, read by screen readers.
        scores: One line of plain text, or "".
        note: One line of plain text, or "".
        difference_url: Address of the difference to the HR reference, or "".
        reference: Whether this is the HR reference that the others are scored against.
        download_url: Address of the file to download; "" where it is the one behind `url`.
        status: Shown in place of an image that has no `url` yet: "waiting", "tile 3 of 12", or why there is none.
        fraction: How much of it is done, 0..1; drawn as a bar where it is above 0.
        failed: Whether `status` says why there is no image; screen readers announce it at once.
        invents: Whether it can show less of its detail.
        faithful_url: Address of the result with none of its detail; "" where that was not requested.
        detailed_url: Address of the result with all of its detail on the low band of the one before. Anything between is a
            mixture of the two.
        invention_url: Address of the map that lies over the image, or "".
        part: Where it lies in the images that show more than it; around it, the first of those is shown, darker.

    Raises:
        ValueError: For an empty id or size, and for an address outside of the page's own server.
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


def viewer_value(
    images: Sequence[ViewerImage],
    empty: str = EMPTY,
    *,
    pair: tuple[str, str] | None = None,
    example: bool = False,
    scene: str = "",
    adjustable: bool = False,
) -> dict[str, Any]:
    """Return the component's `value`.

    Zoom, position, mode and selected pair survive an update as long as it shows the same scene; another scene starts fitted,
    or as it was left.

    Args:
        images: What is shown, in this order.
        empty: What is shown instead when there are none.
        pair: Ids of the images that the slider opens with; None takes the first two.
        example: Opens with the slider, and the comparison after it as a grid.
        scene: Equal for comparisons of the same part of the same photo; "" takes the first image's `url` for it.
        adjustable: Whether the event `input` can request less detail, and maps of what was invented.

    Raises:
        ValueError: Two images share an id.
    """
    ids = [image.id for image in images]
    if len(set(ids)) != len(ids):
        raise ValueError(f"images of one comparison need different ids: {ids}")
    shown = [asdict(image) for image in images]
    return {
        "images": shown, "empty": empty, "pair": list(pair or ()), "example": example, "scene": scene,
        "adjustable": adjustable,
    }  # fmt: skip


_RUN = "window.srViewer(element, trigger, props, watch);"
# In brackets, so that browsers do not parse it twice: once to find its end, and again when it runs.
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
    """Return the component, which shows `example`, or the sentence `empty` where that has no images.

    The slider opens with the two images of `example` whose indices are `pair`.

    Where images are `savable`, each has a button that triggers the event `select` with its `url` and `label`. Where the value
    is `adjustable`, the event `input` requests less detail, or maps, and `apply` requests where faces are: see
    `ui/compare/adjustment.py`.

    The `first` one of a page, which must be there before the others, brings the script of all.

    Update it by returning `viewer_value(...)` from a listener with `show_progress="hidden"`: Gradio fades a component
    that waits for its next value, while people are looking at the images it already shows.
    """
    import gradio as gr  # `shared_page` needs the rest of this module, and no page

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
    """Return the script of an event that scrolls to a viewer where it is out of sight: on a phone, below the controls.

    At once: while a browser scrolls smoothly, what grows above the viewer moves it. Before that the column of the viewer is
    made as high as the screen, so that what comes under the viewer pushes nothing away that is in sight.
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
    """Return the viewer's script with all that it needs in front of it."""
    return with_texts("".join(map(source, SCRIPTS)))


def source(name: str) -> str:
    """Return the text of a file in this folder."""
    return (_HERE / name).read_text(encoding="utf-8")
