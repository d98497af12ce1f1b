"""The examples in docs/api.md work as they stand, but for the port."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import Size, write_png
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import api
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import noise, picture_of
from tests.e2e.conftest import Serve

DOCS = Path(__file__).resolve().parents[2] / "docs/api.md"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def address(serve: Serve) -> Iterator[str]:
    store, settings = Store(), Settings()
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    with pytest.MonkeyPatch.context() as patch:
        plan = replace(api.PLAN, sizes=(Size(64, 64),), seconds=0.1)  # the same with fewer repetitions
        patch.setattr(api, "PLAN", plan)
        yield serve(pages.build_page((BICUBIC,), Runner(), store, settings), **arguments).rstrip("/")


def example(language: str, about: str, address: str) -> str:
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL) if about in text]
    assert len(found) == 1
    return found[0].replace("http://127.0.0.1:7860", address)


def run(program: str) -> str:
    """What it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, "docs/api.md", "exec"), {})  # our own documentation
    return said.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_png(picture_of(noise(24, 32)), tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(address: str, folder: Path) -> None:
    said = run(example("python", "gradio_client", address))
    assert ".png 128 96 " in said and said.rstrip().endswith("fits")


def test_curl(address: str, folder: Path) -> None:
    done = shell(example("sh", "/call/upscale", address))
    assert "event: complete" in done.stdout, done.stderr
    assert '"width": 128' in done.stdout and "http" in done.stdout


def test_curl_asks_for_a_verdict(address: str, folder: Path) -> None:
    done = shell(example("sh", "/call/deploy", address))
    assert "event: complete" in done.stdout, done.stderr
    report = json.loads(done.stdout.split("data: ", 1)[1].splitlines()[0])[0]
    assert report["approaches"][0]["approach"] == "bicubic" and report["approaches"][0]["verdict"]["level"] == "fits"
    assert report["budget"]["seconds"] == 2


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=120)
