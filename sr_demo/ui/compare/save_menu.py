"""The Save menu: saving a result in another format, with the file size beside the quality, or all results as a zip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr

from sr_demo.codecs.formats import Output
from sr_demo.codecs.png import bits_of
from sr_demo.errors import SRError, log_unexpected
from sr_demo.progress import Progress
from sr_demo.system.file_sizes import file_size
from sr_demo.ui import output_choice
from sr_demo.ui.callers import HEAVY, LIGHT, Caller
from sr_demo.ui.compare.saving import Saving
from sr_demo.ui.histories import GONE
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

_ADDRESS = "gradio_api/file="
_PACKS = "save"
"""Names the zips of a session among its stop flags."""
_SECONDS_PER_ZIP = 20.0
"""Expected duration of packing a zip."""
_SHOW = """() => {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  setTimeout(() => document.getElementById("save-menu")?.scrollIntoView({ behavior, block: "nearest" }), 100);
  return [];
}"""


@dataclass(frozen=True)
class SaveMenu:
    """The components of the menu."""

    box: gr.Column
    title: gr.HTML
    result: gr.State
    """Path of the PNG file to save, or None."""
    format: gr.Radio
    bits: gr.Radio
    quality: gr.Slider
    private: gr.Checkbox
    about: gr.HTML
    """Size of the file, and the metadata that it contains."""
    file: gr.DownloadButton
    pack: gr.Button
    packed: gr.DownloadButton
    close: gr.Button

    def choices(self) -> list[Any]:
        """Return the inputs for writing a file, in the handlers' order of arguments."""
        return [self.result, self.format, self.bits, self.quality, self.private]

    def all(self) -> list[Any]:
        """Return all outputs of the handlers."""
        return [self.box, self.title, *self.choices(), self.about, self.file, self.pack, self.packed]


def lay_out() -> SaveMenu:
    """Lay out the menu, hidden, in the current Gradio context."""
    with gr.Column(visible=False, elem_id="save-menu") as box:
        title = gr.HTML(elem_id="save-title")
        form = output_choice.formats("save-format")
        bits = gr.Radio(
            [(text("save_16_bits"), "16"), (text("save_8_bits"), "8")], value="8", label=text("save_depth"), visible=False,
            elem_id="save-bits", elem_classes="sr-chips", container=False,
        )  # fmt: skip
        with gr.Row(elem_classes="sr-save"):
            quality = output_choice.quality("save-quality")
            about = gr.HTML(elem_id="save-about")
        private = gr.Checkbox(
            False,
            label=text("save_private"),
            visible=False,
            elem_id="save-private",
            elem_classes="sr-words",
            container=False,
        )
        with gr.Row(elem_classes="sr-downloads"):
            file = gr.DownloadButton(text("save"), variant="primary", size="sm", elem_id="save-file", interactive=False)
            pack = gr.Button(text("save_all"), size="sm", elem_id="save-pack")
            packed = gr.DownloadButton(text("save_zip"), visible=False, size="sm", elem_id="save-packed")
            close = gr.Button(text("close"), size="sm", elem_id="save-close")
    return SaveMenu(box, title, gr.State(None), form, bits, quality, private, about, file, pack, packed, close)


def connect(context: PageContext, menu: SaveMenu, viewer: gr.HTML) -> None:
    """Connect the menu's events; the event `select` of `viewer` opens it for one image."""
    handlers = SaveHandlers(Saving(context.store, context.uploads, context.limits), context, menu)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    encoding: dict[str, Any] = {
        **quiet, "show_progress": "minimal", "show_progress_on": [menu.about], "trigger_mode": "always_last",
    }  # fmt: skip
    written: list[Any] = [menu.about, menu.file, menu.pack, menu.packed]
    opened = viewer.select(handlers.open, None, menu.all(), **quiet)
    viewer.select(None, None, None, js=_SHOW, **quiet)
    chosen = menu.format.input(
        handlers.choose_format, [menu.format], [menu.quality, menu.file, menu.pack], trigger_mode="always_last", **quiet
    )
    others = [component.input for component in (menu.bits, menu.private, menu.quality)]
    changed = gr.on(others, handlers.withdraw, None, [menu.file, menu.pack], trigger_mode="multiple", **quiet)
    for event in (opened, chosen, changed):
        event.then(handlers.prepare, menu.choices(), written, **encoding)
    menu.close.click(lambda: gr.Column(visible=False), None, menu.box, **quiet)
    menu.pack.click(
        handlers.pack, menu.choices(), written, **HEAVY, trigger_mode="multiple", api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip


class SaveHandlers:
    """Handlers that read and write the menu's components. They hold no state of their own."""

    def __init__(self, saving: Saving, context: PageContext, menu: SaveMenu) -> None:
        self._saving, self._context, self._menu = saving, context, menu

    def open(self, event: gr.EventData, request: gr.Request | None = None) -> Updates:
        """Open the menu for the image whose button was pressed, with the format of the uploaded photo selected."""
        self._supersede(request)
        menu = self._menu
        url, label = (str(getattr(event, name, "")) for name in ("url", "label"))
        shown = {menu.box: gr.Column(visible=True), menu.packed: gr.DownloadButton(visible=False)}
        try:
            result = self._saving.result(unquote(url.partition(_ADDRESS)[2]))
            deep, private = bits_of(result) == 16, self._saving.private(result)
        except (SRError, FileNotFoundError) as exc:
            off = {menu.file: gr.DownloadButton(interactive=False), menu.pack: gr.Button(interactive=False)}
            return {**shown, **off, menu.result: None, menu.title: "", menu.about: problem(_sentence(exc))}
        found = Output("same").like(self._saving.kind(result)).file_format
        return {
            **shown,
            menu.result: str(result),
            menu.title: f"<h2>{marked('save_title', name=label[:80])}</h2>",
            menu.format: found.name,
            menu.quality: output_choice.quality_of(found.name),
            menu.bits: gr.Radio(value="16" if deep else "8", visible=deep),
            menu.private: gr.Checkbox(value=False, label=f"Keep {' and '.join(private)}", visible=bool(private)),
            menu.pack: gr.Button(interactive=True),
            menu.file: gr.DownloadButton(interactive=False),
            menu.about: f'<p class="sr-fine">{marked("save_encoding")}</p>',
        }

    def choose_format(self, form: str, request: gr.Request | None = None) -> Updates:
        """Show the quality of a format, at its default; there is nothing to save until the file is encoded."""
        return {self._menu.quality: output_choice.quality_of(form), **self.withdraw(request)}

    def withdraw(self, request: gr.Request | None = None) -> Updates:
        """Withdraw the file, since it is not what is selected now, and one that is still encoded for an earlier selection."""
        self._supersede(request)
        menu = self._menu
        return {menu.file: gr.DownloadButton(interactive=False), menu.pack: gr.Button(interactive=True)}

    def _supersede(self, request: gr.Request | None) -> None:
        """Stop what is encoded or packed for an earlier image or selection."""
        self._context.stops.supersede(_key(request))
        self._context.stops.supersede(f"{_PACKS} {session_of(request)}")

    def prepare(
        self, result: str | None, form: str, bits: str, quality: float, private: bool, request: gr.Request | None = None
    ) -> Updates:
        """Encode the file, and show its size and metadata, unless something else was selected meanwhile."""
        shown = self._context.stops.latest(_key(request), lambda: self._prepared(result, form, bits, quality, private))
        return gr.skip() if shown is None else shown

    def _prepared(self, result: str | None, form: str, bits: str, quality: float, private: bool) -> Updates:
        menu = self._menu
        if result is None:
            return {menu.file: gr.DownloadButton(interactive=False), menu.pack: gr.Button(interactive=False)}
        try:
            path = self._saving.result(result)
            saved = self._saving.encode(path, output_choice.chosen(form, quality, private=private, bits=bits))
            size = file_size(saved.bytes)
            beside = "" if form == "png" else f" (as PNG: {file_size(path.stat().st_size)})"
        except (SRError, FileNotFoundError) as exc:
            return self._refused(_sentence(exc))
        except Exception as exc:
            return self._refused(log_unexpected(exc, "saving a result"))
        notes = "".join(map(fine_print, (saved.written.sentence, *saved.written.notes)))
        name = f"{text('save')} {saved.path.name} ({size})"
        return {
            menu.about: f'<p class="sr-words" aria-live="polite"><b>{size}</b>{beside}</p>{notes}',
            menu.file: gr.DownloadButton(name, value=str(saved.path), interactive=True),
            menu.packed: gr.DownloadButton(visible=False),
        }

    def pack(
        self, result: str | None, form: str, bits: str, quality: float, private: bool, request: gr.Request
    ) -> Iterator[Updates]:
        """Write all results of the comparison into a zip, and show the button that downloads it."""
        menu = self._menu

        def work(caller: Caller, progress: Progress) -> Path:
            path = self._saving.result(result or "")
            output = output_choice.chosen(form, quality, private=private, bits=bits)
            with caller.turn(_SECONDS_PER_ZIP, progress) as progress:
                return self._saving.pack(path, output, lambda n, of: progress(n / of, f"image {n + 1} of {of}"))

        def shown(packed: Path) -> Updates:
            label = f"{text('save_zip')} ({file_size(packed.stat().st_size)})"
            return {menu.about: "", menu.packed: gr.DownloadButton(label, value=str(packed), visible=True)}

        yield {menu.pack: gr.Button(interactive=False), menu.packed: gr.DownloadButton(visible=False)}
        steps = VisitorWork(self._context, menu.about, at_end={menu.pack: gr.Button(interactive=True)})
        yield from steps.run(session_of(request), _PACKS, "packing the results", work, shown)

    def _refused(self, message: str) -> Updates:
        menu = self._menu
        return {
            menu.about: problem(message),
            menu.file: gr.DownloadButton(text("save"), interactive=False),
            menu.pack: gr.Button(interactive=True),
        }


def _key(request: gr.Request | None) -> str:
    """Return the key of the file that is encoded for a session, among the stop flags."""
    return f"encode {session_of(request)}"


def _sentence(exc: Exception) -> str:
    """Return why a file cannot be saved: a result may be deleted while it is read."""
    return str(exc) if isinstance(exc, SRError) else GONE
