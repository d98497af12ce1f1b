"""What the digits tab does with what people send it."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import Limits
from sr_demo.ui.digits import pad, view
from sr_demo.ui.digits.handlers import Digit, Handlers
from sr_demo.ui.store import Store
from tests.digit_pictures import five


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return Handlers(Store(), Limits())


def sent(picture: np.ndarray[Any, Any]) -> Any:
    """The event of a lifted pen, with `picture` (H, W, 3) in [0, 1] on the sheet."""
    png = cv2.imencode(".png", np.rint(picture * 255).astype(np.uint8))[1].tobytes()
    return SimpleNamespace(value="data:image/png;base64," + base64.b64encode(png).decode())


def test_a_drawing_becomes_a_digit_and_is_drawn_at_any_size(handlers: Handlers) -> None:
    digit, cards, _ = handlers.take_drawing(sent(five(280, 280, (0, 0, 0), (1, 1, 1))))
    assert isinstance(digit, Digit) and cards.count("<figure>") == 6 and "read as 5" in cards
    file, _, status = handlers.show(digit, 333, "cppn-gan", None)
    drawn = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    assert drawn is not None and drawn.shape == (333, 333) and "333 × 333" in status


def test_an_empty_sheet_is_answered_with_a_sentence(handlers: Handlers) -> None:
    *_, problem = handlers.take_drawing(sent(np.ones((280, 280, 3))))
    assert "There is no digit to see" in problem and "alert" in problem


@pytest.mark.parametrize("junk", [None, "hello", "data:image/png;base64,&&&", "data:image/png;base64," + "A" * 2**21])
def test_what_is_no_drawing_is_refused(junk: object) -> None:
    with pytest.raises(BadInput, match=r"[Dd]raw"):
        pad.decode(junk)


@pytest.mark.parametrize("size", [27, 1801, None, "400"])
def test_sizes_from_strangers_are_checked(handlers: Handlers, size: object) -> None:
    digit, *_ = handlers.take_typical(3)
    *_, problem = handlers.show(digit, size, "cppn-gan", None)
    assert "between 28 and 1800" in problem


def test_walks_and_varied_numbers_need_something_to_start_from(handlers: Handlers) -> None:
    *_, problem = handlers.walk(None, "mine", "3", "cppn-gan")
    assert "There is no digit yet" in problem
    *_, problem = handlers.vary(None, 33, "cppn-gan")
    assert "latent numbers 1 to 32" in problem


def test_the_figures_say_who_is_closest() -> None:
    """The tab's sentence says that bicubic is; the table it is taken from must say so too."""
    best = max(view.measured(), key=lambda row: row["psnr"])
    assert best["method"] == "bicubic" and best["digits"] == 10_000
    assert view.figures().count("<tr>") == 1 + len(view.measured())


def test_results_are_written_where_the_page_serves(handlers: Handlers, tmp_path: Path) -> None:
    file = Path(view.write(b"x", tmp_path, "a.png"))
    assert file.read_bytes() == b"x" and file.parent == tmp_path
