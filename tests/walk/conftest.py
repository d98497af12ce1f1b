"""The files that are walked, and the server that two of the doors lead to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import _clients_closed, _loops_closed, browser, open_page, serve  # noqa: F401 - fixtures
from tests.walk.table import Case

SHARED = Path(os.environ.get("SR_DEMO_SHARED_DATA", Path(__file__).parents[2] / "../shared/data")).resolve()

Locate = Callable[[Case], Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the made files; `manifest.json` lies beside it."""
    tool = SHARED.parent / "tools" / "make_hostile.py"
    if not tool.is_file():
        pytest.skip(f"no {tool} (set SR_DEMO_SHARED_DATA)")
    folder = tmp_path_factory.mktemp("hostile") / "made"
    subprocess.run([sys.executable, tool, folder, folder.parent / "manifest.json"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def manifest(made: Path) -> dict[str, str]:
    """Name of a made file -> "ok", "refuse", "any" or "bomb"."""
    return {entry["name"]: entry["expect"] for entry in json.loads((made.parent / "manifest.json").read_text())}


@pytest.fixture(scope="session")
def locate(request: pytest.FixtureRequest) -> Locate:
    """`locate(case) -> path`, or a skip that says why there is none."""

    def find(case: Case) -> Path:
        folder: Path = request.getfixturevalue("made") if case.folder == "made" else SHARED / case.folder
        if not folder.is_dir():
            pytest.skip(f"there is no {folder} (set SR_DEMO_SHARED_DATA)")
        return folder / case.name

    return find
