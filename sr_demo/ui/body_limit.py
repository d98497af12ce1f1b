"""Limits on what a request sends. Gradio reads a body of JSON whole, and collects the fields of an upload in memory."""

from __future__ import annotations

from typing import Any

from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST = 16 * 2**20
"""Bytes of any other request. Those of the page hold masks and drawings, up to 1.4 MB each."""
_TOO_LONG = (
    f"This request has more than {_MOST // 2**20} MB, the limit here. Upload files first (/gradio_api/upload), and send the "
    "paths that the upload returns."
)
_NO_FILE = (
    "An upload consists of files, and this part of it has no file name. Send it as one (curl: -F files=@photo.png)."
)


class BodyLimit:
    """ASGI middleware that refuses longer bodies with 413 and a sentence. Gradio compares the files of uploads itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it: at once, or as soon as what arrives is too much."""
        if scope["type"] != "http" or scope["path"].partition("/gradio_api/")[2] == "upload":
            await self._app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MOST:
                raise HTTPException(413, _TOO_LONG)  # which routes pass on, and `http_errors` makes the response
            return message

        if (stated := Headers(scope=scope).get("content-length", "")).isdecimal() and int(stated) > _MOST:
            await JSONResponse({"detail": _TOO_LONG}, 413)(scope, receive, send)
        else:
            await self._app(scope, counted, send)


def files_only() -> None:
    """Let Gradio refuse what an upload holds besides files. May be called repeatedly."""
    if getattr(GradioMultiPartParser, "_files_only", False):
        return
    begin = GradioMultiPartParser.on_headers_finished

    def checked(self: Any) -> None:
        begin(self)
        if self._current_part.file is None:
            raise MultiPartException(_NO_FILE)

    GradioMultiPartParser.on_headers_finished = checked
    GradioMultiPartParser._files_only = True  # type: ignore[attr-defined]
