"""The optional MCP server (Model Context Protocol) of the page, with the tools `upscale`, `compare` and `deploy`.

Gradio makes an MCP server of its endpoints, but returns results as Python prints them and drops images in a list. Some
functions of that one server object are therefore replaced here.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio import processing_utils
from gradio.server_messages import ProcessCompletedMessage
from gradio_client import handle_file

from sr_demo.codecs.formats import FORMATS, format_of
from sr_demo.errors import BadInput, MissingDependency, SRError, quoted
from sr_demo.ui import arguments, door

TOOLS = ("upscale", "compare", "deploy")
INLINE_BYTES = 3_500_000
"""Largest image that is part of the response (4.7 MB as base64); for larger ones only the address is returned."""

_READ = ("png", "jpeg", "webp")
"""Formats that clients of models show; of the others only the address is returned."""


def require() -> None:
    """Check that the package mcp is installed. Raises MissingDependency."""
    try:
        import_module("mcp.server.streamable_http_manager")
    except ImportError as problem:
        raise MissingDependency(
            "SR_DEMO_MCP=1 needs the package mcp, which is not installed. Run: pip install -r requirements-mcp.txt, "
            "or start without SR_DEMO_MCP."
        ) from problem


def refine(page: gr.Blocks, max_bytes: int) -> None:
    """Restrict the server of a launched page to `TOOLS`, and let it return images and JSON.

    Args:
        page: The launched page.
        max_bytes: Largest image inside a call.

    Raises:
        SRError: When Gradio could not make a server.
    """
    server: Any = page.mcp_server_obj
    if server is None:
        raise SRError(f"The MCP server could not be started: {page.mcp_error}.")
    offered: dict[str, str] = server.tool_to_endpoint
    server.tool_to_endpoint = {name: where for name, where in offered.items() if where.lstrip("/") in TOOLS}
    received = server.convert_strings_to_filedata
    ending: set[asyncio.Task[None]] = set()

    def convert(value: Any, positions: list[list[str | int]]) -> Any:
        for name, text in _texts(value).items():
            if [name] in positions and not text.startswith(("data:", "http://", "https://")):
                raise BadInput(f"`{name}` must be an http or https address, or a data: address, not {quoted(text)}.")
            # Four letters of base64 are three bytes; what stands before them is short.
            if text.startswith("data:") and len(text) > max_bytes * 4 // 3 + 200:
                raise BadInput(f"The picture is larger than {max_bytes // 2**20} MB, the most that is accepted here.")
        try:
            converted = received(value, positions)
        except ValueError as exc:
            raise BadInput("The picture is no data: address that can be read: base64 follows the comma there.") from exc
        for name, text in _texts(value).items():
            # Gradio refuses to fetch from private addresses, its own included: read its own files from the disk.
            path = unquote(text.partition("/gradio_api/file=")[2])
            if path in page.upload_file_set and [name] in positions:
                converted[name] = handle_file(path)
        # Gradio writes images inside a call to its cache without listing them as uploads.
        page.upload_file_set.update(
            item["path"] for item in _dicts(converted) if not str(item.get("path", "http")).startswith("http")
        )
        return converted

    def answer(data: Any, root_url: str) -> list[Any]:
        return list(_contents(processing_utils.add_root_url(data, root_url, None), server.types))

    def watched(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(*given: Any) -> Any:
            try:
                return await execute(*given)
            except asyncio.CancelledError:  # in which nothing can be awaited any more
                ending.add(task := asyncio.create_task(_abandon(page, given[0])))
                task.add_done_callback(ending.discard)
                raise

        return run

    _refuse_early(server)
    server.convert_strings_to_filedata = convert
    server._execute_tool_without_progress = watched(_result)
    server._execute_tool_with_progress = watched(server._execute_tool_with_progress)
    server.postprocess_output_data = answer


def _refuse_early(server: Any) -> None:
    """Check the calls of tools before the package mcp does, whose messages repeat whole values."""
    types, handlers = server.types, server.mcp_server.request_handlers
    handle = handlers[types.CallToolRequest]

    async def checked(request: Any) -> Any:
        name, values = request.params.name, request.params.arguments or {}
        try:
            if name not in server.tool_to_endpoint:
                raise BadInput(f"There is no tool {quoted(name)}. There are: {', '.join(server.tool_to_endpoint)}.")
            arguments.check_named(server.get_block_fn_from_endpoint_name(server.tool_to_endpoint[name]), values)
            door.admit(values)
        except BadInput as exc:
            said = types.TextContent(type="text", text=str(exc))
            return types.ServerResult(types.CallToolResult(isError=True, content=[said]))
        return await handle(request)

    handlers[types.CallToolRequest] = checked


async def _result(job: Any) -> list[Any]:
    """Return the result of a call. Gradio's own function waits in a thread and cannot be cancelled."""
    return [await asyncio.wrap_future(job.future)]


async def _abandon(page: Any, job: Any) -> None:
    """End a call whose client has left: cancel its event, and finish the Gradio client in this process."""
    queue = page._queue
    event = queue.event_ids_to_events.get(job.communicator.event_id)
    if event is not None:
        await queue.clean_events(event_id=event._id)
        end = ProcessCompletedMessage(output={}, success=True, event_id=event._id)
        queue.pending_messages_per_session[event.session_hash].put_nowait(end)


def _contents(value: Any, types: Any) -> Iterator[Any]:
    """Yield images with their address, and everything else as JSON."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _contents(item, types)
    elif _is_file(value):
        path = Path(value["path"])
        written = FORMATS[format_of(path) or "png"]
        if written.name in _READ and path.is_file() and path.stat().st_size <= INLINE_BYTES:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            yield types.ImageContent(type="image", data=data, mimeType=written.mime)
        yield types.TextContent(type="text", text=f"{written.title}: {value.get('url') or value['path']}")
    elif value is not None:
        yield types.TextContent(type="text", text=json.dumps(_without_images(value)))


def _without_images(value: Any) -> Any:
    """Return a report without the images in it, nine tenths of its text, which a model cannot read."""
    if isinstance(value, dict):
        return {key: _without_images(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_images(item) for item in value]
    return "an image, left out here" if isinstance(value, str) and value.startswith("data:image/") else value


def _is_file(value: Any) -> bool:
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _texts(value: Any) -> dict[str, str]:
    """Return the texts among the arguments of a call, by name."""
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value.values() if _is_file(item)] if isinstance(value, dict) else []
