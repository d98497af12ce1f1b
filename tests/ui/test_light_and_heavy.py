"""Only handlers that compute wait in the queue; all others run beside it."""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from types import SimpleNamespace

import gradio as gr
import pytest
from starlette.datastructures import Headers

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import Cancelled
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page
from sr_demo.ui.callers import Callers, address_of
from sr_demo.ui.languages import text
from sr_demo.ui.store import Store

HEAVY = {
    "RunHandlers.run", "SeveralHandlers.run", "AdjustHandlers.adjust", "AdjustHandlers.find_faces",
    "Endpoints.upscale", "Endpoints.compare", "Endpoints.several", "Endpoints.deploy",
    "MosaicHandlers.render", "MosaicHandlers.render_example", "MosaicHandlers.show_matches",
    "MosaicHandlers.build_database",
    "_injected.<locals>.guess",
    "DigitHandlers.take_first", "DigitHandlers.take_drawing", "DigitHandlers.take_upload", "DigitHandlers.take_typical",
    "DigitHandlers.take_test", "DigitHandlers.show", "DigitHandlers.resize",
    "WalkHandlers.walk", "VaryHandlers.vary", "ArtHandlers.paint", "_photo.<locals>.learn",
    "TrainingHandlers.show",
    "DataHandlers.inspect", "DataHandlers.inspect_examples",
    "DeployHandlers.measure", "ExportHandlers.make",
    "CaptionHandlers.describe",
    "VisitorModelHandlers.open", "SaveHandlers.pack", "CommunityHandlers.search", "CommunityHandlers.fetch",
}  # fmt: skip
"""Handlers that compute, all of which enter through `Callers.admitted`."""


@pytest.mark.usefixtures("gradio_loops")
def test_only_handlers_that_compute_are_queued() -> None:
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    queued = {built.fns[entry["id"]] for entry in built.config.get("dependencies", []) if entry["queue"]}
    assert {fn.fn.__qualname__ for fn in queued if fn.fn} <= HEAVY
    assert "sr_demo.ui.compare.handlers" not in {fn.fn.__module__ for fn in queued if fn.fn}, "uploads are not queued"
    assert {(fn.concurrency_id, fn.concurrency_limit) for fn in queued} == {("heavy", None)}
    assert not built.api_open, "calls past the queue are neither watched nor cancelled"


@pytest.mark.usefixtures("gradio_loops")
def test_no_event_that_carries_data_is_put_off() -> None:
    """What Gradio puts off it sends with the data of the event before: a slider's last move would be lost."""
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    carrying = [
        fn for fn in built.fns.values() if fn.fn and "EventData" in str(inspect.signature(fn.fn).parameters.values())
    ]
    assert "AdjustHandlers.adjust" in {fn.fn.__qualname__ for fn in carrying if fn.fn}
    assert [fn.fn.__qualname__ for fn in carrying if fn.fn and fn.trigger_mode == "always_last"] == []


ONCE = {"AdjustHandlers.find_faces", "MosaicHandlers.show_matches", "VisitorModelHandlers.open"}
"""Handlers of other events than presses of a button, which may drop a click while one before it is answered."""


@pytest.mark.usefixtures("gradio_loops")
def test_what_is_set_while_an_event_is_answered_is_not_lost() -> None:
    """Gradio drops events of the mode "once" that come before the answer to the one before, with what follows on them."""
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    found = set[str]()
    for fn in built.fns.values():
        name = getattr(fn.fn, "__qualname__", "")
        if fn.trigger_mode != "once" or not (name in HEAVY or name == "SaveHandlers.prepare"):
            continue
        starts = [(built.blocks.get(target[0]), target[1]) for target in fn.targets if target[0] is not None]
        if not starts or not all(isinstance(block, gr.Button | gr.Tab) or event == "submit" for block, event in starts):
            found.add(name)
    assert found <= ONCE


@pytest.mark.usefixtures("gradio_loops")
def test_what_writes_the_viewer_closes_the_menu_that_saves_what_it_showed() -> None:
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    (box,) = (block for block in built.blocks.values() if block.elem_id == "save-menu")
    closing = {getattr(fn.fn, "__qualname__", "") for fn in built.fns.values() if box in fn.outputs}
    assert {"AdjustHandlers.close_outdated", "HistoryHandlers.bring_back"} < closing
    runs = [key for key, fn in built.fns.items() if getattr(fn.fn, "__qualname__", "") == "RunHandlers.run"]
    before = {built.fns[key].trigger_after for key in runs}
    after = {fn.trigger_after for fn in built.fns.values() if list(fn.outputs) == [box]}
    assert before and before <= after


@pytest.mark.usefixtures("gradio_loops")
def test_no_stop_can_be_pressed_before_the_work_that_enables_it_runs() -> None:
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    stops = {
        block.elem_id: block
        for block in built.blocks.values()
        if isinstance(block, gr.Button) and block.value == text("stop")
    }
    assert {"stop", "several-stop", "memory-stop", "fit-stop", "lab-stop", "data-stop"} <= set(stops)
    assert [name for name, stop in stops.items() if stop.interactive] == []
    heavy = [fn for fn in built.fns.values() if fn.queue]
    assert [name for name, stop in stops.items() if not any(stop in fn.outputs for fn in heavy)] == []


def test_only_the_newest_event_of_a_kind_goes_on() -> None:
    callers = Callers()
    with callers.admitted(newest="slider") as first, callers.admitted(newest="brush") as other:
        with callers.admitted(newest="slider") as second:
            assert (first.stop.is_set(), other.stop.is_set(), second.stop.is_set()) == (True, False, False)
            with pytest.raises(Cancelled), first.turn() as progress:
                progress(0.0)
        with callers.admitted(newest="slider"):
            assert not second.stop.is_set(), "it has ended"


def test_events_that_are_about_to_leave_do_not_keep_the_newest_out() -> None:
    callers = Callers()
    with ExitStack() as quick:
        moves = [quick.enter_context(callers.admitted(newest="slider", order=number)) for number in range(12)]
        assert [move.stop.is_set() for move in moves] == [True] * 11 + [False]


def test_an_event_that_arrives_late_does_not_stop_a_newer_one() -> None:
    callers = Callers()
    with callers.admitted(newest="slider", order=2) as second:
        with callers.admitted(newest="slider", order=1) as first:
            assert first.stop.is_set() and not second.stop.is_set()
        with callers.admitted(newest="slider", order=3):
            assert second.stop.is_set()


def request(host: str, forwarded: str | None) -> SimpleNamespace:
    """A request with a header for each line of `forwarded`."""
    lines = (forwarded or "").splitlines()
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
    return SimpleNamespace(client=SimpleNamespace(host=host), headers=headers)


@pytest.mark.parametrize(
    ("host", "forwarded", "proxied", "address"),
    [
        ("10.0.0.1", None, False, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", False, "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4", True, "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9\n1.2.3.4", True, "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9\n8.8.8.8, 1.2.3.4", True, "1.2.3.4"),
        ("10.0.0.1", None, True, "10.0.0.1"),
        ("10.0.0.1", "x" * 1000, True, "x" * 64),
        ("2001:db8:1:2:3:4:5:6", None, False, "2001:db8:1:2::"),
        ("10.0.0.1", "::ffff:203.0.113.5", True, "203.0.113.5"),
        ("10.0.0.1", "203.0.113.5:4411", True, "203.0.113.5"),
        ("10.0.0.1", "[2001:db8:1:2:3:4:5:6]:4411", True, "2001:db8:1:2::"),
        ("10.0.0.1", "[::ffff:203.0.113.5]", True, "203.0.113.5"),
    ],
)
def test_an_address_is_what_the_nearest_proxy_saw(host: str, forwarded: str, proxied: bool, address: str) -> None:
    assert address_of(request(host, forwarded), proxied=proxied) == address
