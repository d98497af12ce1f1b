"""The handlers of the Diffusion tab, without a browser."""

import shutil
from dataclasses import dataclass
from threading import Event

import gradio as gr
import numpy as np
import pytest

from sr_demo.checkpoint import OWN
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.errors import Busy
from sr_demo.image import Limits, write_png
from sr_demo.inference.runner import Runner
from sr_demo.spec import Approach
from sr_demo.ui.diffusion import view
from sr_demo.ui.diffusion.handlers import OPTIONS, DiffusionComponents, DiffusionHandlers, approach_of
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.diffusion.test_sampler import networks

pytestmark = pytest.mark.usefixtures("gradio_loops")
VALUES = [{"steps": 3}.get(name, getattr(DiffusionOptions(), name)) for name in OPTIONS]


@dataclass
class FakeRequest:
    """A visitor: what Gradio would inject."""

    session_hash: str = "visitor"


def arrived(update, parts):
    """The names of the images that the viewer shows after an update."""
    return [image["label"] for image in update[parts.shown]["images"] if image["url"]]


def tiny_approach():
    return Approach(
        id="diffusion", title="Diffusion", summary="", about="", family="diffusion",
        load=lambda request: DiffusionUpscaler(Sampler(*networks())), options=DiffusionOptions, tiling=OWN,
    )  # fmt: skip


@pytest.fixture
def handlers():
    approach, store = tiny_approach(), Store()
    parts = DiffusionComponents(gr.HTML(), gr.HTML(), gr.HTML(), gr.Button())
    yield DiffusionHandlers(PageContext((approach,), Runner(), store, Stops(), Limits()), approach, parts)
    shutil.rmtree(store.folder)


@pytest.fixture
def photo(tmp_path):
    write_png(image_of(noise(40, 30)), tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_a_click_shows_guesses_their_spread_and_the_steps(handlers, photo):
    parts = handlers._parts
    *_, last = handlers.guess(photo, 3, *VALUES, request=FakeRequest())
    names = ["Your photo", "Start image", "Guess 1", "Guess 2", "Guess 3", "Where it is guessing"]
    assert arrived(last, parts) == names
    html = last[parts.explained]
    assert "Step 1: noise 11%" in html and "Step 3" in html and html.count("<img") == 2 * 3


def test_a_guess_is_shown_as_soon_as_it_is_there_and_stays_after_stop(handlers, photo, monkeypatch):
    parts, visitor, updates, halted = handlers._parts, FakeRequest(), [], Event()
    draw = DiffusionUpscaler.draw_samples

    def waiting(*arguments):
        for number, samples in enumerate(draw(*arguments)):
            yield samples
            if number == 4:  # the guesses take milliseconds: without this, all may be there before Stop
                halted.wait(60)

    monkeypatch.setattr(DiffusionUpscaler, "draw_samples", waiting)
    for update in handlers.guess(photo, 8, *VALUES, request=visitor):
        updates.append(update)
        if "Guess 1" in arrived(update, parts):
            handlers.halt(visitor)
            halted.set()
    last = updates[-1]
    assert "Stopped" in last[parts.status]
    assert arrived(last, parts)[:3] == ["Your photo", "Start image", "Guess 1"]
    assert all(image["url"] for image in last[parts.shown]["images"]), "nothing goes on waiting"
    assert "Guess 8" not in arrived(last, parts)
    assert [update[parts.stop].interactive for update in updates if parts.stop in update] == [True, False]


def test_later_guesses_end_those_before_them(handlers, photo):
    parts, visitor = handlers._parts, FakeRequest()
    first = handlers.guess(photo, 8, *VALUES, request=visitor)
    next(first)
    second = list(handlers.guess(photo, 2, *VALUES, request=visitor))
    assert "Guess 2" in arrived(second[-1], parts)
    assert all(update == gr.skip() for update in first), "what the page shows is of the later ones"


def test_nothing_is_decoded_for_a_visitor_without_a_place(handlers, photo, monkeypatch):
    parts, context = handlers._parts, handlers._context
    monkeypatch.setattr(context.uploads, "read", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(context.callers, "admitted", refuse)
    *_, last = handlers.guess(photo, 2, *VALUES, request=FakeRequest())
    assert "busy" in last[parts.status]


def refuse(*_):
    raise Busy("This server is busy.")


def test_without_an_image_it_says_so(handlers):
    (only,) = handlers.guess(None, 2, *VALUES, request=FakeRequest())
    assert "There is no picture yet" in only[handlers._parts.status]


def test_a_catalogue_without_it_has_no_such_tab():
    store = Store()
    assert approach_of(PageContext((), Runner(), store, Stops(), Limits())) is None
    shutil.rmtree(store.folder)


def test_the_colour_scale_does_not_exaggerate_and_finds_the_spot():
    calm = np.full((200, 300), 0.001, np.float32)
    assert view.scale_top(calm) == pytest.approx(0.01)
    assert view.heat(calm, 0.01).max() < 0.5
    calm[120:160, 200:240] = 0.1
    top, left = view.most_uncertain(calm, 96)
    assert top <= 120 and top + 96 >= 160
    assert left <= 200 and left + 96 >= 240
    assert view.heat(calm, 0.1)[140, 220].tolist() == pytest.approx([253 / 255, 231 / 255, 37 / 255], abs=0.01)
