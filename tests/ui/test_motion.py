"""Nothing moves by itself for people who have asked their system for less motion."""

from __future__ import annotations

import re
from pathlib import Path

from sr_demo import ui


def test_smooth_scrolling_asks_first() -> None:
    folder = Path(ui.__file__).parent
    texts = {
        path: path.read_text(encoding="utf-8") for kind in ("py", "js", "css") for path in folder.rglob(f"*.{kind}")
    }
    smooth = {path.name for path, text in texts.items() if re.search(r"['\"]smooth['\"]|scroll-behavior", text)}
    asking = {path.name for path, text in texts.items() if "prefers-reduced-motion" in text}
    assert smooth and smooth <= asking
