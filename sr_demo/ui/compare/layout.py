"""The Compare tab: one photo, several methods, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.backends import openvino_backend, quantization
from sr_demo.imaging.degradation import Realistic
from sr_demo.inference.jobs import Job
from sr_demo.ui import controls, method_choices, prompt_box, welcome
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare import adjust_handlers, advice, community_box, presets, save_menu, sizes
from sr_demo.ui.compare.advice import AdviceHandlers
from sr_demo.ui.compare.components import (
    ChoiceComponents,
    CompareComponents,
    ExternalResultComponents,
    PhotoComponents,
    ResultComponents,
    RunComponents,
    VisitorModelComponents,
)
from sr_demo.ui.compare.external_results import RULE, ExternalResultHandlers
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.history import ON_LOAD, HistoryHandlers
from sr_demo.ui.compare.run_handlers import EMPTY, RunHandlers
from sr_demo.ui.compare.visitor_model_handlers import VisitorModelHandlers
from sr_demo.ui.examples import examples
from sr_demo.ui.html import fine_print
from sr_demo.ui.languages import marked, text, with_texts
from sr_demo.ui.method_choices import WHOLE, PageContext, labels, offered, region_choices
from sr_demo.ui.source import files_input, image_input
from sr_demo.ui.viewer.viewer import scroll_to, viewer
from sr_demo.ui.visitor_models import model_input
from sr_demo.ui.visitor_work import stop_button
from sr_demo.user_models.model_file import SUFFIXES

_BACK_TO_VIEWER = """() => {
  const viewer = document.getElementById("viewer");
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (viewer && viewer.getBoundingClientRect().top < 0) viewer.scrollIntoView({ behavior, block: "start" });
  return [];
}"""
"""Script that scrolls to the results of a comparison shown again, if their upper part is out of sight."""
_OPEN_MORE = """
element.querySelector("button").addEventListener("click", () => {
  const box = document.querySelector("#more-box:not(.hidden)") ?? document.getElementById("own-model");
  const head = box.querySelector("button.label-wrap");
  if (!head.classList.contains("open")) head.click();
  head.focus({ preventScroll: true });
  setTimeout(() => box.scrollIntoView({ block: "start" }), 100); // once it has room
});
"""
"""Script that opens the box of further methods and scrolls to it; without any, that of the visitor's own model."""
_OWN_RULE = f'<p class="sr-fine">{marked("own_model_rule")}</p>'
_SORT = (Path(__file__).parent / "table.js").read_text(encoding="utf-8")
_SHARE_LINK = with_texts((Path(__file__).parent / "share_link.js").read_text(encoding="utf-8"))


def compare_tab(context: PageContext) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    components = lay_out(context)
    handlers = Handlers(context, components)
    _connect(components, handlers, RunHandlers(context, components), AdviceHandlers(context, components))
    own = VisitorModelHandlers(context, components)
    _connect_own(components, handlers, own)
    _connect_history(components, HistoryHandlers(context, components))
    community_box.connect(context, components, handlers, own)
    _connect_brought(components, ExternalResultHandlers(context, components))
    adjust_handlers.connect(context, components)
    save_menu.connect(context, components.save, components.results.viewer)
    choice = components.choice
    if choice.caption is not None:
        prompts = prompt_box.prompts(context.approaches, choice.options)
        prompt_box.connect(context, choice.caption, prompts, components.photo.source)


def lay_out(context: PageContext) -> CompareComponents:
    """Lay out the tab, in the current Gradio context."""
    with gr.Row(elem_classes="sr-panes"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            choice, run, photo = _controls(context)
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            progress = gr.HTML(elem_id="progress", elem_classes="sr-may-be-empty")
            view = viewer(elem_id="viewer", empty=EMPTY, example=welcome.images("compare"), savable=True)
            downloads, link, unlink, note = _downloads()
            suited = gr.HTML(
                advice.EXAMPLE, elem_id="advice", elem_classes="sr-may-be-empty", js_on_load=advice.ON_LOAD
            )
            keep = gr.Checkbox(False, label=text("keep_faces"), visible=False, elem_id="keep-faces", container=False)
            save = save_menu.lay_out()
            history = gr.HTML(elem_id="history", elem_classes="sr-may-be-empty", js_on_load=ON_LOAD)
        with gr.Column(elem_classes="sr-below"):
            table = gr.HTML(elem_id="table", elem_classes="sr-may-be-empty", js_on_load=_SORT)
            chart = gr.HTML(elem_id="chart", elem_classes="sr-may-be-empty")
            families = gr.HTML(elem_id="families", elem_classes="sr-may-be-empty")
    results = ResultComponents(
        progress, view, suited, keep, table, chart, families, history, downloads, link, unlink, note
    )
    return CompareComponents(photo, choice, run, results, save)


def _photo() -> PhotoComponents:
    image = image_input(
        label=text("your_photo"), sources=["upload", "clipboard", "webcam"], height=120, elem_id="photo", buttons=[],
    )  # fmt: skip
    thumbnails = examples(show=scroll_to("viewer"))
    about = gr.HTML(elem_id="about-photo", elem_classes="sr-may-be-empty")
    region = gr.Radio(
        region_choices(None), value=WHOLE, label=text("region_label"), visible=False, elem_id="region",
        elem_classes="sr-chips sr-inline",
    )  # fmt: skip
    return PhotoComponents(image, thumbnails, about, region, gr.State(None))


def _controls(context: PageContext) -> tuple[ChoiceComponents, RunComponents, PhotoComponents]:
    """Lay out what is in sight at once, with a list of methods that scrolls; then what few visitors change."""
    default_jobs, more_jobs = offered(context.approaches, context.runner.estimates)
    ticked = method_choices.ticked(default_jobs, context.runner.estimates)
    questions = presets.choices(method_choices.representative_jobs(context.approaches, context.runner.estimates))
    with gr.Column(elem_classes="sr-first"):
        photo = _photo()
        test = gr.Checkbox(
            False, label=text("test_label"), elem_id="test", container=False,
        )  # fmt: skip
        with gr.Group(visible=False) as degradation_box:
            degradation = gr.Radio(
                [(text("degradation_bicubic"), "bicubic"), (text("degradation_realistic"), "realistic")],
                value="bicubic", label=text("degradation_label"), elem_id="degradation",
                elem_classes="sr-chips sr-inline",
            )  # fmt: skip
            with gr.Accordion(text("degradation_strength"), open=False, elem_id="degradation-strength"):
                realistic = controls.make("degradation", Realistic)
        preset = gr.Radio(
            questions, value=presets.OWN, label=text("preset_label"), visible=len(questions) > 1, elem_id="preset",
            elem_classes="sr-chips sr-inline",
        )  # fmt: skip
        preset_note = gr.HTML(elem_id="preset-note", elem_classes="sr-may-be-empty")
        with gr.Column(elem_classes="sr-list"):
            methods = gr.CheckboxGroup(
                labels(context, default_jobs, (256, 256)),
                value=ticked,
                label=text("methods"), elem_id="methods", elem_classes="sr-methods", container=False,
            )  # fmt: skip
        quicker = method_choices.quicker_note(context.approaches, context.runner.estimates)
        gr.HTML(fine_print(quicker), elem_id="quicker-note", elem_classes="sr-may-be-empty")
        run = _run(len(more_jobs))
    with gr.Column(elem_classes="sr-later"):
        more, agreed = _more_methods(context, more_jobs)
        own = _own_model(context)
        results = _brought()
        _absent_methods(context)
        with gr.Accordion(text("method_options"), open=False):
            runnable = method_choices.runnable(context.approaches)
            caption = prompt_box.lay_out(runnable)
            bound = controls.accordions(runnable, without={"scale", "detail", "face_detail"})  # chosen for all of them
            options = [precision_choice(), *bound, agreed, *realistic]
    choice = ChoiceComponents(
        test=test, degradation=degradation, degradation_box=degradation_box, preset=preset, preset_note=preset_note,
        before_preset=gr.State(None), methods=methods, more=more, proposed=gr.State(ticked), options=options,
        caption=caption, own=own, brought=results,
    )  # fmt: skip
    return choice, run, photo


def _more_methods(context: PageContext, jobs: list[Job]) -> tuple[gr.CheckboxGroup, controls.Bound]:
    """Lay out the methods that are not ticked at first, and the agreement to large downloads."""
    with gr.Accordion(text("more_methods_box"), open=False, visible=bool(jobs), elem_id="more-box"):
        more = gr.CheckboxGroup(
            labels(context, jobs, (256, 256)), value=[], show_label=False, elem_id="more-methods",
            elem_classes="sr-methods", label=text("more_methods"),
        )  # fmt: skip
        return more, _agreement(context)


def _own_model(context: PageContext) -> VisitorModelComponents:
    """Lay out the box that opens a model file of the visitor, or downloads a community model."""
    with gr.Accordion(text("own_model"), open=False, elem_id="own-model"):
        file = model_input(
            label=text("own_model_file"), file_types=list(SUFFIXES), elem_id="own-model-file", height=120,
        )  # fmt: skip
        licence = gr.Textbox(
            label=text("own_model_licence"), max_lines=1, max_length=80, elem_id="own-model-licence",
            info=text("own_model_licence_help"),
        )  # fmt: skip
        status = gr.HTML(_OWN_RULE, elem_id="own-model-status")
        remove = gr.Button(text("own_model_delete"), visible=False, size="sm", elem_id="own-model-remove")
        search = community_box.lay_out() if context.community else None
    return VisitorModelComponents(file, licence, status, remove, gr.State(""), search)


def _brought() -> ExternalResultComponents:
    """Lay out the box for results of other tools."""
    with gr.Accordion(text("brought_box"), open=False, elem_id="brought"):
        files = files_input(label=text("brought_files"), elem_id="brought-files", height=120)
        return ExternalResultComponents(files, gr.HTML(RULE, elem_id="brought-status"))


def _absent_methods(context: PageContext) -> None:
    """Lay out the methods that this computer cannot run, each with the reason."""
    absent = method_choices.unavailable_choices(context.approaches)
    with gr.Accordion(text("absent_box"), open=False, visible=bool(absent), elem_id="absent"):
        gr.CheckboxGroup(
            absent, value=[], interactive=False, show_label=False, label=text("absent_label"),
            elem_classes="sr-methods",
        )  # fmt: skip


def _run(further: int) -> RunComponents:
    """Lay out size, start and stop, below a link to the `further` methods that are not in the list."""
    link = marked("more_link", count=further) if further else marked("own_model")
    with gr.Column(elem_classes="sr-run"):
        gr.HTML(f'<button type="button" class="sr-more">{link}</button>', js_on_load=_OPEN_MORE, elem_id="more-link")
        size, other_size = sizes.lay_out()
        with gr.Row(elem_classes="sr-actions"):
            start = gr.Button(
                text("compare"), variant="primary", elem_id="compare", scale=3, min_width=80, interactive=False
            )
            stop = stop_button("stop", scale=1, min_width=60)
        estimate = gr.HTML(elem_id="estimate", elem_classes="sr-may-be-empty")
        whole = gr.Button(text("whole_photo"), visible=False, elem_id="whole-photo", size="sm")
    return RunComponents(size, other_size, start, stop, estimate, whole)


def _downloads() -> tuple[dict[str, gr.DownloadButton], gr.Button, gr.Button, gr.HTML]:
    """Lay out the downloads of a comparison by kind, the buttons that make and delete a link to it, and their note."""
    titles = {"zip": text("download_all"), "html": text("share_file"), "json": text("report_json")}
    with gr.Row(elem_classes="sr-downloads"):
        downloads = {
            kind: gr.DownloadButton(title, visible=False, elem_id=f"download-{kind}", size="sm")
            for kind, title in titles.items()
        }
        link = gr.Button(text("share_link"), visible=False, elem_id="share-link", size="sm")
        unlink = gr.Button(text("share_unlink"), visible=False, elem_id="share-unlink", size="sm")
    note = gr.HTML(elem_id="share-link-note", elem_classes="sr-may-be-empty", js_on_load=_SHARE_LINK)
    return downloads, link, unlink, note


def precision_choice() -> controls.Bound:
    """Return the choice of the number format of networks, like `--precision` on the command line."""
    choices = [(text("precision_auto"), "auto"), (text("precision_fp32"), "fp32"), (text("precision_bf16"), "bf16")]
    info = "precision_help"
    if openvino_backend.available():
        choices.append((text("precision_int8"), "int8"))
        info = "precision_help_int8" if quantization.missing() else "precision_help_int8_prepares"
    choice = gr.Radio(
        choices, value="auto", label=text("precision_label"), elem_id="precision", info=text(info),
    )  # fmt: skip
    return controls.Bound(method_choices.PRECISION, "wanted", choice)


def _agreement(context: PageContext) -> controls.Bound:
    """Return the box that allows large downloads, with their sizes; hidden if there are none."""
    sizes = method_choices.downloads(context.approaches)
    box = gr.Checkbox(
        False, label=f"{text('download_missing')} {sizes}", visible=bool(sizes), elem_id="agree-to-download",
        info=text("download_missing_help"),
    )  # fmt: skip
    return controls.Bound(method_choices.DOWNLOAD, "agreed", box)


def _connect(components: CompareComponents, handlers: Handlers, runs: RunHandlers, suited: AdviceHandlers) -> None:
    photo, choice, run, results = components.photo, components.choice, components.run, components.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    selection: list[Any] = components.selection()
    selected: list[Any] = [photo.source, *selection]
    sized: list[Any] = components.estimate_inputs()
    redrawn: list[Any] = [photo.source, photo.image, photo.about]
    opened: list[Any] = [*redrawn, photo.region, choice.test]
    estimates: list[Any] = components.estimates()
    preset_writes: list[Any] = [*opened, choice.methods, choice.more, choice.before_preset]
    run_inputs: set[Any] = components.run_inputs()
    run_writes: list[Any] = [*results.all(), run.start, run.stop, run.whole]

    ticks: list[Any] = [choice.methods, choice.more]

    def estimate_after(event: Any, mode: Any = "once") -> Any:
        return event.then(handlers.estimate, sized, estimates, trigger_mode=mode, **quiet)

    def run_after(event: Any) -> Any:
        event.then(
            lambda: gr.Column(visible=False), None, components.save.box, **quiet
        )  # it saves what was shown before
        ran = event.then(
            runs.run, run_inputs, run_writes, **HEAVY, show_progress="minimal", show_progress_on=[results.progress],
            api_visibility="private", trigger_mode="multiple",
        )  # fmt: skip
        return ran.then(runs.advise, [photo.source, *ticks], results.advice, **quiet)

    each: dict[str, Any] = {**quiet, "trigger_mode": "multiple"}  # "once" would drop what follows before the response
    uploaded = photo.image.upload(handlers.take, [photo.image, *sized], [*opened, results.viewer], **each)
    estimate_after(uploaded, "always_last")
    cleared: list[Any] = [photo.source, photo.about, photo.region, results.viewer]
    emptied = photo.image.clear(handlers.remove, None, cleared, **each)
    estimate_after(emptied, "always_last")
    example = photo.examples.select(handlers.take_example, sized, opened, **each)
    advised: list[Any] = [results.advice, results.keep_faces]
    for event in (emptied, example):
        event.then(suited.show, [photo.source, *ticks], advised, **each)
    proposed: list[Any] = [photo.source, choice.test, *ticks, choice.proposed]
    # In two steps, since analysing the photo takes a while: the second reads the ticks as they are after that.
    looked_at = uploaded.then(suited.show, [photo.source, *ticks], advised, **each)
    reticked = looked_at.then(suited.propose, proposed, [*ticks, choice.proposed, results.advice], **each)
    estimate_after(reticked.then(handlers.propose_region, sized, [*redrawn, photo.region], **each), "always_last")
    for component in (choice.preset, choice.test, choice.methods, choice.more):
        component.input(suited.choose, None, None, **quiet)
        if component is not choice.test:
            component.input(None, None, None, js=advice.TICKED_NO_MORE, **quiet)
    ticked = results.advice.select(suited.tick, photo.source, ticks, **quiet)
    estimate_after(ticked)
    estimate_after(run_after(example.success(handlers.estimate, sized, estimates, **quiet)))
    chosen_region = photo.region.input(handlers.choose_region, [photo.source, photo.region], redrawn, **each)
    estimate_after(chosen_region, "always_last")
    estimate_after(photo.image.select(handlers.move_region, [photo.source], redrawn, **each), "always_last")
    preset_reads: list[Any] = [*selected, choice.before_preset, *components.sizes()]
    last: dict[str, Any] = {**quiet, "trigger_mode": "always_last"}
    chosen = choice.preset.input(handlers.choose_preset, preset_reads, preset_writes, **last)
    estimate_after(chosen)
    # One event for all, so that the response to an earlier choice cannot arrive after that to a later one.
    changed = [component.input for component in (choice.test, choice.methods, choice.more, run.size)]
    changed.append(run.other_size.change)  # `input` is not triggered by pasting
    gr.on(changed, handlers.estimate, sized, estimates, trigger_mode="always_last", **quiet)
    whole = run.whole.click(handlers.choose_whole, [photo.source], [*redrawn, photo.region, run.whole], **quiet)
    run.whole.click(None, None, None, js=scroll_to("viewer"), **quiet)
    estimate_after(run_after(whole))
    started = run.start.click(lambda: gr.Button(interactive=False), None, run.start, **quiet)
    run.start.click(None, None, None, js=scroll_to("viewer"), **quiet)
    estimate_after(run_after(started))
    run.stop.click(runs.stop, None, run.estimate, **quiet)


def _connect_own(components: CompareComponents, handlers: Handlers, own: VisitorModelHandlers) -> None:
    """Connect the box of the visitor's own models; each of its events updates the labels of the methods."""
    choice, run, parts = components.choice, components.run, components.choice.own
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    sized: list[Any] = components.estimate_inputs()
    estimates: list[Any] = components.estimates()
    opened: list[Any] = [parts.file, parts.status, parts.remove, choice.methods, parts.added, run.stop]
    removed: list[Any] = [parts.status, parts.remove, choice.methods]
    ticked: list[Any] = [choice.methods, parts.added]
    tried = parts.file.upload(own.open, [parts.file, parts.licence], opened, **HEAVY, **quiet)
    for event in (
        tried.then(own.tick, ticked, ticked, **LIGHT, **quiet),
        parts.remove.click(own.remove, [choice.methods], removed, **LIGHT, **quiet),
    ):
        event.then(handlers.estimate, sized, estimates, **LIGHT, **quiet)


def _connect_history(components: CompareComponents, handlers: HistoryHandlers) -> None:
    """Connect the row of the latest comparisons, and the link to the displayed one."""
    results = components.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    brought_back: list[Any] = [*results.all(), components.save.box]
    linked: list[Any] = [results.link, results.unlink, results.link_note]
    results.history.select(handlers.bring_back, None, brought_back, trigger_mode="multiple", **quiet)
    results.history.select(None, None, None, js=_BACK_TO_VIEWER, **quiet)
    results.link.click(handlers.link, None, linked, **quiet)
    results.unlink.click(handlers.unlink, None, linked, **quiet)


def _connect_brought(components: CompareComponents, handlers: ExternalResultHandlers) -> None:
    """Connect the box for results of other tools; a new photo empties it, since the results belong to one photo."""
    photo, parts = components.photo, components.choice.brought
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    parts.files.change(handlers.describe, parts.files, parts.status, **quiet)
    for event in (photo.image.upload, photo.image.clear, photo.examples.select):
        event(lambda: None, None, parts.files, **quiet)
