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
    """Its values are ids of cards."""
    fetch: gr.Button
    absent: gr.HTML
    """What was found but cannot run here, each with the reason."""


@dataclass(frozen=True)
class OwnComponents:
    """The visitor's own model files."""

    file: gr.File
    licence: gr.Textbox
    status: gr.HTML
    remove: gr.Button
    added: gr.State
    """Key of a model that was added and is not ticked yet, or ""."""
    search: SearchComponents | None
    """None where OpenModelDB is not offered."""


@dataclass(frozen=True)
class BroughtComponents:
    """Results that other tools made of the photo."""

    files: gr.File
    status: gr.HTML


@dataclass(frozen=True)
class ChoiceComponents:
    """What to run on it."""

    test: gr.Checkbox
    """Whether the photo is the reference: it is downscaled, and results are scored against it."""
    degradation: gr.Radio
    degradation_box: gr.Group
    preset: gr.Radio
    preset_note: gr.HTML
    before_preset: gr.State
    """Holds a `presets.Selection`, or None."""
    methods: gr.CheckboxGroup
    more: gr.CheckboxGroup
    proposed: gr.State
    """Holds the keys of the methods that the page ticked itself: as long as these are ticked, it may tick others."""
    options: list[controls.Bound]
    caption: prompt_box.Box | None
    own: OwnComponents
    brought: BroughtComponents


@dataclass(frozen=True)
class RunComponents:
    """How large, starting and stopping."""

    size: gr.Radio
    other_size: gr.Textbox
    """Read where the chip says so."""
    start: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    whole: gr.Button
    """Compares on the whole photo, where a part is proposed; says what that takes."""


@dataclass(frozen=True)
class ResultComponents:
    """What a comparison shows."""

    progress: gr.HTML
    viewer: gr.HTML
    advice: gr.HTML
    """Which methods suit the photo; shown before they run."""
    keep_faces: gr.Checkbox
    """Whether generative methods show less of their detail in faces; there where faces were found."""
    table: gr.HTML
    chart: gr.HTML
    families: gr.HTML
    history: gr.HTML
    """The last comparisons of this visit."""
    downloads: dict[str, gr.DownloadButton]
    """By kind: "zip", "html", "json"."""
    link: gr.Button
    """Makes a link to what is shown."""
    unlink: gr.Button
    """Deletes it."""
    link_note: gr.HTML

    def all(self) -> list[Block]:
        """Return every one of them."""
        shown: list[Block] = [self.progress, self.viewer, self.table, self.chart, self.families]
        return [*shown, self.history, *self.downloads.values(), self.link, self.unlink, self.link_note]


@dataclass(frozen=True)
class CompareComponents:
    """All of the tab."""

    photo: PhotoComponents
    choice: ChoiceComponents
    run: RunComponents
    results: ResultComponents
    save: SaveMenu

    def selection(self) -> list[Component]:
        """Return what decides which jobs run, and on how many pixels, in the order that handlers take it."""
        choice = self.choice
        return [choice.preset, choice.test, choice.methods, choice.more]

    def sizes(self) -> list[Component]:
        """Return what decides how large results are, in the order that handlers take it."""
        return [self.run.size, self.run.other_size]

    def estimate_inputs(self) -> list[Component]:
        """Return what `Handlers.estimate` reads, in the order that it takes it."""
        return [self.photo.source, *self.selection(), *self.sizes()]

    def estimates(self) -> list[Block]:
        """Return what `Handlers.estimate` writes."""
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
        """Return all that a comparison reads."""
        options = [bound.component for bound in self.choice.options]
        chosen = {self.choice.degradation, self.choice.brought.files, *options}
        return {*self.estimate_inputs(), self.results.keep_faces, *chosen}
