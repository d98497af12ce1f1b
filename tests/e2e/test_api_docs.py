"""The examples in docs/api.md work as they stand, but for the port."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import write_png
from sr_demo.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import noise, picture_of
from tests.e2e.conftest import Serve

DOCS = Path(__file__).resolve().parents[2] / "docs/api.md"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", autouse=True)
def _loops() -> Iterator[None]:
    """Gradio and its client make event loops that nobody closes, which warns in whatever test they go."""
    made: list[asyncio.AbstractEventLoop] = []
    real = asyncio.new_event_loop

    def new() -> asyncio.AbstractEventLoop:
        made.append(real())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


@pytest.fixture(scope="module")
def address(serve: Serve, _loops: None) -> str:
    store, settings = Store(), Settings()
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    return serve(pages.build((BICUBIC,), Runner(), store, settings), **arguments).rstrip("/")


def example(language: str, address: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found.group(1).replace("http://127.0.0.1:7860", address)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_png(picture_of(noise(24, 32)), tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(address: str, folder: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(example("python", address), "docs/api.md", "exec"), {})  # our own documentation
    assert ".png 128 96 " in said.getvalue() and said.getvalue().rstrip().endswith("fits")


def test_curl(address: str, folder: Path) -> None:
    done = subprocess.run(["bash", "-ec", example("sh", address)], capture_output=True, text=True, timeout=120)
    assert "event: complete" in done.stdout, done.stderr
    assert '"width": 128' in done.stdout and "http" in done.stdout
