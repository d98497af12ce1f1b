"""The recommendation in sentences."""

from __future__ import annotations

from sr_demo.advice.estimates import Certainty, Estimates
from sr_demo.advice.recommendation import Note, Recommendation
from sr_demo.advice.rules import is_noisy, is_soft

_NOTES: dict[Note, str] = {
    "faces": "Faces may change: compare them with your photo.",
    "letters": "Letters may change: read them in your photo.",
}
_CLEAN = 95


def kind(found: Estimates) -> str:
    """Return in a few words what the photo is like, such as "small, JPEG of quality 40, a face"."""
    words: list[str] = ["small"] if found.is_small else []
    quality = found.jpeg_quality
    if quality.value is not None and quality.value < _CLEAN:
        words.append(f"JPEG {'of' if quality.certainty is Certainty.SURE else 'of about'} quality {quality.value}")
    if is_noisy(found):
        words.append("noisy")
    if is_soft(found):
        words.append("soft")
    if found.drawing.value:
        words.append("a drawing")
    if found.faces.value:
        perhaps = "perhaps " if found.faces.certainty is Certainty.UNSURE else ""
        words.append(perhaps + ("a face" if found.faces.value == 1 else f"{found.faces.value} faces"))
    if found.has_letters:
        words.append("small letters")
    return ", ".join(words) or "clean and sharp"


def sentence(found: Recommendation, looks: str, measuring: str) -> str:
    """Return the recommendation in one sentence; `looks` and `measuring` are the names of its methods, marked up or not."""
    verb = "should look" if found.certainty is Certainty.LIKELY else "may look"
    if found.looks.key == found.measuring.key:
        return f"For this photo ({kind(found.estimates)}): {looks} {verb} best, and you can measure in it."
    return f"For this photo ({kind(found.estimates)}): {looks} {verb} best; {measuring} if you will measure in it."


def reasons(found: Recommendation) -> list[str]:
    """Return why, in sentences: the rule, what to watch for, and what was estimated."""
    return [found.rule.reason, *(_NOTES[note] for note in found.notes), *_facts(found.estimates)]


def _facts(found: Estimates) -> list[str]:
    quality, noise, end = found.jpeg_quality, found.noise.value, found.detail_end.value
    if quality.value is None:
        jpeg = "no traces of JPEG"
    elif quality.certainty is Certainty.SURE:
        jpeg = f"JPEG quality {quality.value}, by the table in its file"
    else:
        jpeg = f"JPEG quality about {quality.value}, by its pixels"
    facts = [jpeg]
    if noise is not None:
        facts.append(f"noise of about {noise:.0f} of 255 levels" if noise >= 1 else "hardly any noise")
    if end is not None:
        facts.append(f"detail up to {end:.0%} of what its pixels could hold")
    return [f"Estimated from the photo, before any method has run: {'; '.join(facts)}."]
