"""The handlers of the Diffusion tab, without a browser."""

import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest

from sr_demo.checkpoint import OWN
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import Limits, write_png
from sr_demo.inference.runner import Runner
from sr_demo.spec import Approach
from sr_demo.ui.diffusion import view
from sr_demo.ui.diffusion.handlers import OPTIONS, DiffusionHandlers, approach_of
from sr_demo.ui.method_choices import Context
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.diffusion.test_sampler import networks

VALUES = [{"steps": 3}.get(name, getattr(DiffusionOptions(), name)) for name in OPTIONS]


@dataclass
class Asked:
    """A visitor: what Gradio would inject."""

    session_hash: str = "visitor"
    notes: list[str] = field(default_factory=list)
    then: object = None

    def __call__(self, fraction, desc=""):
        self.notes.append(desc)
        if callable(self.then):
            self.then(desc)


def tiny_approach():
    return Approach(
        id="diffusion", title="Diffusion", summary="", about="", family="diffusion",
        load=lambda request: DiffusionUpscaler(Sampler(*networks())), options=DiffusionOptions, tiling=OWN,
    )  # fmt: skip


@pytest.fixture
def handlers():
    approach, store = tiny_approach(), Store()
    yield DiffusionHandlers(Context((approach,), Runner(), store, Stops(), Limits()), approach)
    shutil.rmtree(store.folder)


@pytest.fixture
def photo(tmp_path):
    write_png(image_of(noise(40, 30)), tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_a_click_shows_guesses_their_spread_and_the_steps(handlers, photo):
    visitor = Asked()
    html = handlers.guess(photo, 3, *VALUES, request=visitor, progress=visitor)
    for words in ("Start image", "Guess 1", "Guess 3", "Spread of the guesses", "Step 1: noise 11%", "Step 3"):
        assert words in html
    assert "Guess 4" not in html
    assert html.count("<img") == 1 + 3 + 1 + 2 * 3
    assert any(note == "sample 2 of 3" for note in visitor.notes)


def test_stop_between_steps_ends_it(handlers, photo):
    visitor = Asked(then=lambda note: handlers.halt(visitor) if note == "step 2 of 3" else None)
    html = handlers.guess(photo, 3, *VALUES, request=visitor, progress=visitor)
    assert "Stopped" in html
    assert "step 3 of 3" not in visitor.notes
    assert "Guess 2" in handlers.guess(photo, 2, *VALUES, request=Asked("other"), progress=Asked())


def test_without_an_image_it_says_so(handlers):
    assert "There is no picture yet" in handlers.guess(None, 2, *VALUES, request=Asked(), progress=Asked())


def test_a_catalogue_without_it_has_no_such_tab():
    store = Store()
    assert approach_of(Context((), Runner(), store, Stops(), Limits())) is None
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
