"""Paths in requests: only the upload folder is accepted, at any depth of a value."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from sr_demo.errors import BadInput
from sr_demo.ui import request_validation, source


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uploads"
    (folder / "hash").mkdir(parents=True)
    (folder / "hash" / "photo.png").write_bytes(b"photo")
    (tmp_path / "private.png").write_bytes(b"private")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def test_uploads_are_admitted_and_marked_so_that_gradio_checks_them_too(uploads: Path) -> None:
    value: Any = [{"image": {"path": str(uploads / "hash" / "photo.png")}}, "text", None, 3]
    assert not request_validation.check_paths(value)
    assert value[0]["image"]["meta"] == {"_type": "gradio.FileData"}
    assert request_validation.check_paths({"path": "https://example.org/photo.png"})


def test_an_upload_folder_behind_a_link_is_the_folder(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = uploads.with_name("link")
    link.symlink_to(uploads)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(link))
    assert (
        request_validation.upload_path(str(link / "hash" / "photo.png")) == (uploads / "hash" / "photo.png").resolve()
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../private.png",
        "hash/../../private.png",
        "hash",
        "hash/gone.png",
        "x\0",
        "a" * 100_000,
        "../uploads2",
        "~",
    ],
)
def test_every_other_path_is_refused_with_the_same_sentence(uploads: Path, path: str) -> None:
    for given in (f"{uploads}/{path}", path):
        for check in (request_validation.upload_path, lambda p: request_validation.check_paths([[{"a": {"path": p}}]])):
            with pytest.raises(BadInput) as caught:
                check(given)
            assert str(caught.value) == request_validation.NOT_UPLOADED


def test_file_components_check_paths_too(uploads: Path) -> None:
    image, files = source.image_input(), source.files_input()
    data: Any = image.data_model
    listed: Any = files.data_model
    good, bad = str(uploads / "hash" / "photo.png"), str(uploads.parent / "private.png")
    mark = {"meta": {"_type": "gradio.FileData"}}
    assert image.preprocess(data(path=good)) == good
    assert files.preprocess(listed(root=[{"path": good, **mark}])) == [good]
    for component, payload in ((image, data(path=bad)), (files, listed(root=[{"path": bad, **mark}]))):
        with pytest.raises(BadInput):
            component.preprocess(payload)


@pytest.mark.usefixtures("gradio_loops")
def test_an_upload_stays_untouched_in_a_component_that_gradio_made_anew(uploads: Path, tmp_path: Path) -> None:
    """Gradio replaces a component of the session where an event updates it without a value: see `gr.skip`."""
    got: list[object] = []
    with gr.Blocks() as page:
        image = source.image_input()
        skip, take = gr.Button(), gr.Button()
        skip.click(lambda: gr.skip(), None, image)
        take.click(got.append, image, None)
    request_validation.validate_requests(page, 1000)
    state = SessionState(page)
    skipping, taking = page.fns.values()
    good = str(uploads / "hash" / "photo.png")
    with ThreadPoolExecutor(1) as pool:  # where browser tests ran before in this process, this thread has an event loop
        for fn, inputs in ((skipping, []), (taking, [{"path": good, "meta": {"_type": "gradio.FileData"}}])):
            pool.submit(asyncio.run, page.process_api(fn, inputs, state)).result()
    assert state[image._id] is not image and got == [good]


def test_deep_values_do_not_exhaust_the_stack() -> None:
    value: Any = "end"
    for _ in range(100_000):
        value = [value]
    assert not request_validation.check_paths(value)
