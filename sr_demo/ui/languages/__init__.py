"""The texts of the page in each language: one JSON file per language, with the same keys; `en.json` is the reference.

Two ways lead to a translated page. What Gradio draws (labels, buttons, tabs, choices, placeholders) takes `text(key)`, which
Gradio's frontend replaces. HTML of ours takes `marked(key)` and `attribute(name, key)`: English, with the key beside it, from
which `translate.js` translates it in the browser. Scripts call `say(key)` of `text.js`. The language is that of the
browser, or of `?lang=` in the address.
"""

from __future__ import annotations

import json
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

LANGUAGES = ("en", "de", "fr", "es", "pt", "zh-CN", "ja")
_FOLDER = Path(__file__).parent
_GROUP = "page"
"""Gradio has texts of its own under words such as "file" and "label": ours lie under this word, apart from them."""


@cache
def texts(language: str) -> dict[str, str]:
    """Return the texts of a language by key; `{name}` in a text stands for a value."""
    return json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def translations() -> gr.I18n:
    """Return all languages, for `Blocks.launch`."""
    import gradio as gr  # shared pages need the rest of this module, and no Gradio

    return gr.I18n(**{language: {_GROUP: texts(language)} for language in LANGUAGES})  # type: ignore[arg-type]


def text(key: str) -> str:
    """Return a mark that Gradio's frontend replaces, the first one in a string; its text must have no `{name}`."""
    from gradio.i18n import I18nData

    assert key in texts("en"), f"en.json has no text {key!r}"
    return str(I18nData(f"{_GROUP}.{key}"))


def marked(key: str, **values: object) -> str:
    """Return HTML of the English text, which `translate.js` translates.

    Args:
        key: The text may contain HTML.
        **values: For `{name}` in the text.
    """
    given = "".join(f' data-{name}="{escape(str(value))}"' for name, value in values.items())
    shown = texts("en")[key].format(**{name: escape(str(value)) for name, value in values.items()})
    return f'<span data-text="{key}"{given}>{shown}</span>'


def attribute(name: str, key: str) -> str:
    """Return an HTML attribute with the English text, which `translate.js` translates: title, aria-label or alt."""
    return f'{name}="{escape(texts("en")[key])}" data-text-{name}="{key}"'


def word(english: str) -> str:
    """Return plain text as HTML, marked where it is one of the words whose keys begin with `word_`."""
    key = _words().get(english)
    return marked(key) if key else escape(english)


def optional(key: str, english: str) -> str:
    """Return `text(key)` where that is the English text, else `english` as it is: for texts that stand in the code."""
    return text(key) if texts("en").get(key) == english else english


@cache
def script(name: str) -> str:
    """Return a script of this folder with `text.js` in front of it."""
    return with_texts((_FOLDER / name).read_text(encoding="utf-8"))


def with_texts(code: str) -> str:
    """Return a script that may call `say(key, values)`."""
    return (_FOLDER / "text.js").read_text(encoding="utf-8") + code


def english(*prefixes: str) -> str:
    """Return a script that holds the English texts with these prefixes, for pages without Gradio."""
    held = {key: value for key, value in texts("en").items() if key.startswith(prefixes)}
    return f"window.gradio_config = {json.dumps({'i18n_translations': {'en': {_GROUP: held}}})};\n"


@cache
def _words() -> dict[str, str]:
    return {value: key for key, value in texts("en").items() if key.startswith("word_")}
