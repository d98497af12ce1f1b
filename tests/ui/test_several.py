"""Several photos at once: one zip, bad files named, Stop, and what is refused."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import gradio as gr
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.approaches.baselines import BICUBIC, LANCZOS
from sr_demo.image import Limits, quantize, read, write_png
from sr_demo.imaging.resize import resize
from sr_demo.inference.runner import Runner
from sr_demo.ui.compare import saving
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.several.handlers import SeveralComponents, SeveralHandlers
from sr_demo.ui.several.queue import MOST_PHOTOS
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

REQUEST: Any = SimpleNamespace(session_hash="visitor")
AS_THE_PHOTO = ("same", 95, False, "4x", "")
NASTY = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def context() -> Iterator[PageContext]:
    store = Store()
    yield PageContext((BICUBIC, LANCZOS), Runner(), store, Stops(), Limits())
    shutil.rmtree(store.root)


@pytest.fixture
def parts(gradio_loops: None) -> SeveralComponents:
    with gr.Blocks():
        return SeveralComponents(gr.Button(), gr.Button(), gr.HTML(), gr.HTML(), gr.DownloadButton())


def last(updates: list[dict[Any, Any]], part: Any) -> Any:
    return [update[part] for update in updates if part in update][-1]


def photo(folder: Path, name: str, seed: int = 0) -> str:
    folder.mkdir(exist_ok=True)
    write_png(image_of(noise(72, 80, seed)), folder / name)
    return str(folder / name)


def zipped(updates: list[dict[Any, Any]], parts: SeveralComponents) -> zipfile.ZipFile:
    return zipfile.ZipFile(last(updates, parts.zip).value["path"])


def test_many_photos_one_of_them_broken_make_one_zip(
    context: PageContext, parts: SeveralComponents, tmp_path: Path
) -> None:
    files = [photo(tmp_path / f"folder{number}", "photo.png", number) for number in range(6)]
    broken = tmp_path / NASTY
    broken.write_text("no image at all", encoding="utf-8")
    files = [files[0], str(broken), *files[1:], photo(tmp_path / "last", "other.png", 99)]
    updates = list(SeveralHandlers(context, parts).run(files, ["bicubic"], *AS_THE_PHOTO, REQUEST))
    assert f"7 of 8 photos are enlarged. Some results are missing for: {escape(NASTY)}." in last(updates, parts.line)
    shown = last(updates, parts.photos)
    assert "is not a picture" in shown and escape(NASTY) in shown and "<img src=x" not in shown
    assert shown.count("<figure>") == 8 and shown.count("<img src=") == 2 * 7
    assert last(updates, parts.zip).visible and "7 results" in last(updates, parts.zip).label
    with zipped(updates, parts) as archive:
        names = archive.namelist()
        assert len(set(names)) == 8 and {"photo_bicubic.png", "photo_bicubic_2.png", "other_bicubic.png"} < set(names)
        pixels = cv2.imdecode(np.frombuffer(archive.read("other_bicubic.png"), np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_array_equal(pixels, quantize(resize(read(files[-1]).rgb, (288, 320))))
        report = json.loads(archive.read("photos.json"))["photos"]
    assert [one["state"] for one in report].count("done") == 7 and report[1]["failures"][0].endswith(".")
    assert report[0]["results"][0]["file"] == "photo_bicubic.png" and report[0]["results"][0]["licence"]


def test_several_methods_make_several_results(context: PageContext, parts: SeveralComponents, tmp_path: Path) -> None:
    files = [photo(tmp_path, "a.png")]
    updates = list(SeveralHandlers(context, parts).run(files, ["bicubic", "lanczos"], *AS_THE_PHOTO, REQUEST))
    with zipped(updates, parts) as archive:
        assert set(archive.namelist()) == {"a_bicubic.png", "a_lanczos.png", "photos.json"}


def test_results_are_written_like_each_photo_or_in_the_chosen_format(
    context: PageContext, parts: SeveralComponents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [photo(tmp_path, "a.png"), str(tmp_path / "b.jpg")]
    exif = Pillow.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 0.0, 0.0)}  # position
    exif[0x010F] = "Maker"
    Pillow.fromarray(quantize(noise(40, 48))).save(files[1], exif=exif)
    for settings, names, keeps in (
        (("same", 95, False), {"a_bicubic.png", "b_bicubic.jpg"}, False),
        (("webp", 60, True), {"a_bicubic.webp", "b_bicubic.webp"}, True),
    ):
        updates = list(SeveralHandlers(context, parts).run(files, ["bicubic"], *settings, "4x", "", REQUEST))
        with zipped(updates, parts) as archive:
            assert set(archive.namelist()) == {*names, "photos.json"}
            (of_jpeg,) = (name for name in names if name.startswith("b"))
            with Pillow.open(io.BytesIO(archive.read(of_jpeg))) as result:
                assert result.size == (192, 160) and result.format == of_jpeg.rpartition(".")[2].upper().replace(
                    "JPG", "JPEG"
                )
                found = result.getexif()
                assert found[0x010F] == "Maker" and bool(found.get_ifd(0x8825)) is keeps
    wide = ("png", 95, False, "other", "100 wide", REQUEST)
    with zipped(list(SeveralHandlers(context, parts).run(files[:1], ["bicubic"], *wide)), parts) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".png"))
        with Pillow.open(io.BytesIO(archive.read(name))) as result:
            assert result.width == 100
    updates = list(SeveralHandlers(context, parts).run(files, ["bicubic"], "png", 95, False, "other", "large", REQUEST))
    assert "is no size" in last(updates, parts.line)
    monkeypatch.setattr(saving, "_MOST_WHOLE", 1000)
    updates = list(SeveralHandlers(context, parts).run(files, ["bicubic"], "avif", 60, False, "4x", "", REQUEST))
    assert "0 of 2 photos are enlarged" in last(updates, parts.line)
    assert "AVIF is written here for up to" in last(updates, parts.photos)


def test_stop_keeps_what_is_finished(context: PageContext, parts: SeveralComponents, tmp_path: Path) -> None:
    files = [photo(tmp_path, f"{number}.png", number) for number in range(5)]
    updates: list[dict[Any, Any]] = []
    handlers = SeveralHandlers(context, parts)
    for update in handlers.run(files, ["bicubic"], *AS_THE_PHOTO, REQUEST):
        updates.append(update)
        if "done" in update.get(parts.photos, ""):
            handlers.stop(REQUEST)
    assert "1 of 5 photos are enlarged." in last(updates, parts.line)
    assert last(updates, parts.photos).count(">stopped<") == 4
    with zipped(updates, parts) as archive:
        assert set(archive.namelist()) == {"0_bicubic.png", "photos.json"}


@pytest.mark.parametrize(
    ("count", "methods", "sentence"),
    [
        (0, ["bicubic"], "There are no photos yet"),
        (MOST_PHOTOS + 1, ["bicubic"], "At most 50 photos at once, and these are 51"),
        (1, [], "Choose one method"),
        (1, ["unknown"], "Choose one method"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_runs(
    context: PageContext, parts: SeveralComponents, count: int, methods: list[str], sentence: str
) -> None:
    updates = list(SeveralHandlers(context, parts).run(["gone.png"] * count, methods, *AS_THE_PHOTO, REQUEST))
    assert len(updates) == 1 and sentence in updates[0][parts.line] and updates[0][parts.start].interactive
