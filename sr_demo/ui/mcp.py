"""The optional MCP server (Model Context Protocol) of the page, with tools for most of its endpoints.

Gradio creates an MCP server of its endpoints, but returns results in Python's notation, drops images in a list, and accepts
no lists of files. This module therefore replaces some methods of that server object.
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
from gradio.utils import get_upload_folder
from gradio_client import handle_file
from gradio_client.utils import get_extension

from sr_demo.codecs.formats import FORMATS, format_of
from sr_demo.deploy.report import without_images
from sr_demo.errors import BadInput, MissingDependency, SRError, quoted
from sr_demo.ui import arguments, request_validation
from sr_demo.ui.fetching import stand_in
from sr_demo.ui.several.queue import check_counts

TOOLS = ("upscale", "compare", "several", "deploy")
INLINE_BYTES = 3_500_000
"""Largest image file that is part of a response (4.7 MB as base64); for larger ones, only the address is returned."""

_ITEMS = "items"
"""Last element of the position that Gradio returns for the files of a list."""
_ADDRESS = "a http or https url to a file, or a data: url"
_READ = ("png", "jpeg", "webp")
"""Formats that MCP clients show; for others, only the address is returned."""


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
        max_bytes: Largest image that a call may contain, in bytes.

    Raises:
        SRError: Gradio could not create a server.
    """
    server: Any = page.mcp_server_obj
    if server is None:
        raise SRError(f"The MCP server could not be started: {page.mcp_error}.")
    offered: dict[str, str] = server.tool_to_endpoint
    server.tool_to_endpoint = {name: where for name, where in offered.items() if where.lstrip("/") in TOOLS}
    schema_of = server.get_input_schema
    ending: set[asyncio.Task[None]] = set()

    def convert(value: Any, positions: list[list[str | int]]) -> Any:
        given: dict[str, Any] = value if isinstance(value, dict) else {}
        single = {name: text for name, text in given.items() if [name] in positions}
        several = {name: texts for name, texts in given.items() if [name, _ITEMS] in positions}
        for name, texts in several.items():
            check_counts(len(texts), 1)
            single |= {f"{name}[{number}]": text for number, text in enumerate(texts)}
        for name, text in single.items():
            _check(name, text, max_bytes)
        return {
            name: _file(text, page.upload_file_set) if name in single
            else [_file(one, page.upload_file_set, number) for number, one in enumerate(text)] if name in several
            else text
            for name, text in given.items()
        }  # fmt: skip

    def input_schema(*which: Any, **how: Any) -> Any:
        schema, positions = schema_of(*which, **how)
        for name, field in schema["properties"].items():
            if [name, _ITEMS] in positions:
                kept = {key: field[key] for key in ("description", "default") if key in field}
                schema["properties"][name] = {"type": "array", "items": {"type": "string", "format": _ADDRESS}, **kept}
        return schema, positions

    def answer(data: Any, root_url: str) -> list[Any]:
        return list(_contents(processing_utils.add_root_url(data, root_url, None), server.types))

    def watched(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(*given: Any) -> Any:
            try:
                return await execute(*given)
            except asyncio.CancelledError:  # a cancelled task cannot await the clean-up itself
                ending.add(task := asyncio.create_task(_abandon(page, given[0])))
                task.add_done_callback(ending.discard)
                raise

        return run

    _refuse_early(server)
    server.convert_strings_to_filedata = convert
    server.get_input_schema = input_schema
    server._execute_tool_without_progress = watched(_result)
    server._execute_tool_with_progress = watched(server._execute_tool_with_progress)
    server.postprocess_output_data = answer


def _check(name: str, text: str, max_bytes: int) -> None:
    """Check the text that a tool was given as an image, before it is decoded or stored. Raises BadInput."""
    if not text.startswith(("data:", "http://", "https://")):
        raise BadInput(f"`{name}` must be an http or https address, or a data: address, not {quoted(text)}.")
    # Four characters of base64 encode three bytes; the prefix is short.
    if text.startswith("data:") and len(text) > max_bytes * 4 // 3 + 200:
        raise BadInput(f"The picture is larger than {max_bytes // 2**20} MB, the most that is accepted here.")


def _file(text: str, uploads: set[str], number: int | None = None) -> Any:
    """Return the image at an address in the format of Gradio's components.

    Args:
        text: The address, already checked.
        uploads: Paths of all uploads; the image in a `data:` URL is added to them.
        number: Index of the image in a list; one that cannot be decoded is replaced by a stand-in. None for a single one.

    Raises:
        BadInput: A single image cannot be decoded.
    """
    if not text.startswith("data:"):
        # Gradio does not download from private addresses, including its own: read its own files from the disk.
        path = unquote(text.partition("/gradio_api/file=")[2])
        return handle_file(path if path in uploads else text)
    name = None if number is None else f"image-{number + 1}.{get_extension(text) or 'bin'}"
    try:
        path = processing_utils.save_base64_to_cache(text, get_upload_folder(), name)
    except ValueError as exc:
        why = BadInput("The picture is no data: address that can be read: base64 follows the comma there.")
        if name is None:
            raise why from exc
        path = str(stand_in(name, why))
    uploads.add(path)
    return handle_file(path)


def _refuse_early(server: Any) -> None:
    """Check the calls of tools before the package mcp does, since its messages repeat whole values."""
    types, handlers = server.types, server.mcp_server.request_handlers
    handle = handlers[types.CallToolRequest]

    async def checked(request: Any) -> Any:
        name, values = request.params.name, request.params.arguments or {}
        try:
            if name not in server.tool_to_endpoint:
                raise BadInput(f"There is no tool {quoted(name)}. There are: {', '.join(server.tool_to_endpoint)}.")
            arguments.check_named(server.get_block_fn_from_endpoint_name(server.tool_to_endpoint[name]), values)
            request_validation.check_paths(values)
        except BadInput as exc:
            said = types.TextContent(type="text", text=str(exc))
            return types.ServerResult(types.CallToolResult(isError=True, content=[said]))
        return await handle(request)

    handlers[types.CallToolRequest] = checked


async def _result(job: Any) -> list[Any]:
    """Return the result of a call. Unlike Gradio's own function, which waits in a thread, this can be cancelled."""
    return [await asyncio.wrap_future(job.future)]


async def _abandon(page: Any, job: Any) -> None:
    """End a call whose client has left: cancel its event, and end the Gradio client in this process."""
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
        form = format_of(path)
        if form in _READ and path.is_file() and path.stat().st_size <= INLINE_BYTES:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            yield types.ImageContent(type="image", data=data, mimeType=FORMATS[form].mime)
        title = FORMATS[form].title if form else path.suffix[1:].upper()
        yield types.TextContent(type="text", text=f"{title}: {value.get('url') or value['path']}")
    elif value is not None:
        # Without images, which a language model cannot read in JSON.
        yield types.TextContent(type="text", text=json.dumps(without_images(value)))


def _is_file(value: Any) -> bool:
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"
