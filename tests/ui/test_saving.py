"""Results are saved in the chosen format, from the files of a comparison and from nothing else."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image as Pillow

from sr_demo.errors import BadInput
from sr_demo.image import Limits, Output, quantize, read, write_png
from sr_demo.inference.runner import Runner
from sr_demo.ui.compare import save_menu
from sr_demo.ui.compare import saving as savings
from sr_demo.ui.compare.save_menu import SaveHandlers, SaveMenu
from sr_demo.ui.compare.saving import ZIP, Saving
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.uploads import UploadCache
from tests import fakes
from tests.conftest import image_of, noise

LIMITS = Limits()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    store = Store()
    store.lend_to_gradio()
    return store


@pytest.fixture
def upload(store: Store) -> Path:
    """A JPEG with a position, a serial number and a date."""
    data = Pillow.Exif()
    data[0x0132] = "2020:01:02 03:04:05"
    data.get_ifd(0x8769).update({0xA431: "SN-4711"})
    data.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0)})
    Pillow.fromarray(quantize(noise(24, 32))).save(store.root / "photo.jpg", exif=data)
    return store.root / "photo.jpg"


@pytest.fixture
def uploads() -> UploadCache:
    return UploadCache()


@pytest.fixture
def result(store: Store, uploads: UploadCache, upload: Path) -> Path:
    """The result of a method, as a comparison writes it, and its zip."""
    folder = store.new()
    uploads.remember(folder, upload)
    write_png(uploads.read(upload, LIMITS), folder / "rdn.png")
    with zipfile.ZipFile(folder / ZIP, "w") as archive:
        archive.write(folder / "rdn.png", "rdn.png")
        archive.writestr("report.html", '<img src="rdn.png" alt="rdn.png">')
        archive.writestr("report.json", "{}")
    return folder / "rdn.png"


def save_handlers(store: Store, uploads: UploadCache) -> tuple[SaveHandlers, SaveMenu]:
    """The handlers of the menu, and its components."""
    context = PageContext([fakes.good()], Runner(), store, Stops(), Limits(), uploads=uploads)
    with gr.Blocks():
        menu = save_menu.lay_out()
    return SaveHandlers(Saving(store, uploads, LIMITS), context, menu), menu


def gps(path: Path) -> dict[int, object]:
    return dict(tags(path).get_ifd(0x8825))


def tags(path: Path) -> Pillow.Exif:
    with Pillow.open(path) as image:
        return image.getexif()


def test_uploads_are_read_without_what_is_private_and_say_so(uploads: UploadCache, upload: Path) -> None:
    image = uploads.read(upload, LIMITS)
    assert image.notes == ("Results leave out its GPS position and serial numbers.",)
    assert image.metadata.exif is not None and b"SN-4711" not in image.metadata.exif
    assert b"SN-4711" in (uploads.metadata(upload, LIMITS).exif or b"")


def test_private_data_are_kept_only_on_request(store: Store, uploads: UploadCache, result: Path) -> None:
    saving = Saving(store, uploads, LIMITS)
    assert saving.private(result) == ("GPS position", "serial numbers") and saving.kind(result) == "JPEG"
    assert gps(result) == {}
    without = saving.encode(saving.result(str(result)), Output("jpeg", 80, metadata="public"))
    assert without.written.removed == ("GPS position", "serial numbers")
    assert gps(without.path) == {} and tags(without.path)[0x0132] == "2020:01:02 03:04:05"
    kept = saving.encode(result, Output("avif", metadata="all"))
    assert gps(kept.path)[2] == (47.0, 30.0, 0.0) and kept.written.removed == ()


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "avif", "tiff"])
def test_a_size_for_print_has_its_resolution_in_every_format(
    store: Store, uploads: UploadCache, result: Path, name: Any
) -> None:
    image = read(result)
    write_png(replace(image, metadata=replace(image.metadata, dpi=(300, 300))), result)
    saved = Saving(store, uploads, LIMITS).encode(result, Output(name, metadata="all"))
    found = read(saved.path).metadata
    assert found.dpi == pytest.approx((300, 300), abs=0.01)
    assert found.exif is not None and b"SN-4711" in found.exif, "all else is that of the photo"


def test_a_photo_that_is_gone_leaves_what_the_result_has(
    store: Store, uploads: UploadCache, result: Path, upload: Path
) -> None:
    upload.unlink()
    saved = Saving(store, uploads, LIMITS).encode(result, Output("webp", metadata="all"))
    assert gps(saved.path) == {} and saved.written.kept == ("EXIF",)


def test_a_zip_holds_the_images_in_the_chosen_format_and_the_reports(
    store: Store, uploads: UploadCache, result: Path
) -> None:
    seen: list[tuple[int, int]] = []
    packed = Saving(store, uploads, LIMITS).pack(result, Output("jpeg"), lambda *at: seen.append(at))
    archive = zipfile.ZipFile(packed)
    assert sorted(archive.namelist()) == ["rdn.jpg", "report.html", "report.json"] and seen == [(0, 1)]
    assert archive.read("report.html") == b'<img src="rdn.jpg" alt="rdn.png">'
    assert [path.name for path in packed.parent.iterdir()] == [ZIP]


def test_other_files_and_results_that_are_gone_are_refused(
    store: Store, uploads: UploadCache, upload: Path, result: Path
) -> None:
    saving = Saving(store, uploads, LIMITS)
    (store.root / "own.png").write_bytes(result.read_bytes())
    for path in (upload, store.root / "own.png", Path("/etc/passwd"), result.with_name("gone.png"), Path("")):
        with pytest.raises(BadInput, match="no longer kept here"):
            saving.result(str(path))


def test_what_takes_too_long_is_refused(
    store: Store, uploads: UploadCache, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(savings, "_MOST_WHOLE", 700)
    saving = Saving(store, uploads, LIMITS)
    with pytest.raises(BadInput, match="WebP is written here for up to 0 megapixels"):
        saving.encode(result, Output("webp"))
    assert read(saving.encode(result, Output("tiff")).path).rgb.shape == (24, 32, 3)
    large = store.new() / "large.png"
    write_png(image_of(noise(30, 30)), large)
    assert saving.kind(large) is None and saving.private(large) == ()


def test_nothing_can_be_saved_until_the_chosen_format_is_encoded(
    store: Store, uploads: UploadCache, result: Path, gradio_loops: None
) -> None:
    handlers, menu = save_handlers(store, uploads)
    pressed: Any = SimpleNamespace(url=f"gradio_api/file={result}", label="RDN")
    opened = handlers.open(pressed)
    assert opened[menu.result] == str(result) and not opened[menu.file].interactive
    assert handlers.prepare(str(result), "png", "8", 90, False)[menu.file].interactive
    assert not handlers.choose_format("jpeg")[menu.file].interactive


def test_a_file_that_was_selected_before_is_never_offered(
    store: Store, uploads: UploadCache, result: Path, gradio_loops: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = PageContext([fakes.good()], Runner(), store, Stops(), Limits(), uploads=uploads)
    with gr.Blocks() as page:
        menu, view = save_menu.lay_out(), gr.HTML()
        save_menu.connect(context, menu, view)
    starting = [fn for fn in page.fns.values() if any(target[0] is not None for target in fn.targets)]
    named = {getattr(fn.fn, "__name__", "") for fn in starting if menu.file in fn.outputs}
    assert {"open", "choose_format", "withdraw"} <= named and "prepare" not in named, "first it is withdrawn"

    handlers = SaveHandlers(Saving(store, uploads, LIMITS), context, menu)
    pressed: Any = SimpleNamespace(url=f"gradio_api/file={result}", label="RDN")
    encode = Saving.encode
    for other in (handlers.withdraw, lambda: handlers.choose_format("webp"), lambda: handlers.open(pressed)):

        def meanwhile(*arguments: Any, other: Any = other) -> Any:
            assert not other()[menu.file].interactive
            return encode(*arguments)

        monkeypatch.setattr(Saving, "encode", meanwhile)
        assert menu.file not in handlers.prepare(str(result), "jpeg", "8", 90, True)
    monkeypatch.setattr(Saving, "encode", encode)
    assert handlers.prepare(str(result), "jpeg", "8", 90, False)[menu.file].interactive


def test_a_zip_that_is_still_packed_is_not_offered_for_what_was_chosen_after_it(
    store: Store, uploads: UploadCache, result: Path, gradio_loops: None
) -> None:
    handlers, menu = save_handlers(store, uploads)
    asked: Any = SimpleNamespace(session_hash="me")
    pressed: Any = SimpleNamespace(url=f"gradio_api/file={result}", label="RDN")

    def packs() -> Any:
        return handlers.pack(str(result), "jpeg", "8", 90, False, asked)

    *_, last = packs()
    assert last[menu.packed].visible
    for other in (
        lambda: handlers.withdraw(asked),
        lambda: handlers.choose_format("webp", asked),
        lambda: handlers.open(pressed, asked),
    ):
        packing = packs()
        assert not next(packing)[menu.pack].interactive and next(packing)[menu.about]
        assert other()[menu.pack].interactive, "the next zip can be packed at once"
        left = list(packing)
        assert left and all(update == gr.skip() for update in left), "Gradio sends the last one again"


def test_a_result_that_is_deleted_while_it_is_encoded_is_said_to_be_gone(
    store: Store, uploads: UploadCache, result: Path, gradio_loops: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, menu = save_handlers(store, uploads)
    encode = Saving.encode

    def then_deleted(*arguments: Any) -> Any:
        saved = encode(*arguments)
        result.unlink()
        return saved

    monkeypatch.setattr(Saving, "encode", then_deleted)
    shown = handlers.prepare(str(result), "jpeg", "8", 90, False)
    assert "no longer kept here" in shown[menu.about] and not shown[menu.file].interactive
