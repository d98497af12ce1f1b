"""What the four tests of the doors share: limits, and the cases as parameters."""

from __future__ import annotations

from typing import Any

import pytest

from sr_demo.image import Limits
from sr_demo.settings import Settings
from tests.walk.table import CASES, MADE, Case

SETTINGS = Settings(max_megapixels=20, queue_length=1000)
LIMITS = Limits(SETTINGS.max_megabytes * 2**20, SETTINGS.max_megapixels * 10**6)
"""Fewer pixels than by default: an image of 100 megapixels is right, and minutes of work."""


def walked(only: tuple[str, ...] = ()) -> Any:
    """Parametrize a test with all cases, or with those of some made files; the made files are slow."""
    cases = [case for case in MADE if case.name in only] if only else [*CASES, *MADE]

    def parameter(case: Case) -> Any:
        marks = [pytest.mark.slow] if case.folder == "made" else []
        return pytest.param(case, id=f"{case.folder}/{case.name[:40]!a}", marks=marks)

    return pytest.mark.parametrize("case", [parameter(case) for case in cases])
