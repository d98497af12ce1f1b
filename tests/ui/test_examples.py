"""The examples never prevent the page from starting."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_demo.imaging import samples
from sr_demo.imaging.samples import EXAMPLES, SAMPLES, write_sample
from sr_demo.settings import Settings
from sr_demo.ui import examples, page
from sr_demo.ui.store import Store
from tests.conftest import flip_bit


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    examples._button.cache_clear()
    yield
    examples._button.cache_clear()


def shown() -> int:
    return str(examples.examples().value).count("<button")


def test_a_damaged_cached_example_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    path = write_sample(SAMPLES[0], tmp_path / "samples")
    whole = path.read_bytes()
    flip_bit(path)
    assert examples.sample_file(SAMPLES[0]) == path and path.read_bytes() == whole


def test_gradio_may_take_the_examples_from_where_they_lie() -> None:
    store = Store()
    assert str(examples.sample_file(SAMPLES[0]).parent) in page.launch_arguments(store, Settings())["allowed_paths"]
    shutil.rmtree(store.folder)


def test_an_example_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    real = samples.read

    def read(path: Path) -> object:
        if path.name == "chelsea.png":  # damaged where scikit-image was installed
            path = tmp_path / "chelsea.png"
            path.write_bytes(b"\x89PNG\r\n\x1a\n half")
        return real(path)

    monkeypatch.setattr(samples, "read", read)
    for _ in range(2):
        assert shown() == len(EXAMPLES) - 1
    assert [record.getMessage()[:33] for record in caplog.records] == ["the example 'cat' is left out: ch"]


def test_all_examples_are_shown_where_no_disk_takes_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "uploads"))
    assert shown() == len(EXAMPLES)
