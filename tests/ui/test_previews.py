"""Every tab shows an upload, also of a kind that browsers cannot show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image as Pillow

from sr_demo.catalogue import APPROACHES
from sr_demo.image import Limits, quantize, read
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page, previews
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.previews import visible
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes
from tests.conftest import noise


@pytest.fixture
def context() -> Iterator[PageContext]:
    store = Store()
    yield PageContext((fakes.good(),), Runner(), store, Stops(), Limits())
    shutil.rmtree(store.root)


def test_a_tiff_gets_a_preview_and_what_browsers_show_stays(context: PageContext, tmp_path: Path) -> None:
    image = Pillow.fromarray(quantize(noise(24, 32)))
    for name in ("photo.tif", "photo.png", "photo.jpg", "photo.webp"):
        image.save(tmp_path / name)
    shown = read(Path(visible(str(tmp_path / "photo.tif"), context)))
    assert (quantize(shown.rgb) == quantize(noise(24, 32))).all()
    (tmp_path / "damaged.tif").write_bytes((tmp_path / "photo.tif").read_bytes()[:20])
    (tmp_path / "text.tif").write_text("no photo")
    for name in ("photo.png", "photo.jpg", "photo.webp", "damaged.tif", "text.tif", "gone.tif"):
        assert visible(str(tmp_path / name), context) == gr.skip()
    assert visible(None, context) == gr.skip()


@pytest.mark.usefixtures("gradio_loops")
def test_a_late_preview_leaves_the_image_that_replaced_its_upload(
    context: PageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gr.Blocks() as built:
        image = gr.Image(elem_id="box")
        previews.connect_preview(image, context, gr.HTML())
    replaced, by_example, show = (fn.fn for fn in built.fns.values() if fn.fn)
    anna: Any = SimpleNamespace(session_hash="anna")
    bert: Any = SimpleNamespace(session_hash="bert")
    cases = (
        (lambda: None, True),
        (lambda: replaced(bert), True),
        (lambda: replaced(anna), False),
        (lambda: by_example(anna), False),
        (lambda: context.stops.begin("preview box anna") and None, False),
    )
    for meanwhile, shown in cases:
        monkeypatch.setattr(previews, "visible", lambda path, _, meanwhile=meanwhile: meanwhile() or path)
        assert (show("photo.tif", anna) == "photo.tif") is shown
    (upload,) = (fn for fn in built.fns.values() if fn.fn is show)
    assert upload.trigger_mode == "multiple", "a second upload would be dropped"


@pytest.mark.usefixtures("gradio_loops")
def test_every_box_for_a_photo_shows_it() -> None:
    built = page.build_page(APPROACHES, Runner(), Store(), Settings())
    boxes = {
        key for key, block in built.blocks.items()
        if isinstance(block, gr.Image) and "preprocess" in vars(block) and block.elem_id  # those of the API have none
    }  # fmt: skip
    targets = [(key, event, fn) for fn in built.fns.values() for key, event in fn.targets if key is not None]
    shown = {key for key, event, fn in targets if event == "upload" and built.blocks[key] in fn.outputs}
    assert boxes and boxes <= shown
