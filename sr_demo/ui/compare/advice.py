"""The recommendation on the Compare tab: which methods suit the photo, why, and a button that ticks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

import gradio as gr

from sr_demo.advice import sentences
from sr_demo.advice.estimates import PhotoEstimates, estimate
from sr_demo.advice.recommendation import Recommendation, recommend
from sr_demo.advice.sentences import Phrase
from sr_demo.errors import SRError
from sr_demo.inference.jobs import Job, Result
from sr_demo.system.least_recently_used import LeastRecentlyUsed
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.languages import marked
from sr_demo.ui.method_choices import PageContext, offered
from sr_demo.ui.sessions import session_of
from sr_demo.ui.source import Source
from sr_demo.ui.updates import Updates

ON_LOAD = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-tick]");
  if (!button) return;
  button.parentElement.classList.add("sr-ticked");
  trigger("select", {});
});
"""
TICKED_NO_MORE = """() => {
  document.querySelector("#advice .sr-ticked")?.classList.remove("sr-ticked");
  return [];
}"""
"""Script that offers the button again, once the visitor has ticked other methods than the recommended ones."""
EXAMPLE = f'<div class="sr-advice"><p>{marked("advice_example")}</p></div>'
"""What stands in place of the recommendation before there is a photo."""
_MOST_PHOTOS = 100
_BASELINE = "bicubic"
"""Method that is ticked with the recommended ones, for comparison."""


class AdviceHandlers:
    """Handlers that analyse a photo after it was opened, at the same time as other events, and recommend methods."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context, self._parts = context, components
        self._default_jobs, self._more_jobs = offered(context.approaches, context.runner.estimates)
        self._lock = Lock()
        self._held: LeastRecentlyUsed[tuple[str, int], PhotoEstimates] = LeastRecentlyUsed(lambda _: _MOST_PHOTOS)
        self._chosen: LeastRecentlyUsed[str, None] = LeastRecentlyUsed(lambda _: _MOST_PHOTOS)
        """Sessions of visitors who have chosen methods since their last photo was opened."""

    def choose(self, request: gr.Request) -> None:
        """Record that the visitor has chosen methods, so that a proposal which is still computed does not override them."""
        with self._lock:
            self._chosen.put(session_of(request), None)

    def show(
        self, source: Source | None, methods: Sequence[str] = (), more: Sequence[str] = (), request: gr.Request | None = None
    ) -> Updates:  # fmt: skip
        """Show the recommendation for a newly opened photo; clear it if there is no photo.

        Args:
            source: The photo.
            methods: Keys of the ticked methods.
            more: Keys of the ticked further checkpoints.
            request: Identifies the session.
        """
        stops, session, results = self._context.stops, session_of(request), self._parts.results
        with self._lock:
            self._chosen.drop(session)
        shown = stops.latest(f"advice {session}", lambda: self._updates(source, {*methods, *more}, session))
        return {results.advice: gr.skip()} if shown is None else shown  # another photo was opened meanwhile

    def _updates(self, source: Source | None, ticked: set[str], session: str) -> Updates:
        """Return the recommendation for a photo, and whether it has faces to keep."""
        found, results = self._recommendation(source), self._parts.results
        faces = found is not None and bool(found.estimates.faces.value)
        first = source is None and self._context.histories.shown(session) is None
        return {
            results.advice: (EXAMPLE if first else "") if found is None else self._html(found, ticked),
            results.keep_faces: gr.Checkbox(visible=faces) if faces else gr.Checkbox(False, visible=False),
        }

    def propose(
        self, source: Source | None, test: bool, methods: list[str], more: list[str], proposed: list[str],
        request: gr.Request | None = None,
    ) -> Updates:  # fmt: skip
        """Tick the recommended methods and the baseline for a new photo, unless the visitor has chosen methods.

        Args:
            source: The photo.
            test: Whether the methods are scored; if so, the ticked ones stay.
            methods: Keys of the ticked methods.
            more: Keys of the ticked further checkpoints.
            proposed: Keys of the methods that the page has ticked itself.
            request: Identifies the session, whose visitor may have chosen methods after these values were read.
        """
        found = self._recommendation(source)
        with self._lock:
            chosen = session_of(request) in self._chosen
        if found is None or test or chosen or {*methods, *more} != set(proposed):
            kept = {component: gr.skip() for component in (*self._ticked(), self._parts.choice.proposed)}
            # What is ticked may have changed while the photo was analysed.
            return {**kept, self._parts.results.advice: self._html(found, {*methods, *more}) if found else gr.skip()}
        keys = [job.key for job in self._suited(found)]
        ticked = {self._parts.results.advice: self._html(found, set(keys))}
        return {**self._ticks(found), **ticked, self._parts.choice.proposed: keys}

    def measured(self, source: Source | None, results: Sequence[Result], ticked: set[str]) -> Updates:
        """Show the recommendation for a photo, followed by the methods' scores if there is a reference.

        Args:
            source: The photo.
            results: Results of its comparison.
            ticked: Keys of the ticked methods.
        """
        found, phrase = self._recommendation(source), sentences.measured(results)
        if found is None:
            return {}
        scored = "" if phrase is None else f'<p class="sr-advice">{_shown(phrase)}</p>'
        return {self._parts.results.advice: self._html(found, ticked) + scored}

    def tick(self, source: Source | None) -> Updates:
        """Tick the recommended methods and the baseline instead of the present ones."""
        found = self._recommendation(source)
        return {component: gr.skip() for component in self._ticked()} if found is None else self._ticks(found)

    def _ticked(self) -> tuple[gr.CheckboxGroup, gr.CheckboxGroup]:
        return self._parts.choice.methods, self._parts.choice.more

    def _ticks(self, found: Recommendation) -> Updates:
        """Return the updates that tick what is recommended."""
        choice, suited = self._parts.choice, self._suited(found)
        return {
            choice.methods: [job.key for job in suited if job in self._default_jobs],
            choice.more: [job.key for job in suited if job in self._more_jobs],
        }

    def _suited(self, found: Recommendation) -> list[Job]:
        """Return the recommended methods and the baseline, in the order of the page."""
        wanted = {_BASELINE, *(job.key for job in found.jobs)}
        return [job for job in (*self._default_jobs, *self._more_jobs) if job.key in wanted]

    def _html(self, found: Recommendation, ticked: set[str]) -> str:
        return html(found, ticked=ticked == {job.key for job in self._suited(found)})

    def _recommendation(self, source: Source | None) -> Recommendation | None:
        if source is None:
            return None
        try:
            return recommend(self._estimates(Path(source.path)), [*self._default_jobs, *self._more_jobs])
        except (SRError, OSError):  # the upload was deleted: the event that needs it reports that
            return None

    def _estimates(self, path: Path) -> PhotoEstimates:
        version = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if version in self._held:
                return self._held.use(version)
        with self._context.uploads.opened(path, self._context.limits) as image:
            found = estimate(image.rgb, path)
        with self._lock:
            self._held.put(version, found)
        return found


def html(found: Recommendation, *, ticked: bool = False) -> str:
    """Return HTML: the recommendation in one line, its reasons in a closed `<details>`, and the button.

    Args:
        found: The recommendation.
        ticked: Whether exactly the recommended methods are ticked; a note stands in place of the button then.
    """
    photo = f"{_shown(Phrase('photo'))} ({_joined(sentences.kind(found.estimates), ', ')})"
    choice = _shown(sentences.choice(found, found.looks.title, found.measuring.title))
    facts = f"{_shown(Phrase('estimated'))} {_joined(sentences.facts(found.estimates), '; ')}."
    reasons = "".join(f"<li>{reason}</li>" for reason in (*map(_shown, sentences.reasons(found)), facts))
    tick, done, why = marked("advice_tick"), marked("advice_ticked"), marked("advice_why")
    return (
        f'<div class="sr-advice"><p{" class=sr-ticked" if ticked else ""}>{photo}: {choice} '
        f'<button type="button" id="tick-these" data-tick class="sr-link">{tick}</button> '
        f'<span class="sr-done">{done}</span></p>'
        f"<details><summary>{why}</summary><ul>{reasons}</ul></details></div>"
    )


def _joined(phrases: Iterable[Phrase], between: str) -> str:
    return between.join(map(_shown, phrases))


def _shown(phrase: Phrase) -> str:
    return marked(f"advice_{phrase.key}", **phrase.values)
