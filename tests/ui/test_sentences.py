"""Sentences that the code says to a person on the page are translated: found in the code, looked up by the page's own script."""

from __future__ import annotations

import ast
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_demo import errors
from sr_demo.ui import languages
from sr_demo.ui.languages import texts

ROOT = Path(languages.__file__).resolve().parents[3]
TEMPLATES = ROOT / "sr_demo" / "reports" / "templates"
ENGLISH = texts("en")
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.SRError)}
SAID = ERRORS | {"Reason", "Column", "problem", "fine_print", "progress_line", "word"}
"""What is called with sentences; every argument that is a text counts."""
NOT_ON_THE_PAGE = (
    "advice.command", "batch", "benchmarks", "cli", "training", "datasets.entries", "digits.data",
    # Folders and files that only the command line is given, and settings of the server.
    "codecs.npz", "reports.pairing", "settings", "system.folders", "system.outputs", "community.index",
    # What programs send, and what is wrong in code that calls this package.
    "ui.api", "ui.arguments", "ui.clicks", "ui.mcp", "metrics", "own.onnx_format", "backends.ncnn",
    "approaches.mosaic.shards", "approaches.mosaic.build_plan", "approaches.mosaic.batch_search",
)  # fmt: skip
"""Modules whose sentences no one meets on the page."""
ONLY_FOR_PROGRAMS = ()
"""Beginnings of sentences in the other modules that no one meets on the page."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "sr_demo").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "sr_demo").with_suffix("").parts).removesuffix(".__init__")
        if not any(name == left or name.startswith(f"{left}.") for left in NOT_ON_THE_PAGE):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def constants(trees: dict[str, ast.Module]) -> dict[str, ast.expr]:
    """Return the values of all names in capitals that modules assign a text to."""
    return {
        target.id: node.value
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }


def variants(node: ast.expr, known: dict[str, ast.expr]) -> list[str]:
    """Return the texts that an expression may be, with 7 for what is not known before it runs."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.JoinedStr(values=values):
            parts = [variants(value, known) for value in values]
            return ["".join(chosen) for chosen in itertools.islice(itertools.product(*parts), 16)]
        case ast.FormattedValue(value=value):
            return variants(value, known)
        case ast.IfExp(body=first, orelse=second):
            return variants(first, known) + variants(second, known)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in variants(left, known) for b in variants(right, known)]
        case ast.Name(id=name) if name in known and isinstance(known[name], ast.Constant | ast.JoinedStr):
            return variants(known[name], {})
        case _:
            return ["7"]


def sentences() -> dict[str, str]:
    """Return what the code says, and where."""
    trees = dict(modules())
    known = constants(trees)
    found: dict[str, str] = {}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if called not in SAID or not isinstance(node, ast.Call):
                continue
            for argument in node.args[: 2 if called == "Column" else 1]:
                found |= {text: f"{name}:{node.lineno}" for text in variants(argument, known)}
    for path in TEMPLATES.glob("*.html"):
        plain = re.sub(r"(?s)<style.*?</style>|\{[#%].*?[#%]\}", "<br>", path.read_text(encoding="utf-8"))
        for tag, text in re.findall(r"(<[^>]*>)([^<]+)", re.sub(r"(?s)\{\{.*?\}\}", "7", plain)):
            if "data-text" not in tag:
                found[" ".join(text.split())] = path.name
    return found


def left_in_english(said: list[str]) -> list[str]:
    """Return those of `said` that `word` of `text.js` does not translate as a whole.

    In the language that it translates to here, a text is nothing but the values in it.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (Debian's package nodejs)")
    nothing = {key: "".join(re.findall(r"\{\w+\}", value)) for key, value in ENGLISH.items()}
    held = json.dumps({"en": {"page": ENGLISH}, "xx": {"page": nothing}})
    code = (
        f"globalThis.window = {{ gradio_config: {{ i18n_translations: {held} }} }};\n"
        'globalThis.location = { search: "?lang=xx" };\n'
        f"{languages.with_texts('')}\nconsole.log(JSON.stringify({json.dumps(said)}.map(word)));\n"
    )
    done = subprocess.run([node, "-"], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    return [text for text, result in zip(said, shown, strict=True) if re.search(r"[A-Za-z]{2}", result)]


def test_what_the_code_says_on_the_page_is_translated() -> None:
    said = {text: place for text, place in sentences().items() if not text.startswith(ONLY_FOR_PROGRAMS)}
    assert len(said) > 300
    assert [f"{said[text]} {text}" for text in left_in_english(list(said))] == []
