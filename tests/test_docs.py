"""README and docs are true where that can be checked: examples run, commands parse, files exist, lines are short."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import sr_demo
from sr_demo.cli.main import build_parser
from sr_demo.image import encode_png, readonly
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.spec import Request
from tests.conftest import image_of, noise

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = ROOT / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a Markdown page; "" is a block without a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """All lines of code blocks that call the command line."""
    lines = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    return sorted({line.split(" -m sr_demo ", 1)[1] for line in lines if " -m sr_demo " in line})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_lines_have_at_most_120_characters(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    long = [number for number, line in enumerate(lines, 1) if len(line) > 120 and not line.startswith("|")]
    assert not long, f"{page.name}: wrap lines {long}"


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_docs_are_understood(command: str) -> None:
    build_parser().parse_args(shlex.split(command, comments=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:docs|sr_demo|tests)/[\w./-]+\.\w+|[\w-]+\.(?:md|txt|toml))`", text))
    made = {"sr_demo/approaches/nearest.py"}  # the example of docs/adding-an-approach.md
    assert not [name for name in named - made if not (ROOT / name).exists()]


def test_files_in_the_table_of_the_architecture_exist() -> None:
    table = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    named = re.findall(r"`([\w/]+(?:\.\w+|/))`", table)
    assert len(named) > 10
    assert not [name for name in named if not list((ROOT / "sr_demo").glob(f"**/{name}"))]


def test_the_python_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "photo.jpg").write_bytes(encode_png(image_of(noise(24, 20))))  # the content counts, not the name
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks(README, "python") if "import sr_demo" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "photo_rdn.png").is_file()
    assert capsys.readouterr().out.startswith("(48, 40, 3) ")


def test_the_smallest_approach_of_the_docs_works(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks(ROOT / "docs/adding-an-approach.md", "python")
    nearest = ModuleType("nearest")
    monkeypatch.setitem(sys.modules, "nearest", nearest)  # dataclasses look their module up
    exec(compile(example, "nearest.py", "exec"), nearest.__dict__)
    image = readonly(noise(3, 5))
    loaded = nearest.APPROACH.load(Request(nearest.APPROACH.checkpoints[0], (), Options(), "auto", SILENT))
    result = loaded.upscale(image, Options(), SILENT)
    np.testing.assert_allclose(result, image.repeat(4, axis=0).repeat(4, axis=1), atol=1e-6)


def test_the_version_has_one_source_and_an_entry_in_the_changelog() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not re.search(r'^version = "', project, re.MULTILINE), "pyproject.toml reads it from the package"
    assert 'version = { attr = "sr_demo.__version__" }' in project
    latest = re.search(r"^## (\S+) - ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert latest is not None and latest.group(1) == sr_demo.__version__
