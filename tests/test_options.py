"""Options check themselves, in words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sr_demo.errors import BadInput
from sr_demo.options import Options, as_dict, build, controls, option


@dataclass(frozen=True)
class Some(Options):
    steps: int = option(5, "Steps", "How many.", minimum=1, maximum=50, step=1)
    strength: float = option(0.5, "Strength", "How much.", minimum=0.0, maximum=1.0)
    fast: bool = option(False, "Fast", "Less exact.")
    kind: str = option("soft", "Kind", "Which.", choices=("soft", "hard"))


def test_text_from_a_command_line_becomes_the_right_type() -> None:
    made = build(Some, {"steps": "7", "strength": "0.25", "fast": "yes", "kind": "hard"})
    assert as_dict(made) == {"steps": 7, "strength": 0.25, "fast": True, "kind": "hard"}
    assert type(made.steps) is int


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 99}, "Steps must be between 1 and 50, not 99."),
        ({"steps": 2.5}, "Steps must be a whole number, not 2.5."),
        ({"steps": "many"}, "Steps must be a number, not 'many'."),
        ({"strength": float("nan")}, "Strength must be between 0 and 1, not nan."),
        ({"fast": "perhaps"}, "Fast is either on or off, not 'perhaps'."),
        ({"kind": "odd"}, "Kind must be one of soft, hard, not 'odd'."),
        ({"speed": 1}, "There is no option 'speed' here. It takes: fast, kind, steps, strength."),
    ],
)
def test_refusals_name_the_value_and_the_limit(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        build(Some, values)
    assert str(caught.value) == sentence


def test_controls_keep_the_order_of_the_fields() -> None:
    assert [control.name for control in controls(Some)] == ["steps", "strength", "fast", "kind"]
