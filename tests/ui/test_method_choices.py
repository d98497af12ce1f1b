"""What is ticked when the page opens: a published checkpoint that is stored, with ours beside it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.hub import checkpoints
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.spec import Approach
from sr_demo.ui.compare import layout, presets
from sr_demo.ui.compare.visitor_model_handlers import VisitorModelHandlers
from sr_demo.ui.method_choices import PageContext, offered, quicker_note, representative_jobs, ticked
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes

OURS = Checkpoint("ours", "ours, small")


def published(name: str, flops: float) -> Checkpoint:
    file = WeightFile(f"{name}.pth", "0" * 64, 5, (f"a/b:{name}.pth",))
    return Checkpoint(name, f"published, {name}", (file,), parameters=1, flops_per_pixel=flops)


SLOW, QUICK = published("slow", 1e9), published("quick", 1e3)
APPROACH = replace(
    fakes.approach(fakes.Fake(lambda image, _: image)), checkpoints=(OURS, QUICK, SLOW), preferred=("slow", "quick")
)
ONLY_PUBLISHED = replace(APPROACH, id="only", checkpoints=(SLOW,), preferred=("slow",))


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the published checkpoints that are stored."""
    names: set[str] = set()
    monkeypatch.setattr(checkpoints, "is_available", lambda c: not c.files or c.name in names)
    return names


def choices(approach: Approach, estimates: Any = None) -> tuple[list[str], list[str], list[str]]:
    """Names of the checkpoints shown at once and of the others, and the ticked keys."""
    first, more = offered([approach], estimates)
    return [j.checkpoint.name for j in first], [j.checkpoint.name for j in more], ticked(first, estimates)


def test_ours_is_ticked_where_nothing_is_stored(stored: set[str]) -> None:
    assert choices(APPROACH) == (["ours"], ["quick", "slow"], ["fake"])


def test_a_stored_published_checkpoint_is_ticked_with_ours_beside_it(stored: set[str]) -> None:
    stored |= {"slow"}
    assert choices(APPROACH, TimeEstimates()) == (["ours", "slow"], ["quick"], ["fake:slow"])


def test_a_quicker_published_one_is_ticked_where_the_best_takes_long(stored: set[str]) -> None:
    stored |= {"slow", "quick"}
    assert choices(APPROACH) == (["ours", "slow"], ["quick"], ["fake:slow"])
    assert choices(APPROACH, TimeEstimates()) == (["ours", "quick"], ["slow"], ["fake:quick"])


def test_what_is_published_only_is_ticked_once_it_is_stored(stored: set[str]) -> None:
    assert choices(ONLY_PUBLISHED) == ([], ["slow"], [])
    stored |= {"slow"}
    assert choices(ONLY_PUBLISHED) == (["slow"], [], ["only"])


def test_presets_tick_the_checkpoint_that_the_page_ticks(stored: set[str]) -> None:
    invents = replace(APPROACH, id="real-esrgan", family="adversarial", invents=True)
    walks = replace(fakes.good("walker"), family="diffusion")
    catalogue, estimates = (fakes.good("bicubic"), invents, walks), TimeEstimates()
    for names, expected, fast in (
        (set[str](), "real-esrgan", "real-esrgan"),
        ({"slow"}, "real-esrgan:slow", "real-esrgan"),
        ({"slow", "quick"}, "real-esrgan:quick", "real-esrgan:quick"),
    ):
        stored.clear()
        stored |= names
        first, _ = offered(catalogue, estimates)
        assert ticked(first, estimates) == ["bicubic", expected, "walker"]
        jobs = representative_jobs(catalogue, estimates)
        assert presets.ticked(jobs, presets.OLD) == ["bicubic", expected]
        assert presets.ticked(jobs, presets.FAMILIES) == [expected, "walker"]
        quick = representative_jobs(catalogue, estimates, quick=True)
        assert presets.ticked(quick, presets.FAST) == ["bicubic", fast], "with ours, where what is published takes long"


def test_it_is_said_where_a_quicker_one_is_ticked(stored: set[str]) -> None:
    stored |= {"slow"}
    assert quicker_note([APPROACH], TimeEstimates()) == ""
    stored |= {"quick"}
    note = quicker_note([APPROACH, replace(APPROACH, id="later", preselected=False)], TimeEstimates())
    assert note.startswith("Fake (published, slow) would take about ") and note.count("would take") == 1
    assert note.endswith("for 256 × 256 pixels on this server, so the quicker Fake (published, quick) is ticked.")


@pytest.mark.usefixtures("gradio_loops")
def test_a_model_that_joins_the_methods_leaves_the_others_there(stored: set[str]) -> None:
    """Gradio refuses every event with a ticked key that is no longer among the choices."""
    stored |= {"slow", "quick"}
    context = PageContext([APPROACH], Runner(), Store(), Stops(), Limits())
    with gr.Blocks():
        parts = layout.lay_out(context)
    offers = VisitorModelHandlers(context, parts).remove(["fake:quick"], SimpleNamespace(session_hash="anna"))  # type: ignore[arg-type]
    assert parts.choice.methods.value == ["fake:quick"]
    assert [key for _, key in offers[parts.choice.methods].choices] == ["fake", "fake:quick"]
