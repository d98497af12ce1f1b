"""Shared code of the Digits tab's handlers: waiting for a turn, and error messages on the page."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import gradio as gr

from sr_demo.digits.options import DigitModel
from sr_demo.errors import BadInput, Cancelled, SRError, log_unexpected, quoted
from sr_demo.ui.callers import Callers
from sr_demo.ui.html import problem
from sr_demo.ui.updates import Updates

CPPNS: tuple[DigitModel, ...] = ("cppn-gan", "cppn-l2")
NO_DIGIT = "There is no digit yet: draw one, upload one, or take a typical one."


class _Handlers(Protocol):
    @property
    def callers(self) -> Callers: ...


H = TypeVar("H", bound=_Handlers)


def waits_for_turn(
    doing: str, status: Callable[[H], gr.HTML], begin: Callable[[H], None] | None = None, *, newest: bool = False
) -> Callable[[Callable[..., Updates]], Callable[..., Updates]]:
    """Return a decorator that makes a handler wait for its turn and shows its errors on the page.

    The handler receives the progress of its turn before the values of the components; the progress ends the work when the
    caller has left.

    Args:
        doing: Description of the handler's work, for the log entry of an unexpected error.
        status: Returns the component that shows an error message; all other components then stay unchanged.
        begin: Called before waiting, regardless of the outcome.
        newest: Whether a new event of the visitor stops the previous one.
    """

    def wrap(handler: Callable[..., Updates]) -> Callable[..., Updates]:
        @functools.wraps(handler)
        def guarded(self: H, *given: Any) -> Updates:
            if begin is not None:
                begin(self)
            try:
                with self.callers.turn(newest=handler.__name__ if newest else "") as progress:
                    return handler(self, progress, *given)
            except Cancelled:
                return {status(self): gr.skip()}
            except SRError as exc:
                return {status(self): problem(str(exc))}
            except Exception as exc:
                return {status(self): problem(log_unexpected(exc, doing))}

        own = inspect.signature(handler)
        kept = [parameter for name, parameter in own.parameters.items() if name != "progress"]
        guarded.__signature__ = own.replace(parameters=kept)  # type: ignore[attr-defined] - Gradio reads it
        return guarded

    return wrap


def checked_cppn(value: object) -> DigitModel:
    """Return the CPPN that an event has selected. Raises BadInput."""
    for system in CPPNS:
        if value == system:
            return system
    raise BadInput(f"Choose one of {', '.join(CPPNS)}, not {quoted(value)}.")
