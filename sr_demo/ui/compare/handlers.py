"""Event handlers of the Compare tab before a run: photo, region, preset, methods and their time estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import gradio as gr

from sr_demo.advice.focus import focus
from sr_demo.errors import SRError, log_unexpected
from sr_demo.inference.jobs import Job
from sr_demo.reports import formatting
from sr_demo.ui import method_choices
from sr_demo.ui import source as sources
from sr_demo.ui.clicks import point
from sr_demo.ui.compare import presets, sizes, whole_photo
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.presets import Selection
from sr_demo.ui.compare.run_handlers import run_key
from sr_demo.ui.compare.sizes import ChosenSize
from sr_demo.ui.examples import chosen_file
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext, labels, offered, region_choices, region_sides, seconds
from sr_demo.ui.sessions import session_of
from sr_demo.ui.source import REGION_SIDES, Source
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer.viewer import ViewerImage, file_url, viewer_value

_PATIENCE_SECONDS = 10.0
"""Longest estimate without a proposed region: visitors tend to leave after ten seconds."""


class Handlers:
    """Reads and writes the tab's components. Stateless apart from what it is made of."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context = context
        self._parts = components
        self._default_jobs, self._more_jobs = offered(context.approaches, context.runner.estimates)
        self._jobs = [*self._default_jobs, *self._more_jobs]

    def take(
        self, path: str | None, before: Source | None, preset: str, test: bool, methods: list[str], more: list[str],
        chip: str = sizes.DEFAULT, other: str = "", request: gr.Request | None = None,
    ) -> Updates:  # fmt: skip
        """Open an upload, show it, and propose a region if the whole photo would take long.

        Args:
            path: The upload.
            before: The previous photo, which stays if the upload cannot be read.
            preset: The selected preset.
            test: Whether the photo is the reference.
            methods: Keys of the ticked methods.
            more: Keys of the ticked further checkpoints.
            chip: The selected chip for the size of results.
            other: Text of the field for another size.
            request: Identifies the session.
        """

        def opened() -> Updates:
            updates = self._opened(path, before, preset, test, methods, more, chip, other, request)
            return {**updates, **self._in_viewer(updates, request)}

        updates = self._latest(opened, request)
        return {self._parts.photo.source: gr.skip()} if updates is None else updates

    def _latest(self, opened: Callable[[], Updates], request: gr.Request | None) -> Updates | None:
        """Return the updates of opening a photo; None if the visitor has opened or removed one in the meantime."""
        stops, (photo, region) = self._context.stops, _keys(request)
        stops.stop(region)
        updates = stops.latest(photo, opened)
        if updates is not None:
            stops.stop(region)  # a change of the previous photo's region that is still computed
        return updates

    def _opened(
        self, path: str | None, before: Source | None, preset: str, test: bool, methods: list[str], more: list[str],
        chip: str, other: str, request: gr.Request | None,
    ) -> Updates:  # fmt: skip
        """Return the updates for a new photo; arguments are those of `take`."""
        photo, own = self._parts.photo, self._own(request)
        if path is None:
            return {**self.clear(), photo.image: None}
        try:
            with self._context.uploads.opened(path, self._context.limits) as image:
                source = sources.source_of(path, image, focus(image.rgb))
                if preset != presets.FAMILIES:
                    size = sizes.chosen(chip, other, source, test=test)
                    source = self._with_proposed_region(source, test, [*methods, *more], size, own)
                preview = sources.write_preview(source, image, self._context.store.new())
        except SRError as exc:
            return self._kept(before, str(exc))
        except Exception as exc:
            return self._kept(before, log_unexpected(exc, "opening a photo"))
        return {
            photo.source: source,
            photo.image: str(preview),
            photo.about: sources.describe(source),
            photo.region: _region(source),
            # Otherwise the tick stays as it is now; it may have been changed since the values were read.
            **({self._parts.choice.test: presets.supports_test(source)} if preset == presets.FAMILIES else {}),
        }

    def _in_viewer(self, updates: Updates, request: gr.Request | None) -> Updates:
        """Show a new photo in place of the example, or the example again; results of a comparison stay, and those to come."""
        viewer, photo, session = self._parts.results.viewer, self._parts.photo, session_of(request)
        source: Source | None = updates[photo.source]
        compared = self._context.histories.shown(session) is not None
        if compared or self._context.stops.is_running(run_key(session)):
            return {}
        if source is None:
            return {viewer: viewer.value}
        preview = updates[photo.image]
        if source.is_part():  # its frame would stay when it is moved
            with self._context.uploads.opened(source.path, self._context.limits) as image:
                preview = sources.write_preview(source.whole(), image, self._context.store.new())
        shown = ViewerImage("input", "Your photo", file_url(preview), source.width, source.height, "Your photo")
        return {viewer: viewer_value([shown], example=True)}

    def _kept(self, before: Source | None, message: str) -> Updates:
        """Show why an upload was rejected, and the previous photo."""
        photo = self._parts.photo
        try:
            shown = self._redrawn(before)
        except SRError:  # the previous photo was deleted
            before, shown = None, self._redrawn(None)
        kept = {} if before else self.clear()
        return {**kept, **shown, photo.about: problem(message) + shown[photo.about]}

    def take_example(
        self, before: Source | None, preset: str, test: bool, methods: list[str], more: list[str], chip: str, other: str,
        event: gr.EventData, request: gr.Request | None = None,
    ) -> Updates:  # fmt: skip
        """Open the clicked example as if it had been uploaded; its comparison starts at once.

        Raises:
            gr.Error: The visitor has opened or removed a photo in the meantime. No comparison follows.
        """
        path = str(chosen_file(event))

        def opened() -> Updates:
            return self._opened(path, before, preset, test, methods, more, chip, other, request)

        updates = self._latest(opened, request)
        if updates is None:
            # Nothing follows an event that failed; what has superseded this one updates the page.
            raise gr.Error("Another photo was opened.", visible=False, print_exception=False)
        return updates

    def remove(self, request: gr.Request) -> Updates:
        """Remove the photo, and what is still being opened."""
        for key in _keys(request):
            self._context.stops.stop(key)
        updates = self.clear()
        return {**updates, **self._in_viewer(updates, request)}

    def clear(self) -> Updates:
        """Return the updates without a photo; its box is empty already."""
        photo = self._parts.photo
        return {photo.source: None, photo.about: "", photo.region: gr.Radio(visible=False)}

    def choose_preset(
        self, source: Source | None, preset: str, test: bool, methods: list[str], more: list[str],
        before: Selection | None, chip: str = sizes.DEFAULT, other: str = "", request: gr.Request | None = None,
    ) -> Updates:  # fmt: skip
        """Apply a preset, or restore what was selected before it."""
        choice, size = self._parts.choice, sizes.chosen(chip, other, source, test=test)
        own = self._own(request)
        if preset == presets.OWN:
            if before is None:
                return {choice.before_preset: None}
            selected = replace(before, methods=_among(before.methods, [*self._default_jobs, *own]))
            before = None
            source = self._restored(source, selected, size, own)
        else:
            before = before or Selection(test, methods, more, source)
            keys = presets.ticked(self._leading(preset), preset)
            default, further = (
                [job.key for job in jobs if job.key in keys] for jobs in (self._default_jobs, self._more_jobs)
            )
            if preset == presets.FAMILIES:
                source = source.whole() if source else None
                test = presets.supports_test(source)
            elif source is not None:
                source = self._with_proposed_region(source.whole(), test, keys, size, own)
            selected = Selection(test, default, further, source)
        return {
            **(self._changed(source, request, {self._parts.photo.region: _region(source)}) if source else {}),
            choice.test: selected.test,
            choice.methods: selected.methods,
            choice.more: selected.more,
            choice.before_preset: before,
        }

    def _leading(self, preset: str) -> list[Job]:
        """Return the job that represents each approach in a preset."""
        estimates = self._context.runner.estimates
        return method_choices.representative_jobs(self._context.approaches, estimates, quick=preset == presets.FAST)

    def _own(self, request: gr.Request | None) -> list[Job]:
        """Return the jobs of the visitor's own models."""
        return self._context.models.jobs(session_of(request))

    def _restored(
        self, source: Source | None, before: Selection, size: ChosenSize, own: Sequence[Job]
    ) -> Source | None:  # fmt: skip
        """Return the photo with its region from before the preset; for a new photo, with a proposed one."""
        if source is None or (before.source is not None and before.source.path == source.path):
            return before.source if source else None
        return self._with_proposed_region(source, before.test, [*before.methods, *before.more], size, own)

    def _with_proposed_region(
        self, source: Source, test: bool, keys: Sequence[str], size: ChosenSize, own: Sequence[Job] = ()
    ) -> Source:
        """Return the photo with a region if the whole image would take longer than `_PATIENCE_SECONDS`."""
        if self._total_seconds(source, test, keys, size, own=own) <= _PATIENCE_SECONDS:
            return source
        sides = region_sides(source)
        for side in reversed(sides):
            smaller = replace(source, region_side=side)
            if self._total_seconds(smaller, test, keys, size, own=own) <= _PATIENCE_SECONDS:
                return smaller
        return replace(source, region_side=sides[0]) if sides else source

    def _total_seconds(
        self, source: Source, test: bool, keys: Sequence[str], size: ChosenSize, preset: str = presets.OWN,
        own: Sequence[Job] = (),
    ) -> float:  # fmt: skip
        lr_size = presets.lr_size(source, preset, test, size.factor)
        jobs = [job.sized(size.size) for job in (*self._jobs, *own) if job.key in keys]
        return sum(seconds(self._context, job, lr_size, opacity=source.opacity) for job in jobs)

    def propose_region(
        self, source: Source | None, preset: str, test: bool, methods: list[str], more: list[str],
        chip: str = sizes.DEFAULT, other: str = "", request: gr.Request | None = None,
    ) -> Updates:  # fmt: skip
        """Propose the region again after the page has ticked other methods, unless the visitor has chosen it."""
        photo = self._parts.photo
        chosen = self._context.stops.is_running(_keys(request)[1]) or (source is not None and source.chosen)
        if source is not None and not chosen and preset != presets.FAMILIES:
            size = sizes.chosen(chip, other, source, test=test)
            proposed = self._with_proposed_region(source.whole(), test, [*methods, *more], size, self._own(request))
            if proposed != source:
                return self._changed(proposed, request, {photo.region: _region(proposed)})
        return {part: gr.skip() for part in (photo.source, photo.image, photo.about, photo.region)}

    def choose_region(self, source: Source | None, region: str, request: gr.Request | None = None) -> Updates:
        """Change the size of the region."""
        if source is None:
            return self._changed(None, request)
        side = int(region) if region.isdecimal() and int(region) in REGION_SIDES else None
        return self._changed(replace(source, region_side=side, chosen=True), request)

    def choose_whole(self, source: Source | None, request: gr.Request | None = None) -> Updates:
        """Select the whole photo instead of the part."""
        parts, whole = self._parts, source and replace(source.whole(), chosen=True)
        region = {parts.photo.region: _region(whole)} if whole else {}
        return self._changed(whole, request, {**region, parts.run.whole: gr.Button(visible=False)})

    def move_region(self, source: Source | None, event: gr.EventData, request: gr.Request | None = None) -> Updates:
        """Move the region to the clicked position."""
        if source is None or source.region_side is None:
            return self._changed(source, request)
        x, y = point(event)
        shown = min(1.0, sources.PREVIEW_SIDE / max(source.width, source.height))
        centre = x / (source.width * shown), y / (source.height * shown)
        return self._changed(replace(source, centre=centre, chosen=True), request)

    def _changed(self, source: Source | None, request: gr.Request | None, more: Updates | None = None) -> Updates:
        """Return `more` and the updates of a new region; none after a later change, or after another photo was opened."""
        _, key = _keys(request)
        updates = self._context.stops.latest(key, lambda: {**self._redrawn(source), **(more or {})})
        return {self._parts.photo.source: gr.skip()} if updates is None else updates

    def _redrawn(self, source: Source | None) -> Updates:
        photo = self._parts.photo
        if source is None:
            return {photo.source: None, photo.image: None, photo.about: ""}
        with self._context.uploads.opened(source.path, self._context.limits) as image:
            preview = sources.write_preview(source, image, self._context.store.new())
        return {photo.source: source, photo.image: str(preview), photo.about: sources.describe(source)}

    def estimate(
        self, source: Source | None, preset: str, test: bool, methods: list[str], more: list[str],
        request: gr.Request | None = None, chip: str = sizes.DEFAULT, other: str = "",
    ) -> Updates:  # fmt: skip
        """Label the methods with their time estimates for this photo and size, and show the sum of the ticked ones."""
        choice, run = self._parts.choice, self._parts.run
        own = self._own(request)
        first_jobs = [*self._default_jobs, *own]
        there = _among(methods, first_jobs)
        keys = [*there, *more]
        size = sizes.chosen(chip, other, source, test=test)
        lr_size = presets.lr_size(source, preset, test, size.factor) if source else (256, 256)
        opacity = source is not None and source.opacity
        said = fine_print(size.problem)
        if not keys:
            said = fine_print("Tick at least one method.")
        elif source and not size.problem:
            said = f'<p class="sr-fine sr-times">{self._times(source, preset, test, keys, size, own)}</p>'
            if self._context.runner.estimates.is_busy:
                said += f'<p class="sr-fine">{marked("estimate_busy")}</p>'
        first, more_labels = (
            labels(self._context, jobs, lr_size, opacity=opacity, size=size.size)
            for jobs in (first_jobs, self._more_jobs)
        )
        can_run = source is not None and bool(keys) and not size.problem
        return {
            # What is ticked is set only where a model is gone, so that what is ticked meanwhile stays.
            choice.methods: gr.CheckboxGroup(choices=first)
            if there == methods
            else gr.CheckboxGroup(choices=first, value=there),
            choice.more: gr.CheckboxGroup(choices=more_labels),
            choice.degradation_box: gr.Group(visible=test),
            choice.preset_note: fine_print(
                presets.note(preset, test, source, self._leading(preset), keys, size.factor)
            ),
            run.estimate: said,
            run.start: gr.Button(interactive=can_run),
            run.whole: self._whole_button(source, preset, test, keys, size, own)
            if can_run
            else gr.Button(visible=False),
        }

    def _times(
        self, source: Source, preset: str, test: bool, keys: Sequence[str], size: ChosenSize, own: Sequence[Job]
    ) -> str:
        """Return HTML: the time estimate of a comparison, and that of upscaling the whole photo after its part."""
        total = formatting.seconds(self._total_seconds(source, test, keys, size, preset, own))
        job = None
        if not test and preset != presets.FAMILIES:
            jobs = [job.sized(size.size) for job in (*self._jobs, *own) if job.key in keys]
            job = whole_photo.whole_photo_job(self._context, jobs, source)
        if job is None:
            return marked("estimate", time=total)
        whole = formatting.seconds(whole_photo.expected(self._context, job, source))
        return marked("estimate_part", time=total, whole=whole, method=job.title)

    def _whole_button(
        self, source: Source | None, preset: str, test: bool, keys: Sequence[str], size: ChosenSize, own: Sequence[Job]
    ) -> gr.Button:
        """Return the button that compares on the whole photo, with its time estimate; hidden if no part is selected."""
        if source is None or not source.is_part() or preset == presets.FAMILIES:
            return gr.Button(visible=False)
        total = self._total_seconds(source.whole(), test, keys, size, preset, own)
        label = f"{text('whole_photo')}: ~ {formatting.seconds(total)}"
        return gr.Button(label, visible=True, interactive=True)


def _keys(request: gr.Request | None) -> tuple[str, str]:
    """Return the keys of a session's photo, and of the region of that, among the stop flags."""
    session = session_of(request)
    return f"photo {session}", f"region {session}"


def _among(keys: Sequence[str], jobs: Sequence[Job]) -> list[str]:
    """Return the keys that belong to a job: a model of the visitor may be gone, and Gradio refuses a key without a choice."""
    there = {job.key for job in jobs}
    return [key for key in keys if key in there]


def _region(source: Source) -> gr.Radio:
    choices = region_choices(source)
    value = str(source.region_side) if source.region_side else method_choices.WHOLE
    return gr.Radio(choices, value=value, visible=len(choices) > 1)
