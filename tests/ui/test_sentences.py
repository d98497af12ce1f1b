"""Sentences that the code says to a person on the page are translated: found in the code, looked up by the page's script."""

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
    # What only the command line does.
    "approaches.mosaic.batch_search", "approaches.mosaic.build_plan", "approaches.mosaic.database_build",
    "approaches.mosaic.shards", "batch", "benchmarks", "cli", "codecs.npz", "datasets.entries", "deploy.cross_check",
    "deploy.report", "digits.data", "export.int8_forms", "hub.datasets", "hub.fetching", "reports.pairing",
    "system.folders", "system.outputs", "system.ray_cluster", "training",
    # Settings of the server.
    "community.index", "user_models.folder", "settings",
    # What programs send, and what is wrong in code that calls this package.
    "digits.inference", "inference.jobs", "metrics", "spec", "ui.api", "ui.arguments", "ui.clicks", "ui.mcp",
)  # fmt: skip
"""Modules whose sentences no one meets on the page."""
ONLY_FOR_PROGRAMS = (
    "An image array", "The picture could not be written to", "The mosaic takes its own options", "The detail is a number",
    "Metadata is one of", "There is no setting", "There is no option", "There is no captioning model",
    "The chart can be drawn with", "--", "7 cannot be written: 7. Choose another --out", "A file in the format",
    "7 holds no pictures", "7 has 7 x 7 pixels, which does not match", "sr_demo 7",
    "7 7 7 channels",  # made of words that have texts
    # Files that come with this package, or that only a training reads.
    "The graph file 7 does not give", "7 is not a safetensors file, so no graph", "7 holds a 7 network for x, not the",
    "7 and 7 hold networks of different", "The ncnn file", "7 unpacks to 7 GB, and only", "7 is not an .npz file",
    "7 holds more than 7 arrays", "7: 7 says that it is larger",
)  # fmt: skip
"""Beginnings of sentences in the other modules that no one meets on the page."""
NO_WORDS = re.compile(
    r"`[^`]*`|pip install( \S+)+|python -m .*|\w+\.\w+\(.*\)|https?:\S+|/\w+(/\w+)*|\b[A-Z_\d]{3,}\b|\b[GMkd]B\b|astronaut"
)
"""Commands, paths, addresses, units and abbreviations are the same in every language."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "sr_demo").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "sr_demo").with_suffix("").parts).removesuffix(".__init__")
        if not any(name == left or name.startswith(f"{left}.") for left in NOT_ON_THE_PAGE):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def assigned(tree: ast.Module | ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """Return what is assigned to each name in a module or function."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            pairs = [(target, node.value)]  # type: ignore[attr-defined]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):  # type: ignore[attr-defined]
                pairs = list(zip(target.elts, node.value.elts, strict=True))  # type: ignore[attr-defined]
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append(value)
    return found


def variants(node: ast.expr, known: dict[str, list[ast.expr]]) -> list[str]:
    """Return the texts that an expression may be, with 7 for what is not known before it runs."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.JoinedStr(values=values):
            parts = [variants(value, known) for value in values]
            return ["".join(chosen) for chosen in itertools.islice(itertools.product(*parts), 32)]
        case ast.FormattedValue(value=value):
            return variants(value, known)
        case ast.IfExp(body=first, orelse=second):
            return variants(first, known) + variants(second, known)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in variants(left, known) for b in variants(right, known)]
        case ast.Call(func=ast.Name(id="quoted")):
            return ["'7'"]
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in known:
            inner = {other: values for other, values in known.items() if other != name}
            return list(dict.fromkeys(text for value in known[name] for text in variants(value, inner)))
        case _:
            return ["7"]


def whole(text: str) -> str:
    """Leave out values that are sentences of their own, or may be empty."""
    return re.sub(r"(?<=[.!?]) 7$|(?<=[a-z])7", "", text)


def scopes(tree: ast.Module) -> Iterator[tuple[ast.Module | ast.FunctionDef, list[ast.AST]]]:
    """Yield the module and its functions, each with the nodes in it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    yield tree, [node for node in ast.walk(tree) if id(node) not in inside]
    for function in functions:
        yield function, list(ast.walk(function))


def sentences() -> dict[str, str]:
    """Return what the code says, and where."""
    trees = dict(modules())
    found: dict[str, str] = {}
    public = {n: v for tree in trees.values() for n, v in assigned(tree).items() if n.isupper() and n[0] != "_"}
    for name, tree in trees.items():
        own = {n: v for n, v in assigned(tree).items() if n.isupper()}
        for scope, nodes in scopes(tree):
            known = {**public, **own, **assigned(scope)}
            for node in nodes:
                called = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
                if called in SAID and isinstance(node, ast.Call):
                    said = [variants(each, known) for each in node.args[: 2 if called == "Column" else 1]]
                    found |= {whole(text): f"{name}:{node.lineno}" for text in itertools.chain(*said)}
    for path in TEMPLATES.glob("*.html"):
        plain = re.sub(
            r"(?s)<(style|title).*?</\1>|\{% block style.*?endblock %\}|\{[#%].*?[#%]\}",
            "",
            path.read_text(encoding="utf-8"),
        )
        for tag, text in re.findall(r"(<[^>]*>)([^<]+)", re.sub(r"(?s)\{\{.*?\}\}", "7", plain)):
            if "data-text" not in tag:
                found[whole(" ".join(text.split()))] = path.name
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
    return [
        text for text, result in zip(said, shown, strict=True) if re.search(r"[A-Za-z]{2}", NO_WORDS.sub("", result))
    ]


@pytest.mark.slow
def test_what_the_code_says_on_the_page_is_translated() -> None:
    said = {text: place for text, place in sentences().items() if not text.startswith(ONLY_FOR_PROGRAMS)}
    assert len(said) > 300
    assert [f"{said[text]} {text}" for text in left_in_english(list(said))] == []


@pytest.mark.parametrize(
    ("language", "shown"),
    [("de", "1\u202f000\u202f000"), ("fr", "1\u202f000\u202f000"), ("ja", "1,000,000"), ("zh-CN", "1,000,000")],
)
def test_the_digits_of_a_number_are_grouped_as_the_language_does(language: str, shown: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (Debian's package nodejs)")
    held = json.dumps({name: {"page": texts(name)} for name in ("en", language)})
    code = (
        f"globalThis.window = {{ gradio_config: {{ i18n_translations: {held} }} }};\n"
        f'globalThis.location = {{ search: "?lang={language}" }};\n'
        f'{languages.with_texts("")}\nconsole.log(word("The width must be from 1 to 1,000,000 pixels, not 5."));\n'
    )
    done = subprocess.run([node, "-"], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout and "must" not in done.stdout
