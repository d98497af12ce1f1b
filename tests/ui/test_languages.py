"""The texts of the page: the same keys in every language, all of them used, and all that the code uses are there."""

from __future__ import annotations

import ast
import json
import re
from contextvars import copy_context
from copy import deepcopy
from html import unescape
from pathlib import Path

import gradio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from sr_demo.catalogue import APPROACHES
from sr_demo.digits.options import Art, Fit
from sr_demo.imaging.degradation import Realistic
from sr_demo.metrics.scores import COLUMNS
from sr_demo.options import controls
from sr_demo.reports import table
from sr_demo.reports.verdicts import Budget
from sr_demo.ui import languages
from sr_demo.ui.languages import LANGUAGES, attribute, marked, optional, text, texts, word

PACKAGE = Path(languages.__file__).resolve().parents[2]
ENGLISH = texts("en")
CODE = {
    path: path.read_text(encoding="utf-8")
    for folder in ("ui", "reports")
    for path in (PACKAGE / folder).rglob("*")
    if path.suffix in {".py", ".js", ".html"}
}
CALLS = re.compile(
    r"\b(?:text|marked|attribute|say)\(\s*(?:\"[a-z-]+\",\s*)?['\"]([a-z]\w*)['\"]|data-text(?:-[a-z-]+)?=\"(\w+)\""
)
"""A key that is named where it is used, alone or after the name of an attribute."""


def values_of(value: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", value))


def named() -> set[str]:
    """Return every string in the code, and what completed ones such as `f"preset_{value}"` may stand for."""
    found: set[str] = set()
    for code in CODE.values():
        found |= set(re.findall(r"[\"'](\w+)[\"']", code))
        begun = tuple(re.findall(r"\bf[\"']([a-z]+_)\{[^{}]+\}[\"']|\"([a-z]+_)\{\{", code))
        found |= {
            key for key in ENGLISH if key.startswith(tuple(filter(None, (part for pair in begun for part in pair))))
        }
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_the_keys_and_the_placeholders_of_english(language: str) -> None:
    there = texts(language)
    assert list(there) == list(ENGLISH), set(there) ^ set(ENGLISH)
    assert all(value.strip() == value and value for value in there.values())
    assert {k: values_of(v) for k, v in there.items()} == {k: values_of(v) for k, v in ENGLISH.items()}
    tags = {key: sorted(re.findall(r"</?\w+>", value)) for key, value in there.items()}
    assert tags == {key: sorted(re.findall(r"</?\w+>", value)) for key, value in ENGLISH.items()}
    assert not [key for key, value in there.items() if re.search(r"<(?!/?(b|code)>)|&|__i18n__", value)]


def test_every_key_that_the_code_names_exists() -> None:
    used = {first or second for code in CODE.values() for first, second in CALLS.findall(code)}
    assert len(used) > 150
    assert used - set(ENGLISH) == set()


def test_no_text_is_unused() -> None:
    derived = ("option_", "word_")  # have tests of their own
    used = named()
    assert [key for key in ENGLISH if not key.startswith(derived) and key not in used] == []


JOINTS = re.compile(r"\{\w+\}|[.:;,()'%]|\b(?:and|is|are|was|were)\b")
"""Where the code may put a sentence together."""


def said() -> str:
    """Return all texts of the package: those of Python in parts, without docstrings; scripts and templates as they are."""
    found = [code for path, code in CODE.items() if path.suffix != ".py"]
    for path in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts_in_code = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
        found += [node.value for node in texts_in_code if isinstance(node.value, str)]
    return " ".join("\n".join(found).split())


def test_words_are_what_the_server_says() -> None:
    """A word is looked up by its English: where the code says something else, it would stay English unnoticed."""
    code = said().lower()
    parts = {
        (key, part.strip().lower())
        for key, value in ENGLISH.items()
        if key.startswith("word_") and not key.startswith("word_z_")
        for part in JOINTS.split(value)
    }
    assert sorted((key, part) for key, part in parts if part not in code) == []


def test_a_number_is_followed_by_no_digit() -> None:
    """ "2.7" and a zero is ten times too small in languages that count hundred millions."""
    said = {(language, key): value for language in LANGUAGES for key, value in texts(language).items()}
    assert [where for where, value in said.items() if re.search(r"\}\d|\d\{", value)] == []


def test_labels_of_gradio_that_are_translated_here_are_what_gradio_says() -> None:
    """Gradio says them in English in every language."""
    scripts = (Path(gradio.__file__).parent / "templates/frontend/assets").glob("*.js")
    code = "\n".join(path.read_text(encoding="utf-8") for path in scripts if path.stat().st_size < 400_000)
    parts = {
        (k, part.strip())
        for k, v in ENGLISH.items()
        if k.startswith("word_z_")
        for part in re.split(r"\{\w+\}|^- or -$", v)
    }
    assert sorted((key, part) for key, part in parts if part not in code) == []


def test_words_that_no_first_screen_needs_come_after_the_page() -> None:
    client = TestClient(Starlette(routes=[languages.route()]))
    page, later = languages.translations().translations_dict["de"]["page"], client.get("/texts/de.json").json()
    assert set(later) == {"en", "de"} and set(later["de"]) == set(later["en"])
    assert set(page) | set(later["de"]) == set(ENGLISH) and not set(page) & set(later["de"])
    assert "word_x_damaged" in later["de"] and "word_waiting" in page
    assert client.get("/texts/pl.json").status_code == 404


def test_no_english_word_has_two_translations() -> None:
    words = [value for key, value in ENGLISH.items() if key.startswith("word_")]
    assert sorted(words) == sorted(set(words))


def test_options_and_columns_are_translated_as_the_code_words_them() -> None:
    """Their English stands in the code, where the command line reads it too."""
    fields = (*COLUMNS, *table._COSTS, table._HOW)
    expected = {f"column_{field.key}": field.title for field in fields} | {
        f"column_{field.key}_help": field.help for field in fields
    }
    kinds = {approach.options for approach in APPROACHES if not approach.large} | {Art, Fit, Realistic, Budget}
    for kind in kinds:
        for control in controls(kind):
            if control.name in ("detail", "face_detail"):
                continue  # on the page, the viewer has a slider for it, and a box for faces
            key = f"option_{kind.__name__}_{control.name}"
            expected |= {key: control.label, f"{key}_help": control.help}
    assert {key: value for key, value in ENGLISH.items() if key.startswith(("option_", "column_"))} == expected


def test_templates_hold_the_english_text_of_their_keys() -> None:
    for path, code in CODE.items():
        if path.suffix != ".html":
            continue
        for key, shown in re.findall(r"data-text=\"(\w+)\"[^>]*>([^<]*)<", code):
            said = " ".join(re.sub(r"\{\{.*?\}\}", "{}", unescape(shown)).split())
            assert said == re.sub(r"\{\w+\}", "{}", ENGLISH[key]), (path.name, key)


def test_labels_have_no_placeholders_and_lie_apart_from_those_of_gradio() -> None:
    keys = {key for code in CODE.values() for key in re.findall(r"\btext\(\s*['\"](\w+)['\"]", code)}
    assert not [key for key in keys if values_of(ENGLISH[key])]
    assert json.loads(text("stop").removeprefix("__i18n__"))["key"] == "page.stop"
    given = languages.translations().translations_dict
    assert set(given) == set(LANGUAGES) and all(set(one) == {"page"} for one in given.values())


def test_a_page_is_sent_with_english_and_the_languages_that_its_request_names() -> None:
    def sent(query: str, accepted: str) -> set[str]:
        headers = [(b"accept-language", accepted.encode())]
        scope = {"type": "http", "query_string": query.encode(), "headers": headers}
        found = languages.requested_languages(Request(scope))
        context = copy_context()
        context.run(languages._named.set, found)
        return set(context.run(deepcopy, languages.translations().translations_dict))

    assert sent("", "de-AT,de;q=0.9,fr;q=0.5") == {"en", "de", "fr"}
    assert sent("lang=ja", "pl,zh-TW") == {"en", "ja", "zh-CN"} and sent("", "*") == {"en"}
    assert set(deepcopy(languages.translations().translations_dict)) == set(LANGUAGES), "outside of requests"


def test_html_is_english_and_names_its_key() -> None:
    assert marked("stop") == '<span data-text="stop">Stop</span>'
    hostile = marked("save_title", name='<b "x">')
    assert (
        hostile
        == '<span data-text="save_title" data-name="&lt;b &quot;x&quot;&gt;">Save &lt;b &quot;x&quot;&gt;</span>'
    )
    assert attribute("aria-label", "language") == 'aria-label="Language" data-text-aria-label="language"'
    assert word("a <b>") == '<span class="sr-words">a &lt;b&gt;</span>'
    assert optional("stop", "Stop") == text("stop") and optional("stop", "Halt") == "Halt" == optional("x", "Halt")
