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
    smooth = {path: len(re.findall(r"['\"]smooth['\"]|scroll-behavior", text)) for path, text in texts.items()}
    asking = {path: text.count("prefers-reduced-motion") for path, text in texts.items()}
    assert any(smooth.values())
    assert [path for path, times in smooth.items() if times > asking[path]] == []
