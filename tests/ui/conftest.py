"""Fixtures of the tests of the page."""

from __future__ import annotations

import gradio as gr
import pytest

from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.layout import lay_out
from sr_demo.ui.method_choices import PageContext


@pytest.fixture
def components(context: PageContext, gradio_loops: None) -> CompareComponents:
    """The Compare tab for the `context` of a test file, without its events."""
    with gr.Blocks():
        return lay_out(context)
