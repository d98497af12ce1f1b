"""An image of a comparison that lies on disk, as the viewer, the reports and the zip share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sr_demo.image import Size


@dataclass(frozen=True)
class SavedImage:
    """A PNG file and the texts shown with it."""

    path: Path
    size: Size
    label: str
    """What the image shows: the title of a method, "Input" or the like."""
    scores: str
    """Scores in one short line, or where the image comes from."""
    alt: str
    """Text for people who do not see the image."""

    @property
    def caption(self) -> str:
        """Label and scores in one line."""
        return f"{self.label}: {self.scores}"
