"""The texts of the page in each language: one JSON file per language, with the same keys; `en.json` is the reference.

Texts of Gradio's components (labels, buttons, tabs, choices, placeholders) are passed as `text(key)`, which Gradio's frontend
replaces. The page's own HTML uses `marked(key)` and `attribute(name, key)`: English text with the key beside it, by which
`document.js` translates it in the browser. Scripts call `say(key)` of `text.js`. English texts from the rest of the program
(states, captions, errors, descriptions of methods) are passed through `word`, and `document.js` looks up their translation.
The language is that of the browser, or of `?lang=` in the address.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    import gradio as gr

LANGUAGES = ("en", "de", "fr", "es", "pt", "zh-CN", "ja")
_FOLDER = Path(__file__).parent
_GROUP = "page"
"""Key of the group that contains this page's texts: Gradio's own texts use keys such as "file" and "label"."""

_LATER = tuple(f"word_{group}_" for group in (*"cdfgilprstxz", "about"))
"""Prefixes of the keys of words that appear only after the first screen: errors, other tabs, reports."""


@cache
def texts(language: str) -> dict[str, str]:
    """Return the texts of a language by key; `{name}` in a text stands for a value."""
    return json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))


class _Requested(dict[str, Any]):
    """All languages; a copy contains only English and those that the current request names. Gradio copies it for each page.

    A page in English only contains no words for translation.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        named = _named.get()
        if named is None:
            return dict(self)
        if named <= {"en"}:
            held = self["en"][_GROUP].items()
            return {"en": {_GROUP: {key: value for key, value in held if not key.startswith("word_")}}}
        return {name: held for name, held in self.items() if name == "en" or name in named}


_named: ContextVar[set[str] | None] = ContextVar("named", default=None)
"""Languages that the current request names; None outside of a request."""


def translations() -> gr.I18n:
    """Return all languages, for `Blocks.launch`; a page contains those that its request names."""
    import gradio as gr  # shared pages need the rest of this module without Gradio

    found = gr.I18n(**{language: {_GROUP: _part(language, later=False)} for language in LANGUAGES})  # type: ignore[arg-type]
    found.translations = _Requested(found.translations)
    return found


def _part(language: str, *, later: bool) -> dict[str, str]:
    return {key: value for key, value in texts(language).items() if key.startswith(_LATER) == later}


def route() -> Route:
    """Return the route that serves the words of a language that are not part of the page, and their English."""

    def later(request: Request) -> Response:
        language = str(request.path_params["language"])
        if language not in LANGUAGES:
            return JSONResponse({"detail": f"There are: {', '.join(LANGUAGES)}."}, 404)
        found = {name: _part(name, later=True) for name in ("en", language)}
        return JSONResponse(found, headers={"Cache-Control": "private, max-age=600"})

    return Route("/texts/{language}.json", later, middleware=[Middleware(GZipMiddleware)])


class RequestedLanguages:
    """ASGI middleware that stores the languages that a request names in `?lang=` and the header Accept-Language."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            _named.set(requested_languages(Request(scope)))
        await self._app(scope, receive, send)


def requested_languages(request: Request) -> set[str]:
    """Return the languages of the page that a request names, matched as in `text.js`."""
    return set(_wished(request))


def preferred(request: Request) -> str:
    """Return the language of a page without Gradio: the first of the page's languages that a request names, or "en"."""
    return next(iter(_wished(request)), "en")


def _wished(request: Request) -> list[str]:
    """Return the languages of the page that a request names, in its order."""
    wishes = [request.query_params.get("lang", ""), *request.headers.get("accept-language", "").split(",")]
    bases = [wish.partition(";")[0].strip().lower().partition("-")[0] for wish in wishes]
    by_base = {language.lower().partition("-")[0]: language for language in LANGUAGES}
    return [by_base[base] for base in bases if base in by_base]


def text(key: str) -> str:
    """Return a mark that Gradio's frontend replaces by the text, only the first in a string; the text has no `{name}`."""
    from gradio.i18n import I18nData

    assert key in texts("en"), f"en.json has no text {key!r}"
    return str(I18nData(f"{_GROUP}.{key}"))


def marked(key: str, **values: object) -> str:
    """Return HTML of the English text, which `document.js` translates.

    Args:
        key: Key of the text, which may contain HTML.
        **values: Values for `{name}` in the text.
    """
    given = "".join(f' data-{name}="{escape(str(value))}"' for name, value in values.items())
    shown = texts("en")[key].format(**{name: escape(str(value)) for name, value in values.items()})
    return f'<span data-text="{key}"{given}>{shown}</span>'


def attribute(name: str, key: str) -> str:
    """Return an HTML attribute with the English text, which `document.js` translates: title, aria-label or alt."""
    return f'{name}="{escape(texts("en")[key])}" data-text-{name}="{key}"'


def word(english: str) -> str:
    """Return English plain text as HTML that `document.js` translates by the texts whose keys begin with `word_`.

    Each line is looked up separately. The class `sr-words` has the same effect on all texts in an element, and on the
    attributes that `attribute` translates.
    """
    return f'<span class="sr-words">{"<br>".join(map(escape, english.splitlines()))}</span>'


def optional(key: str, english: str) -> str:
    """Return `text(key)` if its English text is `english`, otherwise `english`; for texts that are written in the code."""
    return text(key) if texts("en").get(key) == english else english


@cache
def script(name: str) -> str:
    """Return the script `name` of this folder, preceded by the code of `translateDocument`."""
    return with_texts(_source("document.js") + _source(name))


@cache
def document_script() -> str:
    """Return a script that translates a document without Gradio, with the texts of `texts_script`."""
    return with_texts(_source("document.js") + _TRANSLATE)


_TRANSLATE = """document.documentElement.lang = language;
if (language !== "en") translateDocument(() => {});
"""


def _source(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def with_texts(code: str) -> str:
    """Return the script `code`, preceded by the code of `say(key, values)`."""
    return _source("text.js") + code


def texts_script(prefixes: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """Return a script that contains texts in all languages, for pages without Gradio.

    Args:
        prefixes: Prefixes of the keys.
        without: Longer prefixes of keys to leave out.
    """

    def held(language: str) -> dict[str, str]:
        there = texts(language).items()
        return {key: value for key, value in there if key.startswith(prefixes) and not key.startswith(without)}

    all_languages = {language: {_GROUP: held(language)} for language in LANGUAGES}
    return f"window.gradio_config = {json.dumps({'i18n_translations': all_languages}, ensure_ascii=False)};\n"
