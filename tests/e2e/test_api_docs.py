"""The examples in docs/api.md work as they stand, but for the port."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
from pathlib import Path

import pytest

from sr_demo.image import write_png
from tests.conftest import image_of, noise
from tests.e2e.launched import Server

DOCS = Path(__file__).resolve().parents[2] / "docs/api.md"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def address(api_server: Server, short_plan: None) -> str:
    return api_server.url


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
    write_png(image_of(noise(24, 32)), tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_python(address: str, folder: Path) -> None:
    said = run(example("python", "gradio_client", address))
    assert ".png 128 96 " in said and said.rstrip().endswith("fits")


def test_curl(address: str, folder: Path) -> None:
    done = shell(example("sh", "/call/upscale", address))
    assert "event: complete" in done.stdout, done.stderr
    assert '"width": 128' in done.stdout and "http" in done.stdout


@pytest.mark.slow
def test_curl_asks_for_a_verdict(address: str, folder: Path) -> None:
    done = shell(example("sh", "/call/deploy", address))
    assert "event: complete" in done.stdout, done.stderr
    report = json.loads(done.stdout.split("event: complete\ndata: ", 1)[1].splitlines()[0])[0]
    assert report["approaches"][0]["approach"] == "bicubic" and report["approaches"][0]["verdict"]["level"] == "fits"
    assert report["budget"]["seconds"] == 2


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=120)
