"""Building of the page from the list of approaches, and the arguments for launching it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.utils import get_upload_folder

from sr_demo.approaches.mosaic import upscalers
from sr_demo.errors import DISK_REFUSES, is_disk_full, log
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.spec import Approach
from sr_demo.ui import (
    api,
    examples,
    languages,
    method_choices,
    origin_check,
    page_payload,
    request_validation,
    sessions,
    shared_links,
    welcome,
)
from sr_demo.ui.about.layout import about_tab
from sr_demo.ui.callers import Callers
from sr_demo.ui.compare.layout import compare_tab
from sr_demo.ui.data.layout import data_tab
from sr_demo.ui.deploy.layout import deploy_tab
from sr_demo.ui.diffusion import handlers
from sr_demo.ui.diffusion.layout import diffusion_tab
from sr_demo.ui.digits.layout import digits_tab
from sr_demo.ui.languages import attribute, marked, text
from sr_demo.ui.mosaic.layout import mosaic_tab
from sr_demo.ui.several.layout import several_tab
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.training.layout import training_tab
from sr_demo.ui.visitor_models import VisitorModels
from sr_demo.ui.visits import Visits

_STYLE = Path(__file__).parent / "style.css"
_SCRIPTS = (
    "any_file.js", "box_names.js", "focus.js", "heartbeat.js", "method_labels.js", "quiet_console.js",
)  # fmt: skip
"""Scripts that run for the whole page."""
_LANGUAGES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português", "zh-CN": "中文", "ja": "日本語",
}  # fmt: skip
_HEADER = f"""<header class="sr-header"><h1>{marked("header_title")}</h1><p>{marked("header_line")}</p>
<select class="sr-language" {attribute("aria-label", "language")}>
{"".join(f'<option value="{name}" lang="{name}">{own}</option>' for name, own in _LANGUAGES.items())}
</select></header>"""
_UNSORTED = 1000
"""Largest number of heavy events in Gradio's queue; `Callers` admits or rejects them within moments."""
_LIGHT_THREADS = 40
"""Threads, and jobs of Gradio's queue, beyond those in which admitted callers wait: more than `fetching.MOST_CALLS`."""


def build_page(approaches: Sequence[Approach], runner: Runner, store: Store, settings: Settings) -> gr.Blocks:
    """Build the page, without launching it.

    Args:
        approaches: The available methods.
        runner: Runs the methods.
        store: Stores uploads and results.
        settings: Limits and addresses.
    """
    callers = Callers(settings.queue_length, settings.max_seconds, proxied=settings.proxied)
    limits = Limits(settings.max_megabytes * 2**20, settings.max_megapixels * 1_000_000)
    models = VisitorModels(settings.max_model_megabytes * 2**20)
    context = method_choices.PageContext(
        approaches, runner, store, Stops(), limits, callers, models=models, community=settings.community,
        private=settings.is_private, shares=settings.share,
    )  # fmt: skip
    # No `delete_cache`: the store removes uploads, by their age and by the space they take.
    with gr.Blocks(title="Super-resolution, side by side", analytics_enabled=False, fill_width=True) as page:
        scripts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in _SCRIPTS]
        gr.HTML(_HEADER, js_on_load="\n".join([languages.script("translate.js"), *scripts]))
        with gr.Tabs():
            with gr.Tab(text("tab_compare"), id="compare"):
                compare_tab(context)
            with gr.Tab(text("tab_several"), id="several"):
                several_tab(context)
            with gr.Tab(text("tab_mosaic"), id="mosaic") as mosaic:
                mosaic_tab(context, mosaic)
            guessing = handlers.approach_of(context)
            if guessing is not None:
                with gr.Tab(text("tab_diffusion"), id="diffusion"):
                    diffusion_tab(context, guessing)
            with gr.Tab(text("tab_digits"), id="digits") as digits:
                digits_tab(context, digits)
            with gr.Tab(text("tab_labs"), id="labs"), gr.Tabs():
                with gr.Tab(text("tab_deploy"), id="deploy") as deploy:
                    deploy_tab(context, tab=deploy)
                with gr.Tab(text("tab_data"), id="data"):
                    data_tab(context)
                with gr.Tab(text("tab_training"), id="training") as training:
                    training_tab(context, training)
            with gr.Tab(text("tab_about"), id="about"):
                about_tab(approaches)
        api.add(context)

    def forget(session: str) -> None:
        """Delete the models and results of a visitor who has closed the page."""
        models.forget(session)
        context.histories.forget(session, store)
        context.links.forget(session)

    sessions.drop_session_descriptions()
    store.on_removed = partial(_forget, page)
    request_validation.validate_requests(page, limits.max_bytes, proxied=settings.proxied)
    Visits(forget).watch(page)
    # After each failed event Gradio summarises all events with pandas, for a monitoring page that is off here.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
    page_payload.without_descriptions(page)
    # Calls that bypass the queue (`api_open`) would be neither monitored nor cancelled.
    page.queue(max_size=_UNSORTED + settings.queue_length, api_open=False)
    return page


def _forget(page: gr.Blocks, gone: set[Path]) -> None:
    """Drop what the store has deleted from memory, and from Gradio's lists, which would otherwise grow without limit."""
    upscalers.forget_below(gone)
    for files in page.temp_file_sets:
        for file in list(files):
            if Path(file) in gone or not gone.isdisjoint(Path(file).parents):
                files.discard(file)


async def _disk_refuses(_: Request, exc: Exception) -> PlainTextResponse:
    """Respond with 507 to an upload if the disk is full; raise any other error again."""
    if not is_disk_full(exc):
        raise exc
    log.error("an upload cannot be kept in %s: %s", get_upload_folder(), exc)
    return PlainTextResponse(DISK_REFUSES, status_code=507)


def launch_arguments(store: Store, settings: Settings) -> dict[str, Any]:
    """Return the arguments of `Blocks.launch`: address, theme, limits, served folders, routes, error handlers."""
    application = origin_check.application_arguments(settings)
    application["exception_handlers"] = {**application["exception_handlers"], OSError: _disk_refuses}
    application["routes"] = [languages.route(), *(shared_links.routes(store) if settings.share else [])]
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "allowed_paths": [*store.allowed_paths(), str(examples.folder()), str(welcome.FOLDER)],
        "app_kwargs": application,
        "max_threads": settings.queue_length + _LIGHT_THREADS,
        # Gradio has one limit for all uploads; images have a smaller one, which is checked when they are read.
        "max_file_size": max(settings.max_megabytes, settings.max_model_megabytes) * 2**20,
        "state_session_capacity": sessions.CAPACITY,
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "show_error": False,
        "footer_links": ["api"],
        "mcp_server": settings.mcp,
        "theme": theme(),
        "css": _STYLE.read_text(encoding="utf-8"),
        "i18n": languages.translations(),
    }


def theme() -> gr.themes.Base:
    """Return Gradio's default theme with one accent colour and with system fonts, which need no download.

    The contrast of Gradio's own shades is too low: 2.49:1 for white on the accent, 2.56:1 for subdued text. These shades
    reach the 4.5:1 of WCAG 2.2 AA. `style.css` has the accent of the dark page, for which a theme has no variable.
    """
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_border_color="*primary_700",
        button_primary_border_color_dark="*primary_700",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_700",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_500",
        link_text_color="*secondary_700",
        link_text_color_visited="*secondary_800",
        link_text_color_visited_dark="*secondary_400",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
    )
