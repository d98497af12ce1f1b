"""Each option has one control on the page, and what visitors set becomes valid options again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr
import pytest

from sr_demo.errors import BadInput
from sr_demo.options import Options, as_dict, build, option
from sr_demo.ui import controls
from tests import fakes

pytestmark = pytest.mark.usefixtures("gradio_loops")


@dataclass(frozen=True)
class Every(Options):
    """One of each kind."""

    steps: int = option(5, "Steps", "How many.", minimum=1, maximum=50)
    strength: float = option(0.5, "Strength", "How much.", minimum=0.0, maximum=1.0, step=0.05)
    free: float = option(0.5, "Free", "As fine as you like.", minimum=0.0, maximum=1.0)
    fast: bool = option(False, "Fast", "Less exact.")
    kind: str = option("soft", "Kind", "Which.", choices=("soft", "hard"))
    budget: int = option(4000, "Budget", "From little to a lot.", minimum=100, maximum=1_000_000, step=100)
    words: str = option("a cat", "Words", "What is in it.")


def bound_controls() -> dict[str, controls.Bound]:
    with gr.Blocks():
        return {bound.name: bound for bound in controls.make("mine", Every)}


def test_each_kind_of_option_gets_its_kind_of_control() -> None:
    kinds = {name: type(bound.component) for name, bound in bound_controls().items()}
    assert kinds == {
        "steps": gr.Slider, "strength": gr.Slider, "free": gr.Slider, "fast": gr.Checkbox, "kind": gr.Radio,
        "budget": gr.Number, "words": gr.Textbox,
    }  # fmt: skip


def test_controls_have_a_help_text_and_start_at_the_default() -> None:
    for name, bound in bound_controls().items():
        assert bound.owner == "mine"
        assert bound.component.value == as_dict(Every())[name]
        assert bound.component.label == name.capitalize() and (bound.component.info or "").endswith(".")


def test_sliders_have_the_range_and_step_of_the_option() -> None:
    sliders = {
        name: bound.component for name, bound in bound_controls().items() if isinstance(bound.component, gr.Slider)
    }
    assert (sliders["steps"].minimum, sliders["steps"].maximum, sliders["steps"].step) == (1, 50, 1)
    assert (sliders["strength"].minimum, sliders["strength"].maximum, sliders["strength"].step) == (0, 1, 0.05)
    free = sliders["free"].step
    assert free is not None and 0 < free <= 0.1


def test_values_that_visitors_set_become_options() -> None:
    bound = list(bound_controls().values())
    values = controls.values(bound, [7, 0.25, 1, True, "hard", 200, "a dog"])
    assert as_dict(build(Every, values["mine"])) == {
        "steps": 7, "strength": 0.25, "free": 1.0, "fast": True, "kind": "hard", "budget": 200, "words": "a dog",
    }  # fmt: skip


def test_values_out_of_range_are_refused() -> None:
    values = controls.values(list(bound_controls().values()), [7, 99, 1, True, "hard", 200, "a dog"])
    with pytest.raises(BadInput, match="Strength must be between 0 and 1, not 99"):
        build(Every, values["mine"])


def test_only_approaches_with_options_get_an_accordion() -> None:
    with gr.Blocks() as page:
        bound = controls.accordions([
            replace(fakes.good("plain"), options=Options), fakes.good("first"), fakes.good("second"),
        ])  # fmt: skip
    assert [(b.owner, b.name) for b in bound] == [
        ("first", "strength"), ("first", "steps"), ("second", "strength"), ("second", "steps"),
    ]  # fmt: skip
    accordions = [block for block in page.blocks.values() if isinstance(block, gr.Accordion)]
    assert [(a.label, a.open) for a in accordions] == [("First", False), ("Second", False)]
    apart = controls.values(bound, [0.1, 2, 0.9, 8])
    assert apart == {"first": {"strength": 0.1, "steps": 2}, "second": {"strength": 0.9, "steps": 8}}
