"""Components and wiring of the Digits tab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.digits import data
from sr_demo.digits.options import Art, Fit
from sr_demo.ui import controls
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.digits import pad, view
from sr_demo.ui.digits.handlers import DEFAULT_SIZE, DigitComponents, DigitHandlers
from sr_demo.ui.digits.latent_handlers import (
    ArtComponents,
    ArtHandlers,
    VaryComponents,
    VaryHandlers,
    WalkComponents,
    WalkHandlers,
)
from sr_demo.ui.digits.photo_handlers import FitComponents, FitHandlers
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.previews import connect_preview
from sr_demo.ui.source import enabled_with, image_input
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import stop_button

_INTRO = f'<div class="sr-prose"><p>{marked("digits_intro", count=view.LATENT)}</p></div>'
_CPPN_CHOICES = [(text("digits_with_discriminator"), "cppn-gan"), (text("digits_without_discriminator"), "cppn-l2")]
_TYPICAL = [(f"{text('digits_typical_one')} {digit}", str(digit)) for digit in range(10)]
_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_HEAVY: dict[str, Any] = {**_QUIET, **HEAVY}
_LIGHT: dict[str, Any] = {**_QUIET, **LIGHT}


@dataclass(frozen=True)
class Shared:
    """The components of the main part that other parts of the tab read."""

    digit: gr.State
    system: gr.Radio


def digits_tab(context: PageContext, tab: gr.Tab) -> None:
    """Lay out `tab` and connect its events, in the current Gradio context."""
    gr.HTML(_INTRO)
    shared = _redraw(context, tab)
    with gr.Tabs():
        with gr.Tab(text("tab_walk"), id="walk"):
            _walk(context, shared)
        with gr.Tab(text("tab_vary"), id="vary"):
            _vary(context, shared)
        with gr.Tab(text("tab_art"), id="art"):
            _art(context)
        with gr.Tab(text("tab_photo"), id="photo"):
            _photo(context)
        with gr.Tab(text("tab_scores"), id="figures"):
            gr.HTML(view.figures(), elem_id="digit-figures")


def _honest() -> str:
    bicubic, vaegan, cppn, _ = (f"{row['psnr']:.1f}" for row in view.measured())
    shown = marked("digits_honest", bicubic=bicubic, vaegan=vaegan, cppn=cppn, count=view.LATENT)
    return f'<div class="sr-prose sr-fine"><p>{shown}</p></div>'


def _redraw(context: PageContext, tab: gr.Tab) -> Shared:
    digit, window, size = gr.State(None), gr.State(None), gr.State(DEFAULT_SIZE)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            sketch = gr.HTML(pad.HTML, js_on_load=pad.SCRIPT, elem_id="digit-sketch")
            typical = gr.Radio(
                [(str(n), n) for n in range(10)], elem_id="digit-typical", value=None,
                label=text("digits_typical"), elem_classes="sr-chips",
            )  # fmt: skip
            with gr.Row(visible=data.default_file().exists(), elem_classes="sr-bottom"):
                number = gr.Number(
                    7, label=text("digits_test"), minimum=0, maximum=9999, precision=0,
                    elem_id="digit-number",
                )  # fmt: skip
                test = gr.Button(text("digits_take"), size="sm", elem_id="digit-test")
            upload = image_input(
                label=text("digits_upload"), sources=["upload", "clipboard", "webcam"],
                height=180, elem_id="digit-upload", buttons=[],
            )  # fmt: skip
        with gr.Column(scale=7, min_width=300):
            note = gr.HTML(elem_id="digit-note")
            cards = gr.HTML(view.EMPTY, elem_id="digit-cards")
            system = gr.Radio(
                _CPPN_CHOICES, value="cppn-gan", label=text("digits_system"), elem_id="digit-system",
                elem_classes="sr-chips sr-inline",
            )  # fmt: skip
            slider = gr.HTML(view.size_slider(DEFAULT_SIZE), js_on_load=view.SIZE_SCRIPT, elem_id="digit-size")
            large = gr.Image(
                label=text("digits_large"), format="png", interactive=False,
                elem_id="digit-large", height=420, buttons=["fullscreen"],
            )  # fmt: skip
            status = gr.HTML(elem_id="digit-status")
            with gr.Row():
                back = gr.Button(text("digits_whole"), size="sm", elem_id="digit-whole")
                download = gr.DownloadButton(text("download_png"), visible=False, size="sm", elem_id="digit-download")
            gr.HTML(_honest())
    handlers = DigitHandlers(context, DigitComponents(digit, size, cards, note, large, download, status))
    drawn_from: list[Any] = [digit, size, system, window]
    shown: list[Any] = [large, download, status]
    taken: list[Any] = [digit, cards, note]

    newest: dict[str, Any] = {**_HEAVY, "trigger_mode": "always_last"}

    def shows_after(event: Any) -> None:
        event.then(lambda: None, None, window, **_LIGHT).then(handlers.show, drawn_from, shown, **newest)

    # Without a change of the window: whoever comes back to the tab finds the digit as it was left.
    tab.select(handlers.take_first, [digit], taken, **_HEAVY).then(handlers.show, drawn_from, shown, **newest)
    shows_after(sketch.select(handlers.take_drawing, None, taken, trigger_mode="multiple", **_HEAVY))
    shows_after(connect_preview(upload, context).then(handlers.take_upload, [upload], taken, **newest))
    shows_after(typical.input(handlers.take_typical, [typical], taken, **newest))
    shows_after(test.click(handlers.take_test, [number], taken, **newest))
    slider.select(handlers.resize, [digit, system, window], [size, *shown], trigger_mode="multiple", **_HEAVY)
    system.input(handlers.show, drawn_from, shown, **newest)
    large.select(handlers.zoom_in, [size, window], window, **_LIGHT).then(handlers.show, drawn_from, shown, **newest)
    shows_after(back.click(lambda: None, None, None, **_LIGHT))
    return Shared(digit, system)


def _walk(context: PageContext, shared: Shared) -> None:
    with gr.Row():
        start = gr.Dropdown(
            [(text("digits_mine"), "mine"), *_TYPICAL], value="3", label=text("digits_from"), elem_id="walk-from"
        )
        end = gr.Dropdown(
            [(text("digits_mine"), "mine"), *_TYPICAL], value="8", label=text("digits_to"), elem_id="walk-to"
        )
    go = gr.Button(text("digits_walk"), variant="primary", elem_id="walk-go")
    animation = gr.HTML(elem_id="walk-picture")
    with gr.Row():
        gif = gr.DownloadButton(text("download_gif"), visible=False, size="sm", elem_id="walk-gif")
        mp4 = gr.DownloadButton(text("download_mp4"), visible=False, size="sm", elem_id="walk-mp4")
    status = gr.HTML(elem_id="walk-status")
    inputs: list[Any] = [shared.digit, start, end, shared.system]
    handlers = WalkHandlers(context, WalkComponents(animation, gif, mp4, status))
    go.click(handlers.walk, inputs, [animation, gif, mp4, status], **_HEAVY)


def _vary(context: PageContext, shared: Shared) -> None:
    number = gr.Slider(1, view.LATENT, value=1, step=1, label=text("digits_vary_number"), elem_id="vary-number")
    go = gr.Button(text("digits_vary"), variant="primary", elem_id="vary-go")
    strip, status = gr.HTML(elem_id="vary-strip"), gr.HTML(elem_id="vary-status")
    inputs: list[Any] = [shared.digit, number, shared.system]
    handlers = VaryHandlers(context, VaryComponents(strip, status))
    go.click(handlers.vary, inputs, [strip, status], **_HEAVY)
    number.release(handlers.vary, inputs, [strip, status], trigger_mode="always_last", **_HEAVY)


def _art(context: PageContext) -> None:
    gr.HTML(f'<p class="sr-fine">{marked("digits_art_intro")}</p>')
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            bound = controls.make("art", Art)
            go = gr.Button(text("digits_paint"), variant="primary", elem_id="art-go")
        with gr.Column(scale=1, min_width=300):
            image = gr.Image(
                label=text("digits_art"), format="png", interactive=False, elem_id="art-picture", buttons=["fullscreen"]
            )
            download = gr.DownloadButton(text("download_png"), visible=False, size="sm", elem_id="art-download")
            status = gr.HTML(elem_id="art-status")
    handlers = ArtHandlers(context, ArtComponents(image, download, status))
    go.click(handlers.paint, [one.component for one in bound], [image, download, status], **_HEAVY)


def _photo(context: PageContext) -> None:
    gr.HTML(f'<p class="sr-fine">{marked("digits_photo_intro")}</p>')
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            photo = image_input(
                label=text("your_photo"), sources=["upload", "clipboard", "webcam"], height=220, elem_id="fit-photo",
                buttons=[],
            )  # fmt: skip
            bound = controls.make("fit", Fit)
            with gr.Row():
                go = gr.Button(text("digits_learn"), variant="primary", elem_id="fit-go", interactive=False)
                stop = stop_button("fit-stop")
        with gr.Column(scale=1, min_width=300):
            status, cards = gr.HTML(elem_id="fit-status"), gr.HTML(elem_id="fit-cards")
            large = gr.Image(
                label=text("digits_function"), format="png", interactive=False, visible=False,
                elem_id="fit-large", buttons=["fullscreen"],
            )  # fmt: skip
            download = gr.DownloadButton(text("download_png"), visible=False, size="sm", elem_id="fit-download")
    handlers = FitHandlers(context, FitComponents(cards, large, download, go, stop, status))

    def learn(path: str | None, request: gr.Request, *values: Any) -> Iterator[Updates]:
        yield from handlers.fit(path, request, *values)

    inputs: list[Any] = [photo, *(one.component for one in bound)]
    connect_preview(photo, context)
    photo.change(enabled_with, photo, go, **_LIGHT)
    go.click(learn, inputs, [cards, large, download, go, stop, status], **_HEAVY)
    stop.click(handlers.halt, None, None, **_LIGHT)
