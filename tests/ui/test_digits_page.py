"""The handlers of the Digits tab, without a browser."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, TypeVar

import cv2
import gradio as gr
import numpy as np
import pytest

from sr_demo.checkpoint import card
from sr_demo.digits.options import Art
from sr_demo.errors import BadInput
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.options import controls
from sr_demo.progress import Progress
from sr_demo.ui.callers import Callers
from sr_demo.ui.digits import pad, view
from sr_demo.ui.digits.handlers import Digit, DigitComponents, DigitHandlers
from sr_demo.ui.digits.latent_handlers import (
    ArtComponents,
    ArtHandlers,
    VaryComponents,
    VaryHandlers,
    WalkComponents,
    WalkHandlers,
)
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.digit_images import five

P = TypeVar("P")


def parts_of(kind: type[P]) -> P:
    """The components that handlers write to: which kind they are makes no difference here."""
    return kind(*(gr.HTML() for _ in fields(kind)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def context() -> PageContext:
    return PageContext((), Runner(), Store(), Stops(), Limits())


@pytest.fixture(scope="module")
def handlers(context: PageContext) -> DigitHandlers:
    return DigitHandlers(context, parts_of(DigitComponents))


def sent(image: np.ndarray[Any, Any]) -> Any:
    """The event of a lifted pen, with `image` (H, W, 3) in [0, 1] on the sheet."""
    png = cv2.imencode(".png", np.rint(image * 255).astype(np.uint8))[1].tobytes()
    return SimpleNamespace(value="data:image/png;base64," + base64.b64encode(png).decode())


def test_a_drawing_becomes_a_digit_and_is_drawn_at_any_size(handlers: DigitHandlers) -> None:
    parts = handlers.parts
    taken = handlers.take_drawing(sent(five(280, 280, (0, 0, 0), (1, 1, 1))))
    digit, cards = taken[parts.digit], taken[parts.cards]
    assert isinstance(digit, Digit) and cards.count("<figure>") == 6 and "read as 5" in cards
    shown = handlers.show(digit, 333, "cppn-gan", None)
    file, status = shown[parts.large], shown[parts.status]
    drawn = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    assert drawn is not None and drawn.shape == (333, 333) and "333 × 333" in status


def test_a_cleared_sheet_takes_its_results_along(handlers: DigitHandlers) -> None:
    cleared = handlers.take_drawing(SimpleNamespace(value=""))
    assert cleared[handlers.parts.digit] is None and "figure" not in cleared[handlers.parts.cards]
    assert handlers.show(None, 400, "cppn-gan", None)[handlers.parts.large] is None


def test_an_empty_sheet_gives_a_message(handlers: DigitHandlers) -> None:
    updates = handlers.take_drawing(sent(np.ones((280, 280, 3))))
    problem = updates.pop(handlers.parts.note)
    assert not updates, "the rest stays"
    assert "There is no digit to see" in problem and "alert" in problem


def test_the_first_digit_does_not_replace_what_the_visitor_chose_meanwhile(context: PageContext) -> None:
    fresh = DigitHandlers(context, parts_of(DigitComponents))
    assert fresh.parts.digit in fresh.take_first(None), "the tab opens with a digit"
    fresh.take_drawing(sent(np.ones((280, 280, 3))))
    late = fresh.take_first(None)
    assert fresh.parts.note not in late, "the message about the empty sheet stays"


def test_a_refusal_is_not_replaced_by_the_first_digit(context: PageContext) -> None:
    fresh = DigitHandlers(replace(context, callers=Callers(0)), parts_of(DigitComponents))
    assert "This server is busy" in fresh.take_drawing(sent(np.ones((280, 280, 3))))[fresh.parts.note]
    fresh.callers = context.callers
    assert fresh.parts.note not in fresh.take_first(None)


@pytest.mark.parametrize("junk", [None, "hello", "data:image/png;base64,&&&", "data:image/png;base64," + "A" * 2**21])
def test_what_is_no_drawing_is_refused(junk: object) -> None:
    with pytest.raises(BadInput, match=r"[Dd]raw"):
        pad.decode(junk)


@pytest.mark.parametrize("size", [27, 1801, None, "400"])
def test_sizes_from_strangers_are_checked(handlers: DigitHandlers, size: object) -> None:
    digit = handlers.take_typical(3)[handlers.parts.digit]
    updates = handlers.show(digit, size, "cppn-gan", None)
    assert list(updates) == [handlers.parts.status] and "between 28 and 1800" in updates[handlers.parts.status]


def test_walks_and_varied_numbers_need_something_to_start_from(context: PageContext) -> None:
    walk, vary = WalkHandlers(context, parts_of(WalkComponents)), VaryHandlers(context, parts_of(VaryComponents))
    assert "There is no digit yet" in walk.walk(None, "mine", "3", "cppn-gan")[walk.parts.status]
    assert f"latent numbers 1 to {view.LATENT}" in vary.vary(None, view.LATENT + 1, "cppn-gan")[vary.parts.status]


def test_work_ends_once_its_caller_is_gone(
    context: PageContext, handlers: DigitHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each handler looks at the stop flag while it draws."""
    digit = handlers.take_typical(3)[handlers.parts.digit]
    gone = Event()
    gone.set()

    @contextmanager
    def turn(seconds: float = 1.0, *, newest: str = "") -> Generator[Progress]:
        yield Progress(stop=gone)

    monkeypatch.setattr(context.callers, "turn", turn)
    walk, vary = WalkHandlers(context, parts_of(WalkComponents)), VaryHandlers(context, parts_of(VaryComponents))
    art = ArtHandlers(context, parts_of(ArtComponents))
    for status, updates in (
        (handlers.parts.status, handlers.show(digit, 400, "cppn-gan", None)),
        (handlers.parts.note, handlers.take_typical(3)),
        (walk.parts.status, walk.walk(None, "1", "3", "cppn-gan")),
        (vary.parts.status, vary.vary(None, 3, "cppn-gan")),
        (art.parts.status, art.paint(*(control.default for control in controls(Art)))),
    ):
        assert list(updates) == [status] and updates[status] == gr.skip()


def test_gradio_does_not_see_the_progress_of_a_turn(handlers: DigitHandlers) -> None:
    assert list(inspect.signature(handlers.show).parameters) == ["digit", "size", "system", "window"]


def test_the_vaegan_alone_has_a_higher_mean_psnr_than_bicubic_as_the_tab_says() -> None:
    """The text on the tab and the table of scores must agree."""
    ranked = sorted(view.measured(), key=lambda row: -row["psnr"])
    assert [row["method"] for row in ranked[:2]] == ["vaegan", "bicubic"] and ranked[0]["digits"] == 10_000


def test_all_networks_have_latents_of_the_size_that_the_tab_states() -> None:
    stems = ("digits-vaegan", "digits-cppn-vaegan", "digits-cppn-l2")
    assert {card(stem)["architecture"]["settings"]["latent"] for stem in stems} == {view.LATENT}
    assert view.figures().count("<tr>") == 1 + len(view.measured())


def test_results_are_written_where_the_page_serves(tmp_path: Path) -> None:
    file = Path(view.write(b"x", tmp_path, "a.png"))
    assert file.read_bytes() == b"x" and file.parent == tmp_path
