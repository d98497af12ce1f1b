"""Reduces the size of the page's first response: without data that the frontend does not read, and compressed.

Gradio writes the configuration of every component into the page, with three descriptions of its values for the API.
The frontend does not read them: its API page has its own copy, and programs read them from `/config`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import gradio as gr
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_DESCRIPTIONS = ("api_info", "api_info_as_input", "api_info_as_output")
_SMALLEST = 1000
"""Smallest number of bytes for which a response is compressed."""
_LEVEL = 1
"""Level of gzip: higher levels take several times as long, which is more than they save on a fast network."""

_is_page: ContextVar[bool] = ContextVar("is_page", default=False)
"""Whether the current request is for the page itself."""


class _Description(dict[str, Any]):
    """A description whose copy is empty during a request for the page. Gradio copies the configuration for each page."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {} if _is_page.get() else dict(self)


def without_descriptions(blocks: gr.Blocks) -> None:
    """Leave the descriptions of the components' values out of the page; `/config` and `/gradio_api/info` contain them."""
    complete = blocks.get_config_file

    def light() -> Any:
        config = complete()
        for component in config["components"]:
            component.update({name: _Description(component[name]) for name in _DESCRIPTIONS if name in component})
        return config

    blocks.get_config_file = light


class PageCompression:
    """ASGI middleware that marks requests for the page, and compresses the response with gzip if the browser accepts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._packing = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_page = scope["type"] == "http" and scope["path"] == "/"
        _is_page.set(is_page)
        await (self._packing if is_page else self._app)(scope, receive, send)
