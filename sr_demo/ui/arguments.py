"""Checks of the number and types of the values that a program sends to an endpoint, before Gradio converts them."""

from __future__ import annotations

import inspect
from typing import Any

from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components import Checkbox, CheckboxGroup, Component, File, Radio

from sr_demo.errors import BadInput, quoted

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "number": (int, float), "integer": (int,), "array": (list,), "object": (dict,),
}  # fmt: skip
_WORDS = {
    "string": "a text", "boolean": "true or false", "number": "a number", "integer": "a whole number", "array": "a list",
    "object": "an object of names and values", "file": 'a file, {"path": the path that its upload returned}',
    "files": 'a list of files, each {"path": the path that its upload returned}',
}  # fmt: skip


_NEVER_EMPTY = (Radio, Checkbox, CheckboxGroup)
"""Types of components for which the page sends null only if they were empty when the page was opened."""


def _takes_files(block: Block) -> bool:
    """Return whether the value of a component is a list of files."""
    return isinstance(block, File) and block.file_count == "multiple"


def check(block_fn: BlockFunction, values: list[Any]) -> None:
    """Check the values of one call, and append the defaults of values that a program omitted at the end.

    This allows endpoints to take more values than older programs send. Hidden endpoints are called by the page, whose empty
    components send null; Gradio checks their types.

    Raises:
        BadInput: There are too few or too many values, or one has another type than the endpoint takes; the message names
            the argument.
    """
    wanted = len(block_fn.inputs)
    public = block_fn.api_visibility == "public"
    names, optional = _parameters(block_fn.fn) if public and block_fn.fn is not None else ([], dict[str, Any]())
    if public and all(name in optional for name in names[len(values) :]):
        values += [optional[name] for name in names[len(values) :]]
    if len(values) < wanted or (public and len(values) > wanted):
        listed = f" ({', '.join(names)})" if names else ""
        raise BadInput(f"This endpoint takes {wanted} values{listed}, not {len(values)}.")
    if not public:
        for block, value in zip(block_fn.inputs, values, strict=False):
            if value is None and isinstance(block, _NEVER_EMPTY) and block.value is not None:
                raise BadInput(f"The value of {quoted(block.label)} is missing: reload the page.")
            if isinstance(block, Checkbox) and not isinstance(value, bool | None):
                raise BadInput(f"{quoted(block.label)} is true or false, not {_of(value)}.")  # Gradio takes anything
        return
    for name, block, value in zip(names, block_fn.inputs, values, strict=False):
        is_file = getattr(block, "data_model", None) is not None
        if value is None and (is_file or optional.get(name, ...) is None):
            continue  # the default; the endpoint itself rejects a missing image
        if _takes_files(block):
            _check_kind(name, "files", value, list)
            for item in value or ():
                _check_kind(f"{name}[]", "file", item, dict)
        elif is_file:
            _check_kind(name, "file", value, dict)
        elif isinstance(block, Component):
            _check(name, block.api_info(), value)


def check_named(block_fn: BlockFunction, values: dict[str, Any]) -> None:
    """Check the values by name of one call to a public endpoint; files are given as addresses of images, or lists of them.

    Raises:
        BadInput: An argument is missing, unknown, or of another type than the endpoint takes; the message names it.
    """
    assert block_fn.fn is not None, "public endpoints have functions"
    parameters = list(inspect.signature(block_fn.fn).parameters.values())
    blocks = dict(zip((p.name for p in parameters), block_fn.inputs, strict=True))
    for name, value in values.items():
        if name not in blocks:
            raise BadInput(f"There is no argument {quoted(name)} here. There are: {', '.join(blocks)}.")
        block = blocks[name]
        is_file = getattr(block, "data_model", None) is not None
        if _takes_files(block):
            schema: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
        else:
            schema = {"type": "string"} if is_file else block.api_info() if isinstance(block, Component) else {}
        _check(name, schema, value)
    if missing := [p.name for p in parameters if p.default is p.empty and p.name not in values]:
        raise BadInput(f"`{missing[0]}` is missing. The arguments are: {', '.join(blocks)}.")


def _check(name: str, schema: dict[str, Any], value: Any) -> None:
    kind = str(schema.get("type"))
    if kind not in _KINDS:
        return
    _check_kind(name, kind, value, *_KINDS[kind])
    if kind == "array":
        for item in value:
            _check(f"{name}[]", schema.get("items", {}), item)


def _check_kind(name: str, kind: str, value: Any, *allowed: type) -> None:
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise BadInput(f"`{name}` must be {_WORDS[kind]}, not {_of(value)}.")


def _of(value: Any) -> str:
    """Return a description of a value that was sent; texts are quoted."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return next((_WORDS[kind] for kind, types in _KINDS.items() if type(value) in types), "something else")


def _parameters(function: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the parameters, and the defaults of those that have one."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters], {p.name: p.default for p in parameters if p.default is not p.empty}
