"""Number and types of the values that a program sends to an endpoint, checked before Gradio converts them."""

from __future__ import annotations

import inspect
from typing import Any

from gradio.block_function import BlockFunction

from sr_demo.errors import BadInput, quoted

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "number": (int, float), "integer": (int,), "array": (list,), "object": (dict,),
}  # fmt: skip
_WORDS = {
    "string": "a text", "boolean": "true or false", "number": "a number", "integer": "a whole number", "array": "a list",
    "object": "an object of names and values", "null": "null", "file": 'a file, {"path": the path that its upload answers with}',
}  # fmt: skip


def check(block_fn: BlockFunction, values: list[Any]) -> None:
    """Raises BadInput, naming the argument, when `values` are too few, too many or of another type than the endpoint has.

    Hidden endpoints belong to the page, whose components send null for what is empty: only their number is checked.
    """
    wanted = len(block_fn.inputs)
    public = block_fn.api_visibility == "public"
    names, optional = _parameters(block_fn.fn) if public and block_fn.fn is not None else ([], set[str]())
    if len(values) < wanted or (public and len(values) > wanted):
        listed = f" ({', '.join(names)})" if names else ""
        raise BadInput(f"This endpoint takes {wanted} values{listed}, not {len(values)}.")
    if not public:
        return
    for name, block, value in zip(names, block_fn.inputs, values, strict=False):
        if value is None and (name in optional or getattr(block, "data_model", None)):
            continue  # the default, or a picture that is missing, which the endpoint says
        _check_type(name, "file" if getattr(block, "data_model", None) else block.api_info(), value)


def _check_type(name: str, schema: Any, value: Any) -> None:
    kind: str = schema if isinstance(schema, str) else str(schema.get("type"))
    if kind == "file":
        if not isinstance(value, dict):
            raise BadInput(f"`{name}` must be {_WORDS[kind]}, not {_of(value)}.")
        return
    allowed = _KINDS.get(kind)
    if allowed is None:
        return
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise BadInput(f"`{name}` must be {_WORDS[kind]}, not {_of(value)}.")
    if kind == "array":
        for item in value:
            _check_type(f"{name}[]", schema.get("items", {}), item)


def _of(value: Any) -> str:
    """What was sent, in words; a short text as it is."""
    if value is None:
        return _WORDS["null"]
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return next((_WORDS[kind] for kind, types in _KINDS.items() if type(value) in types), "something else")


def _parameters(function: Any) -> tuple[list[str], set[str]]:
    """Names of the parameters, and which of them have None for default."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters], {p.name for p in parameters if p.default is None}
