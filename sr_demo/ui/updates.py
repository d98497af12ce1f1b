"""The type of what event handlers return."""

from __future__ import annotations

from typing import Any

Updates = dict[Any, Any]
"""Component -> its new value or properties. Components that are left out stay as they are; `gr.skip()` changes none."""
