"""Keeps the first response of the page small: without what its frontend does not read, and packed where that is understood.

Gradio writes the configuration of every component into the page, three times with a description of its values for the API.
The frontend does not read these descriptions: its API page has its own copy, and programs take theirs from `/config`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import gradio as gr
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_DESCRIPTIONS = ("api_info", "api_info_as_input", "api_info_as_output")
_SMALLEST = 1000
"""Bytes below which packing is not worth it."""
_LEVEL = 1
"""Level of gzip: higher ones take several times as long, which on a fast network is more than they save."""

_is_page: ContextVar[bool] = ContextVar("is_page", default=False)
"""Whether the present request is for the page itself."""


class _Description(dict[str, Any]):
    """A description that copies as an empty one while a page is sent. Gradio copies the configuration for each."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {} if _is_page.get() else dict(self)


def without_descriptions(blocks: gr.Blocks) -> None:
    """Leave the descriptions of the components' values out of the page; `/config` and `/gradio_api/info` have them all."""
    complete = blocks.get_config_file

    def light() -> Any:
        config = complete()
        for component in config["components"]:
            component.update({name: _Description(component[name]) for name in _DESCRIPTIONS if name in component})
        return config

    blocks.get_config_file = light


class Light:
    """ASGI middleware that marks requests for the page, and packs its response with gzip for browsers that take it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._packing = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_page = scope["type"] == "http" and scope["path"] == "/"
        _is_page.set(is_page)
        await (self._packing if is_page else self._app)(scope, receive, send)
