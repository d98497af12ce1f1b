"""Whatever the project imports is declared in a requirements file."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = [ROOT / "sr_demo", ROOT / "app.py"]
OURS = {"sr_demo", "app", "tests", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
FOREIGN = {"SUPIR", "omegaconf"}
"""Imported by the worker that runs inside a user's own checkout of SUPIR, in that checkout's Python."""


def declared(*files: str) -> set[str]:
    """Names of the distributions in these requirements files, normalized (PEP 503)."""
    lines = (line for file in files for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("#", "-r")))
    return {normalized(match.group(0)) for match in found if match}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(places: list[Path]) -> dict[str, Path]:
    """Top-level modules imported below `places` that are neither ours nor Python's, each with one file that imports it."""
    found: dict[str, Path] = {}
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                found |= {name.split(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | OURS | FOREIGN}


ALL = ("requirements.txt", *(path.name for path in ROOT.glob("requirements-*.txt")))


@pytest.mark.parametrize(
    ("places", "files"),
    [(RUNTIME, tuple(f for f in ALL if f != "requirements-dev.txt")), ([ROOT / "tests"], ALL)],
    ids=["package", "tests"],
)
def test_every_imported_package_is_declared(places: list[Path], files: tuple[str, ...]) -> None:
    distributions = packages_distributions()
    names = declared(*files)
    missing = {
        module: str(path.relative_to(ROOT))
        for module, path in imported(places).items()
        if not {normalized(d) for d in distributions.get(module, [module])} & names
    }
    assert not missing, f"imported and in none of {', '.join(files)}: {missing}"
