"""Handlers of HTTP errors (an unknown endpoint, a body that is not JSON), which respond with one sentence each."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from gradio.route_utils import FnIndexInferError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from sr_demo.errors import log_unexpected

_LONGEST = 300
_CALLS = ("call/", "run/", "api/", "queue/join")
_NO_ENDPOINT = "There is no such endpoint: /gradio_api/info lists those that there are."


def handlers() -> dict[Any, Any]:
    """Return the handler of each type of exception, for Gradio's application."""
    return {
        RequestValidationError: _malformed,
        FnIndexInferError: _unknown_endpoint,
        KeyError: _failed_call,
        TypeError: _failed_call,
        HTTPException: _refused,
        Exception: _unexpected,
    }


def _response(sentence: str, status: int, headers: Any = None) -> JSONResponse:
    return JSONResponse({"detail": sentence[:_LONGEST]}, status, headers)


async def _malformed(_: Request, exc: RequestValidationError) -> JSONResponse:
    """Report the first error, without the invalid value."""
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"])[:80]
    return _response(f"The request is not of the form that this address takes: {first['msg']} ({where}).", 422)


async def _unknown_endpoint(_: Request, __: Exception) -> JSONResponse:
    return _response(_NO_ENDPOINT, 404)


async def _failed_call(request: Request, exc: Exception) -> JSONResponse:
    """Handle an unknown endpoint (a KeyError inside Gradio) or parameter (a TypeError with a sentence)."""
    if not request.url.path.partition("/gradio_api/")[2].startswith(_CALLS):
        return await _unexpected(request, exc)
    return _response(_NO_ENDPOINT, 404) if isinstance(exc, KeyError) else _response(str(exc), 422)


async def _refused(_: Request, exc: HTTPException) -> JSONResponse:
    """Shorten Gradio's own error messages, which may repeat a whole address."""
    detail: Any = exc.detail
    if isinstance(detail, str):
        return _response(detail, exc.status_code, exc.headers)
    return JSONResponse({"detail": detail}, exc.status_code, exc.headers)


def is_late_refusal(exc: Exception) -> bool:
    """Return whether Gradio raised an HTTP error after the response had begun (an unknown event or session)."""
    return isinstance(exc, RuntimeError) and isinstance(exc.__cause__, HTTPException)


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    if is_late_refusal(exc):
        return _response(_NO_ENDPOINT, 404)
    return _response(log_unexpected(exc, "answering a request"), 500)
