"""The components of the Compare tab that its events read or write, in groups."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from sr_demo.ui import controls, prompt_box
from sr_demo.ui.compare.save_menu import SaveMenu


@dataclass(frozen=True)
class PhotoComponents:
    """The photo, and the part of it to work on."""

    image: gr.Image
    examples: gr.HTML
    about: gr.HTML
    region: gr.Radio
    source: gr.State
    """Holds a `Source`, or None."""


@dataclass(frozen=True)
class SearchComponents:
    """The search in OpenModelDB."""

    words: gr.Textbox
    scale: gr.Dropdown
    licences: gr.Dropdown
    search: gr.Button
    status: gr.HTML
    found: gr.Radio
    """Its values are card ids."""
    fetch: gr.Button
    absent: gr.HTML
    """Matching models that cannot run here, each with the reason."""


@dataclass(frozen=True)
class VisitorModelComponents:
    """The visitor's own model files."""

    file: gr.File
    licence: gr.Textbox
    status: gr.HTML
    remove: gr.Button
    added: gr.State
    """Key of a model that was added and is not ticked yet, or ""."""
    search: SearchComponents | None
    """None if the search is not offered."""


@dataclass(frozen=True)
class ExternalResultComponents:
    """Results that other tools made of the photo."""

    files: gr.File
    status: gr.HTML


@dataclass(frozen=True)
class ChoiceComponents:
    """The choice of methods."""

    test: gr.Checkbox
    """Whether the photo is the reference: it is downscaled first, and results are scored against it."""
    degradation: gr.Radio
    degradation_box: gr.Group
    preset: gr.Radio
    preset_note: gr.HTML
    before_preset: gr.State
    """Holds a `presets.Selection`, or None."""
    methods: gr.CheckboxGroup
    more: gr.CheckboxGroup
    proposed: gr.State
    """Holds the keys of the methods that the page ticked itself; it may tick others while exactly these are ticked."""
    options: list[controls.Bound]
    caption: prompt_box.PromptComponents | None
    own: VisitorModelComponents
    brought: ExternalResultComponents


@dataclass(frozen=True)
class RunComponents:
    """The size of results; starting and stopping."""

    size: gr.Radio
    other_size: gr.Textbox
    """Used only if the selected chip is that for another size."""
    start: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    whole: gr.Button
    """Selects the whole photo instead of the part, and compares; its label shows the expected time."""


@dataclass(frozen=True)
class ResultComponents:
    """The results of a comparison, and their controls."""

    progress: gr.HTML
    viewer: gr.HTML
    advice: gr.HTML
    """The recommended methods for the photo, shown before a run."""
    keep_faces: gr.Checkbox
    """Whether generative methods show less of their detail in faces; visible only if faces were found."""
    table: gr.HTML
    chart: gr.HTML
    families: gr.HTML
    history: gr.HTML
    """The latest comparisons of this visit."""
    downloads: dict[str, gr.DownloadButton]
    """By kind: "zip", "html", "json"."""
    link: gr.Button
    """Creates a link to the displayed comparison."""
    unlink: gr.Button
    """Deletes the link."""
    link_note: gr.HTML

    def all(self) -> list[Block]:
        """Return all of these components."""
        shown: list[Block] = [self.progress, self.viewer, self.table, self.chart, self.families]
        return [*shown, self.history, *self.downloads.values(), self.link, self.unlink, self.link_note]


@dataclass(frozen=True)
class CompareComponents:
    """All components of the tab, by group."""

    photo: PhotoComponents
    choice: ChoiceComponents
    run: RunComponents
    results: ResultComponents
    save: SaveMenu

    def selection(self) -> list[Component]:
        """Return the inputs that determine the jobs and their number of pixels, in the handlers' order of arguments."""
        choice = self.choice
        return [choice.preset, choice.test, choice.methods, choice.more]

    def sizes(self) -> list[Component]:
        """Return the inputs that determine the size of results, in the handlers' order of arguments."""
        return [self.run.size, self.run.other_size]

    def estimate_inputs(self) -> list[Component]:
        """Return the inputs of `Handlers.estimate`, in the order of its arguments."""
        return [self.photo.source, *self.selection(), *self.sizes()]

    def estimates(self) -> list[Block]:
        """Return the outputs of `Handlers.estimate`."""
        choice, run = self.choice, self.run
        return [
            choice.methods,
            choice.more,
            choice.degradation_box,
            choice.preset_note,
            run.estimate,
            run.start,
            run.whole,
        ]

    def run_inputs(self) -> set[Component]:
        """Return all inputs of a comparison."""
        options = [bound.component for bound in self.choice.options]
        chosen = {self.choice.degradation, self.choice.brought.files, *options}
        return {*self.estimate_inputs(), self.results.keep_faces, *chosen}
