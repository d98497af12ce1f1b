"""The tab where a small handwritten digit becomes 32 numbers, and the numbers a picture of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.digits.settings import Art, Fit
from sr_demo.image import Limits
from sr_demo.ui import controls
from sr_demo.ui import digits_view as view
from sr_demo.ui.digits_handlers import DEFAULT_SIZE, Handlers
from sr_demo.ui.source import PictureInput
from sr_demo.ui.store import Store

_INTRO = """<div class="sr-prose"><p>A digit of 26 × 26 pixels goes into a network and comes out as 32 numbers, the
latent. Three networks draw it again from these numbers alone. The <b>VAE-GAN</b> draws 28 × 28 pixels. A <b>CPPN</b> is a
function of latent, x and y: it can be asked at any point, so its picture has no size of its own. One was taught with a
critic that compares its drawings with real digits, the other without.</p></div>"""
_HONEST = """<div class="sr-prose sr-fine"><p>PSNR and SSIM compare gray values at 28 × 28 with the truth. From 26 to 28
pixels bicubic enlargement stays closer to the truth than all three networks: nearly everything is still in the small
picture, and 32 numbers cannot hold it. What they can do is draw smoothly at any size, and only what looks like a digit.
"Read as" is the answer of a small network that learned to read real handwritten digits.</p></div>"""
_TEACHING = [("with a critic", "cppn-gan"), ("without a critic", "cppn-l2")]
_TYPICAL = [(f"a typical {digit}", str(digit)) for digit in range(10)]
_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_LANE: dict[str, Any] = {
    "api_visibility": "private", "concurrency_id": "compute", "concurrency_limit": 1, "show_progress": "hidden",
}  # fmt: skip


class Sketch(gr.Sketchpad):
    """A sketchpad that hands over the path of the drawing, which goes through the same door as an upload."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        """The path of the drawing, or None."""
        return None if payload is None or payload.composite is None else payload.composite.path


@dataclass(frozen=True)
class Shared:
    """What the parts of the tab have in common."""

    handlers: Handlers
    digit: gr.State
    system: gr.Radio


def build(store: Store, limits: Limits) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    handlers = Handlers(store, limits)
    gr.HTML(_INTRO)
    shared = _redraw(handlers)
    with gr.Tabs():
        with gr.Tab("Walk from digit to digit", id="walk"):
            _walk(shared)
        with gr.Tab("One latent number", id="vary"):
            _vary(shared)
        with gr.Tab("Random pictures", id="art"):
            _art(handlers)
        with gr.Tab("A photo as a function", id="photo"):
            _photo(handlers)


def _redraw(handlers: Handlers) -> Shared:
    digit, window, size = gr.State(None), gr.State(None), gr.State(DEFAULT_SIZE)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            sketch = Sketch(
                label="Draw one digit, large", canvas_size=(280, 280), fixed_canvas=True, layers=False, transforms=(),
                sources=(), brush=gr.Brush(default_size=20, colors=["#111111"], color_mode="fixed"), image_mode="RGBA",
                format="png", elem_id="digit-sketch", buttons=[], height=360,
            )  # fmt: skip
            take = gr.Button("Draw it again", variant="primary", elem_id="digit-take")
            typical = gr.Radio(
                [(str(n), n) for n in range(10)], elem_id="digit-typical", value=None,
                label="Or a typical digit, drawn by our own network",
            )  # fmt: skip
            upload = PictureInput(
                label="Or a picture of one digit", sources=["upload", "clipboard", "webcam"], image_mode=None,
                format="png", height=180, elem_id="digit-upload", buttons=[],
            )  # fmt: skip
            note = gr.HTML(elem_id="digit-note")
        with gr.Column(scale=7, min_width=300):
            small = gr.HTML(view.sentence("Draw a digit, or choose a typical one."), elem_id="digit-cards")
            gr.HTML(_HONEST)
            system = gr.Radio(_TEACHING, value="cppn-gan", label="CPPN taught", elem_id="digit-system")
            slider = gr.HTML(view.size_slider(DEFAULT_SIZE), js_on_load=view.SIZE_SCRIPT, elem_id="digit-size")
            large = gr.Image(
                label="Drawn at this size: click into it to come nearer", format="png", interactive=False,
                elem_id="digit-large", height=420, buttons=["fullscreen"],
            )  # fmt: skip
            status = gr.HTML(elem_id="digit-status")
            with gr.Row():
                back = gr.Button("Whole digit", size="sm", elem_id="digit-whole")
                download = gr.DownloadButton("Download (png)", visible=False, size="sm", elem_id="digit-download")
    asked: list[Any] = [digit, size, system, window]
    shown: list[Any] = [large, download, window, status]
    taken: list[Any] = [digit, small, note]

    def shows_after(event: Any) -> None:
        event.then(lambda: None, None, window, **_QUIET).then(handlers.show, asked, shown, **_LANE)

    shows_after(take.click(handlers.take, [sketch], taken, **_LANE))
    shows_after(upload.upload(handlers.take, [upload], taken, **_LANE))
    shows_after(typical.input(handlers.take_typical, [typical], taken, **_LANE))
    slider.select(handlers.resize, [digit, system, window], [size, *shown], trigger_mode="always_last", **_LANE)
    system.input(handlers.show, asked, shown, **_LANE)
    large.select(handlers.nearer, [size, window], window, **_QUIET).then(handlers.show, asked, shown, **_LANE)
    shows_after(back.click(lambda: None, None, None, **_QUIET))
    return Shared(handlers, digit, system)


def _walk(shared: Shared) -> None:
    with gr.Row():
        start = gr.Dropdown([("my digit", "mine"), *_TYPICAL], value="3", label="From", elem_id="walk-from")
        end = gr.Dropdown([("my digit", "mine"), *_TYPICAL], value="8", label="To", elem_id="walk-to")
    go = gr.Button("Walk", variant="primary", elem_id="walk-go")
    animation = gr.HTML(elem_id="walk-picture")
    download = gr.DownloadButton("Download (gif)", visible=False, size="sm", elem_id="walk-download")
    status = gr.HTML(elem_id="walk-status")
    inputs: list[Any] = [shared.digit, start, end, shared.system]
    go.click(shared.handlers.walk, inputs, [animation, download, status], **_LANE)


def _vary(shared: Shared) -> None:
    number = gr.Slider(1, 32, value=1, step=1, label="Which of the 32 numbers", elem_id="vary-number")
    go = gr.Button("Vary it", variant="primary", elem_id="vary-go")
    strip, status = gr.HTML(elem_id="vary-strip"), gr.HTML(elem_id="vary-status")
    inputs: list[Any] = [shared.digit, number, shared.system]
    go.click(shared.handlers.vary, inputs, [strip, status], **_LANE)
    number.release(shared.handlers.vary, inputs, [strip, status], trigger_mode="always_last", **_LANE)


def _art(handlers: Handlers) -> None:
    gr.HTML('<p class="sr-fine">A CPPN that learned nothing: random weights are already a picture.</p>')
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            bound = controls.make("art", Art)
            go = gr.Button("Paint", variant="primary", elem_id="art-go")
        with gr.Column(scale=1, min_width=300):
            picture = gr.Image(
                label="Random picture", format="png", interactive=False, elem_id="art-picture", buttons=["fullscreen"]
            )
            download = gr.DownloadButton("Download (png)", visible=False, size="sm", elem_id="art-download")
            status = gr.HTML(elem_id="art-status")
    go.click(handlers.paint, [bound_.component for bound_ in bound], [picture, download, status], **_LANE)


def _photo(handlers: Handlers) -> None:
    gr.HTML(
        '<p class="sr-fine">A network of sines learns one photo: in go x and y, out come red, green and blue. Then the '
        "photo is a function and has no pixels. It is shrunk to 192 pixels first, so that seconds are enough.</p>"
    )
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            photo = PictureInput(
                label="Your photo", sources=["upload", "clipboard", "webcam"], image_mode=None, format="png",
                height=220, elem_id="fit-photo", buttons=[],
            )  # fmt: skip
            bound = controls.make("fit", Fit)
            with gr.Row():
                go = gr.Button("Learn it", variant="primary", elem_id="fit-go")
                stop = gr.Button("Stop", interactive=False, elem_id="fit-stop")
        with gr.Column(scale=1, min_width=300):
            status, cards = gr.HTML(elem_id="fit-status"), gr.HTML(elem_id="fit-cards")
            large = gr.Image(
                label="The function at more points", format="png", interactive=False, visible=False,
                elem_id="fit-large", buttons=["fullscreen"],
            )  # fmt: skip
            download = gr.DownloadButton("Download (png)", visible=False, size="sm", elem_id="fit-download")

    def learn(path: str | None, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from handlers.fit(path, list(values), str(request.session_hash))

    inputs: list[Any] = [photo, *(one.component for one in bound)]
    go.click(learn, inputs, [cards, large, download, go, stop, status], **_LANE)
    stop.click(handlers.halt, None, None, queue=False, **_QUIET)
