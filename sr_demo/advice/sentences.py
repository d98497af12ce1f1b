"""The recommendation in phrases: keys with values, which the page translates, and their English texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sr_demo.advice.estimates import Certainty, PhotoEstimates
from sr_demo.advice.recommendation import Recommendation
from sr_demo.advice.rules import RULES, is_noisy, is_soft
from sr_demo.inference.jobs import Result

_CLEAN = 95
"""JPEG quality from which the compression is not mentioned."""

TEXTS: dict[str, str] = {
    "photo": "For this photo",
    "small": "small",
    "jpeg_sure": "JPEG of quality {quality}",
    "jpeg_likely": "JPEG of about quality {quality}",
    "noisy": "noisy",
    "soft": "soft",
    "drawing": "a drawing",
    "face": "a face",
    "faces": "{count} faces",
    "perhaps_faces": "perhaps a face",
    "letters": "small letters",
    "clean": "clean and sharp",
    "likely": "<b>{looks}</b> should look best; <b>{measuring}</b> if you will measure in it.",
    "unsure": "<b>{looks}</b> may look best; <b>{measuring}</b> if you will measure in it.",
    "likely_both": "<b>{looks}</b> should look best, and you can measure in it.",
    "unsure_both": "<b>{looks}</b> may look best, and you can measure in it.",
    **{f"rule_{rule.id}": rule.reason for rule in RULES},
    "note_faces": "Faces may change: compare them with your photo.",
    "note_letters": "Letters may change: read them in your photo.",
    "estimated": "Estimated from the photo, before any method has run:",
    "fact_no_jpeg": "no traces of JPEG",
    "fact_jpeg_sure": "JPEG quality {quality}, by the table in its file",
    "fact_jpeg_likely": "JPEG quality about {quality}, by its pixels",
    "fact_noise": "noise of about {noise} of 255 levels",
    "fact_texture": "noise or texture of about {noise} of 255 levels",
    "fact_no_noise": "hardly any noise",
    "fact_detail": "detail up to {percent} % of what its pixels could hold",
    "fact_signal": "signal above the noise up to {percent} % of that (Fourier ring correlation of the photo with itself)",
    "measured": "Measured against your original: <b>{closest}</b> is closest to it; <b>{right}</b> brings back more of "
    "its fine detail than the others ({percent} %).",
    "measured_both": "Measured against your original: <b>{closest}</b> is closest to it, and brings back more of its "
    "fine detail than the others ({percent} %).",
}
"""English text of each key; `{name}` stands for a value."""


class Phrase(NamedTuple):
    """A text by its key in `TEXTS`, with its values."""

    key: str
    values: dict[str, object] = {}  # noqa: RUF012 - never changed

    def english(self) -> str:
        """Return the English text without markup."""
        return re.sub("</?b>", "", TEXTS[self.key]).format(**self.values)


def kind(found: PhotoEstimates) -> list[Phrase]:
    """Return phrases that describe the photo, such as "small", "JPEG of quality 40", "a face"; at least one."""
    phrases = [Phrase("small")] if found.is_small else []
    quality = found.jpeg_quality
    if quality.value is not None and quality.value < _CLEAN:
        sure = quality.certainty is Certainty.SURE
        phrases.append(Phrase("jpeg_sure" if sure else "jpeg_likely", {"quality": quality.value}))
    phrases += [Phrase("noisy")] if is_noisy(found) else []
    phrases += [Phrase("soft")] if is_soft(found) else []
    phrases += [Phrase("drawing")] if found.drawing.value else []
    if found.faces.value and found.faces.certainty is Certainty.UNSURE:
        phrases.append(Phrase("perhaps_faces"))
    elif found.faces.value:
        phrases.append(Phrase("face") if found.faces.value == 1 else Phrase("faces", {"count": found.faces.value}))
    phrases += [Phrase("letters")] if found.has_letters else []
    return phrases or [Phrase("clean")]


def choice(found: Recommendation, looks: str, measuring: str) -> Phrase:
    """Return the recommendation; `looks` and `measuring` are the names of the methods."""
    certainty = "likely" if found.certainty is Certainty.LIKELY else "unsure"
    if len(found.jobs) == 1:
        return Phrase(f"{certainty}_both", {"looks": looks})
    return Phrase(certainty, {"looks": looks, "measuring": measuring})


def reasons(found: Recommendation) -> list[Phrase]:
    """Return the reason of the recommendation, and what to watch for in the result."""
    return [Phrase(f"rule_{found.rule.id}"), *(Phrase(f"note_{note}") for note in found.notes)]


def facts(found: PhotoEstimates) -> list[Phrase]:
    """Return phrases that state the estimates."""
    quality, noise, end = found.jpeg_quality, found.noise, found.detail_end.value
    if quality.value is None:
        phrases = [Phrase("fact_no_jpeg")]
    else:
        sure = quality.certainty is Certainty.SURE
        phrases = [Phrase("fact_jpeg_sure" if sure else "fact_jpeg_likely", {"quality": quality.value})]
    if noise.value is not None and noise.value < 1:
        phrases.append(Phrase("fact_no_noise"))
    elif noise.value is not None:
        key = "fact_texture" if noise.certainty is Certainty.UNSURE else "fact_noise"
        phrases.append(Phrase(key, {"noise": round(noise.value)}))
    if end is not None and found.detail_end.certainty is not Certainty.UNSURE:
        phrases.append(Phrase("fact_detail", {"percent": round(100 * end)}))
    if found.signal_end.value is not None:
        phrases.append(Phrase("fact_signal", {"percent": round(100 * found.signal_end.value)}))
    return phrases


def measured(results: Sequence[Result]) -> Phrase | None:
    """Return which results scored best in a comparison; None for fewer than two results with full-reference scores."""
    scored = [r for r in results if r.scores.psnr_y is not None and r.scores.improvement is not None]
    if len(scored) < 2:
        return None
    closest = max(scored, key=lambda r: r.scores.psnr_y or 0.0)
    right = max(scored, key=lambda r: r.scores.improvement or 0.0)
    values: dict[str, object] = {"closest": closest.job.title, "percent": round(right.scores.improvement or 0.0)}
    if closest is right:
        return Phrase("measured_both", values)
    return Phrase("measured", {**values, "right": right.job.title})


def lines(found: Recommendation, looks: str, measuring: str) -> list[str]:
    """Return the English text: the recommendation, its reasons, the estimates. See `choice` for the arguments."""
    photo = f"{Phrase('photo').english()} ({', '.join(one.english() for one in kind(found.estimates))})"
    estimated = "; ".join(one.english() for one in facts(found.estimates))
    return [
        f"{photo}: {choice(found, looks, measuring).english()}",
        *(one.english() for one in reasons(found)),
        f"{Phrase('estimated').english()} {estimated}.",
    ]
