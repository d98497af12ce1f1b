"""The tab where a small handwritten digit becomes 32 numbers, and the numbers a picture of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.digits import data
from sr_demo.digits.options import Art, Fit
from sr_demo.image import Limits
from sr_demo.ui import controls
from sr_demo.ui.callers import HEAVY, LIGHT, Callers
from sr_demo.ui.digits import pad, view
from sr_demo.ui.digits.handlers import DEFAULT_SIZE, Handlers
from sr_demo.ui.source import image_input
from sr_demo.ui.store import Store

_INTRO = """<div class="sr-prose"><p>A digit of 26 × 26 pixels goes into a network and comes out as 32 numbers, the
latent. Three networks draw it again from these numbers alone. The <b>VAE-GAN</b> draws 28 × 28 pixels. A <b>CPPN</b> is a
function of latent, x and y: it can be asked at any point, so its picture has no size of its own. One was taught with a
critic that compares its drawings with real digits, the other without.</p></div>"""
_HONEST = """<div class="sr-prose sr-fine"><p>PSNR and SSIM compare gray values at 28 × 28 with the truth. <b>None of the
networks beats bicubic there</b> (means over 10,000 test digits: {bicubic:.1f} dB for bicubic, {vaegan:.1f} dB for the
VAE-GAN): from 26 to 28 pixels nearly everything is still in the small picture, and 32 numbers cannot hold it. What they
can do is draw smoothly at any size, and only what looks like a digit. "Read as" is the answer of a small network that
learned to read real handwritten digits.</p></div>"""
_TEACHING = [("with a critic", "cppn-gan"), ("without a critic", "cppn-l2")]
_TYPICAL = [(f"a typical {digit}", str(digit)) for digit in range(10)]
_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_LANE: dict[str, Any] = {**_QUIET, **HEAVY}
_LIGHT: dict[str, Any] = {**_QUIET, **LIGHT}


@dataclass(frozen=True)
class Shared:
    """What the parts of the tab have in common."""

    handlers: Handlers
    digit: gr.State
    system: gr.Radio


def build(store: Store, limits: Limits, tab: gr.Tab, callers: Callers | None = None) -> None:
    """Lay out `tab` and connect its events, in the current Gradio context."""
    handlers = Handlers(store, limits, callers)
    gr.HTML(_INTRO)
    shared = _redraw(handlers, tab)
    with gr.Tabs():
        with gr.Tab("Walk from digit to digit", id="walk"):
            _walk(shared)
        with gr.Tab("One latent number", id="vary"):
            _vary(shared)
        with gr.Tab("Random pictures", id="art"):
            _art(handlers)
        with gr.Tab("A photo as a function", id="photo"):
            _photo(handlers)
        with gr.Tab("What they score, how they learned", id="figures"):
            gr.HTML(view.figures(), elem_id="digit-figures")


def _redraw(handlers: Handlers, tab: gr.Tab) -> Shared:
    digit, window, size = gr.State(None), gr.State(None), gr.State(DEFAULT_SIZE)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            sketch = gr.HTML(pad.HTML, js_on_load=pad.SCRIPT, elem_id="digit-sketch")
            typical = gr.Radio(
                [(str(n), n) for n in range(10)], elem_id="digit-typical", value=None,
                label="Or a typical digit, drawn by our own network",
            )  # fmt: skip
            with gr.Row(visible=data.default_file().exists()):
                number = gr.Number(
                    7, label="Or a test digit of MNIST, 0 to 9999", minimum=0, maximum=9999, precision=0,
                    elem_id="digit-number",
                )  # fmt: skip
                test = gr.Button("Take it", size="sm", elem_id="digit-test")
            upload = image_input(
                label="Or a picture of one digit", sources=["upload", "clipboard", "webcam"],
                height=180, elem_id="digit-upload", buttons=[],
            )  # fmt: skip
        with gr.Column(scale=7, min_width=300):
            note = gr.HTML(elem_id="digit-note")
            small = gr.HTML(view.sentence("Draw a digit, or choose a typical one."), elem_id="digit-cards")
            gr.HTML(_HONEST.format(**{row["method"]: row["psnr"] for row in view.measured()}))
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
    shown: list[Any] = [large, download, status]
    taken: list[Any] = [digit, small, note]

    def shows_after(event: Any) -> None:
        event.then(lambda: None, None, window, **_LIGHT).then(handlers.show, asked, shown, **_LANE)

    shows_after(tab.select(handlers.first, [digit], taken, **_LANE))
    shows_after(sketch.select(handlers.take_drawing, None, taken, trigger_mode="always_last", **_LANE))
    shows_after(upload.upload(handlers.take, [upload], taken, **_LANE))
    shows_after(typical.input(handlers.take_typical, [typical], taken, **_LANE))
    shows_after(test.click(handlers.take_test, [number], taken, **_LANE))
    slider.select(handlers.resize, [digit, system, window], [size, *shown], trigger_mode="always_last", **_LANE)
    system.input(handlers.show, asked, shown, **_LANE)
    large.select(handlers.nearer, [size, window], window, **_LIGHT).then(handlers.show, asked, shown, **_LANE)
    shows_after(back.click(lambda: None, None, None, **_LIGHT))
    return Shared(handlers, digit, system)


def _walk(shared: Shared) -> None:
    with gr.Row():
        start = gr.Dropdown([("my digit", "mine"), *_TYPICAL], value="3", label="From", elem_id="walk-from")
        end = gr.Dropdown([("my digit", "mine"), *_TYPICAL], value="8", label="To", elem_id="walk-to")
    go = gr.Button("Walk", variant="primary", elem_id="walk-go")
    animation = gr.HTML(elem_id="walk-picture")
    with gr.Row():
        download = gr.DownloadButton("Download (gif)", visible=False, size="sm", elem_id="walk-gif")
        film = gr.DownloadButton("Download (mp4)", visible=False, size="sm", elem_id="walk-mp4")
    status = gr.HTML(elem_id="walk-status")
    inputs: list[Any] = [shared.digit, start, end, shared.system]
    go.click(shared.handlers.walk, inputs, [animation, download, film, status], **_LANE)


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
            photo = image_input(
                label="Your photo", sources=["upload", "clipboard", "webcam"], height=220, elem_id="fit-photo", buttons=[],
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
    stop.click(handlers.halt, None, None, **_LIGHT)
