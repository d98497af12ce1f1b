"""Sessions are small, and each still has its own state."""

from __future__ import annotations

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from sr_demo.ui import sessions


@pytest.mark.usefixtures("gradio_loops")
def test_a_session_holds_its_state_and_no_copy_of_the_page() -> None:
    sessions.drop_session_descriptions()
    sessions.drop_session_descriptions()
    with gr.Blocks() as page:
        state, text = gr.State(["first"]), gr.Textbox("hello")
    mine, yours = SessionState(page), SessionState(page)
    assert not mine.config_values, "a description of every component, for each call of the API"
    mine[state._id].append("second")
    mine._update_value_in_config(text._id, "mine")
    yours._update_value_in_config(text._id, "yours")
    assert (mine[state._id], yours[state._id]) == (["first", "second"], ["first"])
    assert mine.config_values[text._id]["props"]["value"] == "mine"
