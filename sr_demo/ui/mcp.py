"""The page as an MCP server (Model Context Protocol): `upscale`, `compare` and `deploy` as tools, where it is asked for.

Gradio makes a server of its endpoints and hands its answers over as Python prints them, without the pictures of a list.
Some of that one server's functions are replaced here, as `source.picture_input` does with a component.
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

from sr_demo.errors import BadInput, MissingDependency, SRError

TOOLS = ("upscale", "compare", "deploy")
INLINE_BYTES = 3_500_000
"""The largest PNG that lies in the answer itself (4.7 MB as base64). Larger ones are named by their address alone."""


def require() -> None:
    """Look for what an MCP server needs, before anything is served. Raises MissingDependency."""
    try:
        import_module("mcp.server.streamable_http_manager")
    except ImportError as problem:
        raise MissingDependency(
            "SR_DEMO_MCP=1 needs the package mcp, which is not installed. Run: pip install -r requirements-mcp.txt, "
            "or start without SR_DEMO_MCP."
        ) from problem


def refine(page: gr.Blocks, max_bytes: int) -> None:
    """Narrow the server of a launched page to `TOOLS`, and let it answer with pictures and JSON.

    max_bytes: the largest picture inside a call. Raises SRError when Gradio could not make a server.
    """
    server: Any = page.mcp_server_obj
    if server is None:
        raise SRError(f"The MCP server could not be started: {page.mcp_error}.")
    offered: dict[str, str] = server.tool_to_endpoint
    server.tool_to_endpoint = {name: where for name, where in offered.items() if where.lstrip("/") in TOOLS}
    received = server.convert_strings_to_filedata
    ending: set[asyncio.Task[None]] = set()

    def convert(value: Any, positions: list[list[str | int]]) -> Any:
        for text in _texts(value).values():
            # Four letters of base64 are three bytes; what stands before them is short.
            if text.startswith("data:") and len(text) > max_bytes * 4 // 3 + 200:
                raise BadInput(f"The picture is larger than {max_bytes // 2**20} MB, the most that is accepted here.")
        converted = received(value, positions)
        for name, text in _texts(value).items():
            # Gradio refuses to fetch from private addresses, its own among them: take what lies here from here.
            path = unquote(text.partition("/gradio_api/file=")[2])
            if path in page.upload_file_set and [name] in positions:
                converted[name] = handle_file(path)
        # Gradio writes pictures that lie in a call to its cache and forgets them there.
        page.upload_file_set.update(
            item["path"] for item in _dicts(converted) if not str(item.get("path", "http")).startswith("http")
        )
        return converted

    def answer(data: Any, root_url: str) -> list[Any]:
        return list(_contents(processing_utils.add_root_url(data, root_url, None), server.types))

    def watched(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(*arguments: Any) -> Any:
            try:
                return await execute(*arguments)
            except asyncio.CancelledError:  # in which nothing can be awaited any more
                ending.add(task := asyncio.create_task(_abandon(page, arguments[0])))
                task.add_done_callback(ending.discard)
                raise

        return run

    server.convert_strings_to_filedata = convert
    server._execute_tool_without_progress = watched(_result)
    server._execute_tool_with_progress = watched(server._execute_tool_with_progress)
    server.postprocess_output_data = answer


async def _result(job: Any) -> list[Any]:
    """What a call came to. Gradio's own cannot be cancelled: it waits in a thread."""
    return [await asyncio.wrap_future(job.future)]


async def _abandon(page: Any, job: Any) -> None:
    """End a call whose program has left: mark its event as unwanted, and the client in this process as answered."""
    queue = page._queue
    event = queue.event_ids_to_events.get(job.communicator.event_id)
    if event is not None:
        await queue.clean_events(event_id=event._id)
        end = ProcessCompletedMessage(output={}, success=True, event_id=event._id)
        queue.pending_messages_per_session[event.session_hash].put_nowait(end)


def _contents(value: Any, types: Any) -> Iterator[Any]:
    """Pictures as pictures with their address, everything else as JSON; no tool answers with a bare list."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _contents(item, types)
    elif _is_file(value):
        path = Path(value["path"])
        if path.suffix == ".png" and path.is_file() and path.stat().st_size <= INLINE_BYTES:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            yield types.ImageContent(type="image", data=data, mimeType="image/png")
        yield types.TextContent(type="text", text=f"PNG: {value.get('url') or value['path']}")
    elif value is not None:
        yield types.TextContent(type="text", text=json.dumps(_without_pictures(value)))


def _without_pictures(value: Any) -> Any:
    """The same without the pictures that a report carries as text: nine tenths of it, which a model cannot see."""
    if isinstance(value, dict):
        return {key: _without_pictures(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_pictures(item) for item in value]
    return "a picture, left out here" if isinstance(value, str) and value.startswith("data:image/") else value


def _is_file(value: Any) -> bool:
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"


def _texts(value: Any) -> dict[str, str]:
    """The words among the arguments of a call, by name."""
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value.values() if _is_file(item)] if isinstance(value, dict) else []
