"""The house rules that can be checked by reading the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sr_demo"

# Rooms and their floors, as docs/decisions.md draws them. A module may import from its own floor or below.
FLOORS = {
    "archives": 0,
    "errors": 0, "options": 0, "progress": 0, "image": 0, "codecs": 0, "settings": 0, "storage": 0, "timings": 0,
    "scratch": 0, "large_array": 0, "need": 2,
    "spec": 1, "tiling": 1, "resize": 1, "degrade": 1, "metrics": 1, "niqe": 1, "stacks": 1, "torch_runtime": 1, "memory": 1,
    "openvino_runtime": 1, "engines": 1, "quantising": 1, "ray_runtime": 1, "enlarging": 2, "kept": 2, "captions": 2,
    "spandrel_loader": 1, "chart": 1, "resolution": 1, "samples": 1, "networks": 1, "diffusion": 1,
    "approaches": 2, "weights": 2, "download": 2, "download_set": 2, "download_repository": 2, "machine": 1, "pipelines": 2,
    "catalogue": 3, "estimates": 3, "digits": 3,
    "jobs": 3, "int8": 3, "runner": 4,
    "reports": 5, "training": 5,
    "ui": 6, "cli": 6, "commands": 6, "__main__": 6,
}  # fmt: skip
UPWARD_LATE = {
    # Commands import the catalogue and the runner when they are called, so that `--help` is instant.
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Dotted names of everything `path` imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("sr_demo.") and name.split(".")[1] in FLOORS}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in FLOORS, f"{here} has no floor: add it to FLOORS"
    upward = {other for other in rooms_of(imported(path)) if FLOORS[other] > FLOORS[here]}
    assert not upward, f"{path.name} is on floor {FLOORS[here]} and imports {upward}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_page_knows_gradio_and_only_training_trains(path: Path) -> None:
    names = imported(path)
    if room(path) != "ui":
        assert not any(name.split(".")[0] == "gradio" for name in names)
    if room(path) not in {"training", "cli"}:
        assert "training" not in rooms_of(names)


def test_approaches_do_not_know_each_other() -> None:
    folder = PACKAGE / "approaches"
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).with_suffix("").parts[0]
        others = {
            name.split(".")[2]
            for name in imported(path)
            if name.startswith("sr_demo.approaches.") and name.count(".") >= 2
        }
        assert others <= {own}, f"{path} imports {others - {own}}"


def test_every_approach_file_is_in_the_catalogue() -> None:
    listed = {n.split(".")[2] for n in imported(PACKAGE / "catalogue.py") if n.startswith("sr_demo.approaches.")}
    there = {
        p.stem if p.is_file() else p.name for p in (PACKAGE / "approaches").iterdir() if not p.name.startswith("_")
    }
    assert there == listed


@pytest.mark.parametrize("module", ["sr_demo.catalogue", "sr_demo.runner"])
def test_importing_is_cheap(module: str) -> None:
    heavy = ["torch", "spandrel", "faiss", "diffusers", "gradio", "skimage"]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_is_built_without_heavy_imports() -> None:
    """Importing them takes longer than everything else until the page is served."""
    heavy = ["torch", "spandrel", "faiss", "diffusers", "skimage", "openvino", "ray"]
    code = f"""if True:
        import sys, app, gradio.component_meta as meta
        print([name for name in {heavy!r} if name in sys.modules], meta.create_or_modify_pyi.__module__)
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "sr_demo.ui.stubs"], "Gradio would rewrite its type stubs at every start"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_exception_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path.name}:{node.lineno} catches everything, even Ctrl-C"
            broad = isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            assert not (broad and isinstance(node.body[0], ast.Pass)), f"{path.name}:{node.lineno} swallows bugs"
