"""Validation of every request: events of all tabs, endpoints for programs and MCP tools.

Gradio checks paths only in values that are marked as file data, and reports its own errors as `{"error": null}`. Here, every
value of a request is searched for paths before any component receives it, and every error is reported as one sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.context import LocalContext
from gradio.utils import get_upload_folder
from gradio_client.utils import is_http_url_like

from sr_demo.errors import BadInput, Cancelled, SRError, log, log_unexpected, quoted
from sr_demo.ui import arguments
from sr_demo.ui.callers import address_of
from sr_demo.ui.fetching import Fetches, fetch_all, stand_in
from sr_demo.ui.sessions import current_request

_LONGEST = 2000
"""Maximum length of an error message; those of this program are much shorter."""
_TITLE = "Not done"
"""Heading of the message, instead of Gradio's "Error"."""
_FILE_DATA = {"_type": "gradio.FileData"}
NOT_UPLOADED = (
    "This file is not among the uploads of this server, or no longer: upload it (/gradio_api/upload), and send the path "
    "that the upload returns."
)
"""The same message for all paths, so that it reveals nothing about the disk."""
_UNFIT = (
    "The values sent do not fit what this server offers. On the page, reload it; for programs, /gradio_api/info lists what "
    "endpoints take."
)
_HALF = "A text that was sent contains half a character (a surrogate without its pair). Enter it again."


def upload_path(path: str) -> Path:
    """Return the resolved `path` of a file in the upload folder. Raises BadInput for any other path."""
    try:
        found = Path(path).resolve()
        if found.is_relative_to(Path(get_upload_folder()).resolve()) and found.is_file():
            return found
    except (OSError, ValueError, RuntimeError):  # path too long, with a NUL character, or a loop of links
        pass
    raise BadInput(NOT_UPLOADED)


def check_paths(value: Any) -> list[dict[str, Any]]:
    """Check all paths and texts at any depth of a request's `value`; return the dictionaries whose path is an address.

    Every dictionary with a path is marked as file data, so that Gradio's own checks apply to it too.

    Raises:
        BadInput: A path is not that of an upload, or a text cannot be encoded: a response that repeats such a text would
            break the stream of all responses.
    """
    addresses: list[dict[str, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, str):
            if not _is_text(item):
                raise BadInput(_HALF)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
            path = item.get("path")
            if path is None:
                continue
            if not isinstance(path, str):
                raise BadInput(NOT_UPLOADED)
            item["meta"] = dict(_FILE_DATA)
            if is_http_url_like(path):
                addresses.append(item)
            else:
                upload_path(path)
    return addresses


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


async def _fetched(page: gr.Blocks, block_fn: BlockFunction, inputs: list[Any], most: int) -> None:
    """Download the images whose addresses are in `inputs`, and replace the addresses by the paths of the uploads.

    One of a list that cannot be fetched is replaced by a stand-in. Raises BadInput for a single one and for too many, and
    StorageError.
    """
    takers = zip(block_fn.inputs, inputs, strict=False)
    values = [value for block, value in takers if getattr(block, "data_model", None) is not None]
    items = [(item, isinstance(value, list)) for value in values for item in check_paths(value)]
    found = await fetch_all([item["path"] for item, _ in items], most)
    for (item, of_list), path in zip(items, found, strict=True):
        if isinstance(path, BadInput) and not of_list:
            raise path
        item["path"] = str(stand_in(item["path"], path) if isinstance(path, BadInput) else path)
        page.upload_file_set.add(item["path"])


def validate_requests(page: gr.Blocks, max_bytes: int, *, proxied: bool = False) -> None:
    """Validate all events of `page`, by replacing functions of this one object.

    Args:
        page: Whose events.
        max_bytes: Limit on what is fetched for one event.
        proxied: Whether a proxy states the callers' addresses.
    """
    preprocess, process, fetches = page.preprocess_data, page.process_api, Fetches()
    # See `source.image_input`. Gradio makes a component of a session anew, without it, where an event updates anything but
    # its value.
    replaced = {key: vars(block)["preprocess"] for key, block in page.blocks.items() if "preprocess" in vars(block)}

    async def checked(block_fn: BlockFunction, inputs: list[Any], state: Any, explicit_call: bool = False) -> list[Any]:
        addresses = check_paths(inputs)
        arguments.check(block_fn, inputs)
        if addresses:
            request = current_request()
            with fetches.place(address_of(request, proxied=proxied) if request else ""):
                await _fetched(page, block_fn, inputs, max_bytes)
        for key, own in replaced.items():
            if key in state:
                state[key].preprocess = own
        try:
            return await preprocess(block_fn, inputs, state, explicit_call)
        except SRError:
            raise
        except Exception as exc:  # raised by a component
            log.info("refused the values of an event: %s", quoted(f"{type(exc).__name__}: {exc}", 300))
            raise BadInput(_UNFIT) from exc

    async def answered(block_fn: BlockFunction | int, inputs: list[Any], *rest: Any, **named: Any) -> dict[str, Any]:
        LocalContext.request.set(named.get("request"))  # which Gradio sets later, for the handler
        try:
            return await process(block_fn, inputs, *rest, **named)
        except Exception as exc:
            raise _as_gradio(exc) from exc

    page.preprocess_data = checked
    page.process_api = answered


def _as_gradio(exc: Exception) -> gr.Error:
    """Return the error to raise to Gradio: one sentence, for a bug with a reference to the log."""
    if isinstance(exc, gr.Error):
        exc.message, exc.print_exception, exc.title = exc.message[:_LONGEST], False, _TITLE
        return exc
    if isinstance(exc, Cancelled):
        return gr.Error("Stopped.", print_exception=False, title=_TITLE)
    text = str(exc) if isinstance(exc, SRError) else log_unexpected(exc, "answering an event")
    return gr.Error(text[:_LONGEST], print_exception=False, title=_TITLE)
