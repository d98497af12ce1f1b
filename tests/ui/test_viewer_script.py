"""The viewer's scripts: geometry is unit-tested in Node, types are checked where the TypeScript compiler is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sr_demo.ui.viewer.viewer import viewer

TESTS = Path(__file__).parent / "viewer_geometry.test.mjs"
PROJECT = Path(__file__).resolve().parents[2] / "sr_demo" / "ui" / "jsconfig.json"


def tool(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian's package {package})")
    return path


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_geometry_of_the_viewer() -> None:
    run(tool("node", "nodejs"), "--test", str(TESTS))


def test_the_scripts_have_the_types_that_their_comments_declare() -> None:
    run(tool("tsc", "node-typescript"), "-p", str(PROJECT))


@pytest.mark.usefixtures("gradio_loops")
def test_the_page_gets_geometry_and_viewer_as_one_script_without_imports() -> None:
    script = viewer().js_on_load
    assert script is not None and script.index("const geometry = (") < script.index("const root = ")
    assert not any(line.startswith(("import ", "export ")) for line in script.splitlines())
