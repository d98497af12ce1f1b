"""Options of approaches: frozen dataclasses from which the page, the command line and the API derive their controls.

A field defined by `option(...)` carries its label, help and range. `Options` checks all values when an instance is created,
so that every instance is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from sr_demo.errors import BadInput, quoted

Value = bool | int | float | str
T = TypeVar("T", bound="Options")


@dataclass(frozen=True)
class Control:
    """Label, help and valid values of one option."""

    name: str
    """Field name: `--set name=value` on the command line, the key in JSON."""
    default: Value
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    lines: int = 0
    """Number of lines of the field for free text, for which `maximum` is the largest number of characters; 0 for others."""
    owner: str = ""
    """Name of the options class."""

    def parse(self, value: object) -> Value:
        """Convert `value` (from a slider, JSON or a command line) to this option's type. Raises BadInput with the range."""
        if isinstance(self.default, bool):
            return self._parse_bool(value)
        if isinstance(self.default, str):
            return self._parse_text(value)
        return self._parse_number(value)

    def _parse_bool(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in {"true", "yes", "on", "1"}:
            return True
        if word in {"false", "no", "off", "0"}:
            return False
        raise BadInput(f"{self.label} is either on or off, not {quoted(value)}.")

    def _parse_text(self, value: object) -> str:
        text = str(value)
        if self.choices and text not in self.choices:
            raise BadInput(f"{self.label} must be one of {', '.join(self.choices)}, not {quoted(text)}.")
        if self.lines:
            return self._parse_free_text(text)
        return text

    def _parse_free_text(self, text: str) -> str:
        """Return free text as one line, with spaces instead of line breaks."""
        text = " ".join(text.split())
        if self.maximum is not None and len(text) > self.maximum:
            raise BadInput(f"{self.label} may have {self.maximum:g} characters at most, not {len(text)}.")
        if not text.isprintable():
            raise BadInput(f"{self.label} must be plain text, without control characters.")
        return text

    def _parse_number(self, value: object) -> int | float:
        try:
            number = float(str(value))
        except ValueError:
            raise BadInput(f"{self.label} must be a number, not {quoted(value)}.") from None
        low, high = self.minimum, self.maximum
        # `not (low <= number <= high)` also catches NaN.
        if low is not None and high is not None and not (low <= number <= high):
            raise BadInput(f"{self.label} must be between {low:g} and {high:g}, not {number:g}.")
        if isinstance(self.default, int):
            if number != int(number):
                raise BadInput(f"{self.label} must be a whole number, not {number:g}.")
            return int(number)
        return number


def option(
    default: Value,
    label: str,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field for an option of a user.

    Args:
        default: Default value; its type is the option's type.
        label: Label on the page.
        help: One sentence.
        minimum: Smallest value; required for numbers.
        maximum: Largest value; required for numbers.
        step: Step of the slider.
        choices: Allowed values of a text.
    """
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        assert minimum is not None and maximum is not None, f"{label}: a number needs a range"
    return field(
        default=default, metadata={"control": Control("", default, label, help, minimum, maximum, step, choices)}
    )


def share(default: float, label: str, help: str) -> Any:
    """Return a dataclass field for an option from 0 to 1. See `option` for the arguments."""
    return option(default, label, help, minimum=0.0, maximum=1.0, step=0.05)


def text(default: str, label: str, help: str, *, lines: int = 2, longest: int = 1000) -> Any:
    """Return a dataclass field for free text.

    Args:
        default: Initial text.
        label: Label on the page.
        help: One sentence.
        lines: Number of lines of the text box.
        longest: Largest number of characters.
    """
    return field(
        default=default,
        metadata={"control": Control("", default, label, help, maximum=longest, lines=lines)},
    )


@dataclass(frozen=True)
class Options:
    """Base class of all options. Subclasses are frozen dataclasses whose fields are defined by `option` or `text`."""

    def __post_init__(self) -> None:
        for control in controls(type(self)):
            object.__setattr__(self, control.name, control.parse(getattr(self, control.name)))


@dataclass(frozen=True)
class DetailOptions(Options):
    """The option of every generative method: the share of its invented detail that is shown (`inference/faithful.py`)."""

    detail: float = share(
        1.0,
        "Detail",
        "How much of the detail that the method draws is shown. 1 is its result as it is; below, colours and shapes are "
        "those of EDSR, which invents nothing, and at 0 the fine detail is, too.",
    )


@dataclass(frozen=True)
class GenerativeOptions(DetailOptions):
    """The options of generative methods that generate the whole image."""

    face_detail: float = share(
        1.0,
        "Detail in faces",
        "Faces show no more of it than this, with a soft edge. 0.3 keeps people recognizable; at 1 no faces are looked for.",
    )


def controls(kind: type[Options]) -> tuple[Control, ...]:
    """Return the controls of an options class, in the order of its fields."""
    found: list[Control] = []
    for f in fields(kind):
        control: Control = f.metadata["control"]
        found.append(replace(control, name=f.name, owner=kind.__name__))
    return tuple(found)


def build(kind: type[T], values: Mapping[str, object]) -> T:
    """Create options from names and values.

    Args:
        kind: The options class.
        values: Values by name; the other options keep their defaults.

    Raises:
        BadInput: A name is unknown, or a value is outside its range.
    """
    known = {control.name for control in controls(kind)}
    for name in values:
        if name not in known:
            there = f"It takes: {', '.join(sorted(known))}." if known else "It takes no options."
            raise BadInput(f"There is no option {quoted(name)} here. {there}")
    return kind(**values)  # type: ignore[arg-type]


def as_dict(options: Options) -> dict[str, Value]:
    """Return the values by name, in the order of the fields."""
    return {control.name: getattr(options, control.name) for control in controls(type(options))}
