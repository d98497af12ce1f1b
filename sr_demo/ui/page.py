"""The page as a function of the list of approaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.image import Limits
from sr_demo.runner import Runner
from sr_demo.settings import Settings
from sr_demo.spec import Approach
from sr_demo.ui import (
    about_tab,
    api,
    compare_tab,
    data_tab,
    diffusion_handlers,
    diffusion_tab,
    digits_tab,
    lab_tab,
    mosaic_tab,
    offer,
    training_tab,
)
from sr_demo.ui.callers import Callers
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store

_STYLE = Path(__file__).parent / "style.css"
_HEADER = """<header class="sr-header"><h1>Super-resolution, side by side</h1>
<p>Enlarge a photo 4x with very different methods, see them next to each other, and what each one costs.</p></header>"""
_UPLOADS_KEPT = (3600, 2 * 3600)
"""Every hour, uploads older than two hours are deleted."""
_UNSORTED = 1000
"""Heavy events that Gradio may hold beyond those that are admitted: each is admitted or refused within moments."""
_LIGHT_THREADS = 40
"""Threads beyond those in which admitted callers wait."""


def build(approaches: Sequence[Approach], runner: Runner, store: Store, settings: Settings) -> gr.Blocks:
    """The page, not yet launched."""
    callers = Callers(settings.queue_length, settings.max_seconds, proxied=settings.proxied)
    limits = Limits(settings.max_megabytes * 2**20, settings.max_megapixels * 1_000_000)
    context = offer.Context(approaches, runner, store, Stops(), limits, callers)
    with gr.Blocks(
        title="Super-resolution, side by side", analytics_enabled=False, delete_cache=_UPLOADS_KEPT, fill_width=True
    ) as page:
        gr.HTML(_HEADER)
        with gr.Tabs():
            with gr.Tab("Compare", id="compare"):
                compare_tab.build(context)
            with gr.Tab("Mosaic memory", id="mosaic") as mosaic:
                mosaic_tab.build(context, mosaic)
            guessing = diffusion_handlers.approach_of(context)
            if guessing is not None:
                with gr.Tab("Diffusion", id="diffusion"):
                    diffusion_tab.build(context, guessing)
            with gr.Tab("Digits", id="digits") as digits:
                digits_tab.build(store, limits, digits, callers)
            with gr.Tab("Training", id="training") as training:
                training_tab.build(context, training)
            with gr.Tab("Data", id="data"):
                data_tab.build(context)
            with gr.Tab("Lab", id="lab"):
                lab_tab.build(context)
            with gr.Tab("About", id="about"):
                about_tab.build(approaches)
        api.add(context)
    # Calls past the queue (`api_open`) would be neither watched nor cancelled.
    page.queue(max_size=_UNSORTED + settings.queue_length, api_open=False)
    return page


def launch_arguments(store: Store, settings: Settings) -> dict[str, Any]:
    """What `Blocks.launch` needs for this page: looks, limits, and nothing served but results."""
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "allowed_paths": [str(store.folder)],
        "max_threads": settings.queue_length + _LIGHT_THREADS,
        "max_file_size": settings.max_megabytes * 2**20,
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "show_error": False,
        "footer_links": ["api"],
        "mcp_server": settings.mcp,
        "theme": theme(),
        "css": _STYLE.read_text(encoding="utf-8"),
    }


def theme() -> gr.themes.Base:
    """Gradio's default, with one accent colour and the system's own fonts: nothing is fetched."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
