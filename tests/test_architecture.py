"""The house rules that can be checked by reading the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sr_demo"

MAP = ROOT / "docs" / "architecture.md"


def floors() -> dict[str, int]:
    """Floor of each module or folder of the package, as the map in docs/architecture.md has it."""
    found: dict[str, int] = {}
    for floor, names in re.findall(r"^ ?(\d+)  (\S+(?: \S+)*)", MAP.read_text(encoding="utf-8"), re.MULTILINE):
        found |= {name: int(floor) for name in names.split()}
    return found


FLOORS = floors()


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def top_folder(path: Path) -> str:
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


def top_folders(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("sr_demo.") and name.split(".")[1] in FLOORS}


def test_the_map_names_every_folder_and_module_and_nothing_else() -> None:
    there = {top_folder(path) for path in modules()} - {"__init__"}
    assert set(FLOORS) == there


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = top_folder(path)
    if here == "__init__":
        return
    upward = {other for other in top_folders(imported(path)) if FLOORS[other] > FLOORS[here]}
    assert not upward, f"{path.name} is on floor {FLOORS[here]} and imports {upward}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_page_knows_gradio_and_only_training_trains(path: Path) -> None:
    names = imported(path)
    if top_folder(path) != "ui":
        assert not any(name.split(".")[0] == "gradio" for name in names)
    if top_folder(path) not in {"training", "cli"}:
        assert "training" not in top_folders(names)


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


@pytest.mark.parametrize("module", ["sr_demo.catalogue", "sr_demo.inference.runner"])
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
    assert done.stdout.split() == ["[]", "sr_demo.ui.gradio_stubs"], (
        "Gradio would rewrite its type stubs at every start"
    )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_exception_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path.name}:{node.lineno} catches everything, even Ctrl-C"
            broad = isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            assert not (broad and isinstance(node.body[0], ast.Pass)), f"{path.name}:{node.lineno} swallows bugs"
