"""Rules for every entry of the catalogue; a new approach is checked without a new test."""

from __future__ import annotations

import json
import math
import pickle
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from safetensors import safe_open

from sr_demo import checkpoint as weights
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import Checkpoint, WeightFile, WheelMember
from sr_demo.digits import inference as digits
from sr_demo.hub import checkpoints
from sr_demo.inference.runner import Runner
from sr_demo.options import Options, as_dict, controls
from sr_demo.settings import Settings
from sr_demo.spec import Approach
from sr_demo.system.storage import sha256_of
from sr_demo.ui import controls as page_controls
from sr_demo.ui.page import build_page
from sr_demo.ui.store import Store
from tests import fakes

LICENCES = {"Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "none needed"}
CONDITIONAL = {
    "OpenRAIL++-M", "MIT and OpenRAIL++-M", "SUPIR, non-commercial", "Apache-2.0, trained on non-commercial FFHQ",
}  # fmt: skip
"""Only for what is listed apart or needs agreement, and never preselected."""
CARD = {
    "file", "sha256", "bytes", "parameters", "architecture", "scale", "licence", "data", "seconds", "device", "date",
    "scores",
}  # fmt: skip
TRAINED = {"recipe", "losses", "iterations", "torch", "curves"}
"""What a card adds where a network was trained step by step, rather than solved for at once."""
LARGEST, LARGEST_TOGETHER = 10_000_000, 80_000_000
PAIRS = [pytest.param(a, c, id=f"{a.id}:{c.name}") for a in APPROACHES for c in a.checkpoints]
EMBEDDED = [pytest.param(c, id=f"{a.id}:{c.name}") for a in APPROACHES for c in a.checkpoints if c.kind == "embedded"]
NETWORKS = [
    pytest.param(c, id=f"{a.id}:{c.name}")
    for a in APPROACHES
    for c in a.checkpoints
    if c.kind == "embedded" and a.family != "retrieval"
]
each_approach = pytest.mark.parametrize("approach", APPROACHES, ids=lambda a: a.id)
each_pair = pytest.mark.parametrize(("approach", "checkpoint"), PAIRS)
each_embedded = pytest.mark.parametrize("checkpoint", EMBEDDED)


def is_slug(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None


def card_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return json.loads((weights.EMBEDDED / checkpoint.files[0].name).with_suffix(".json").read_text(encoding="utf-8"))


def test_ids_are_unique_slugs() -> None:
    ids = [approach.id for approach in APPROACHES]
    assert len(set(ids)) == len(ids)
    assert all(map(is_slug, ids))


@each_approach
def test_checkpoint_names_are_unique_slugs(approach: Approach) -> None:
    names = [checkpoint.name for checkpoint in approach.checkpoints]
    assert names and len(set(names)) == len(names)
    assert all(map(is_slug, names))


@each_approach
def test_the_default_needs_no_network(approach: Approach) -> None:
    if approach.large:
        assert not approach.preselected, "gigabytes and a GPU: only for those who ask for it"
        return
    if all(checkpoint.kind == "hub" for checkpoint in approach.checkpoints):
        assert approach.preferred, "published only: ticked once it is stored"
        return
    assert approach.checkpoints[0].kind in {"embedded", "none"}
    assert checkpoints.is_available(approach.checkpoints[0])


@each_approach
def test_preferred_checkpoints_are_published_ones(approach: Approach) -> None:
    assert all(approach.checkpoint(name).kind == "hub" for name in approach.preferred)


@each_pair
def test_texts_are_plain(approach: Approach, checkpoint: Checkpoint) -> None:
    texts = [approach.title, approach.summary, approach.about, checkpoint.title, checkpoint.note]
    texts += [text for control in controls(approach.options) for text in (control.label, control.help)]
    assert approach.title and approach.summary and approach.about and checkpoint.title
    assert not [text for text in texts if "!" in text or "<" in text or text != text.strip()]
    assert not approach.summary.endswith("."), "a fragment, put into a sentence or a label"
    assert approach.about.endswith(".")


@each_pair
def test_a_checkpoint_declares_licence_files_and_costs(approach: Approach, checkpoint: Checkpoint) -> None:
    assert checkpoint.licence in (LICENCES | CONDITIONAL if checkpoint.asks_first or approach.large else LICENCES), (
        f"{checkpoint.licence!r} is new: look whether we may offer it"
    )
    assert checkpoint.bytes_per_pixel > 0 and checkpoint.flops_per_pixel >= 0
    assert (checkpoint.parameters > 0) == (checkpoint.kind != "none")
    for file in checkpoint.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
        assert file.name.endswith((".safetensors", ".pth")), "other kinds can hold a program"
        assert "/" not in file.name


@each_pair
def test_large_checkpoints_declare_their_needs(approach: Approach, checkpoint: Checkpoint) -> None:
    assert (checkpoint.needs is not None) == approach.large
    assert checkpoint.asks_first or checkpoint.bytes <= 2e8, "what is fetched on a tick must be small"
    assert not checkpoint.asks_first or not (approach.preselected or checkpoint.recommended)
    if checkpoint.needs is not None:
        assert checkpoint.needs.vram_bytes > 0 and checkpoint.needs.ram_bytes > 0 and checkpoint.needs.time
        assert bool(checkpoint.repositories) != bool(checkpoint.needs.variables)
    for repository in checkpoint.repositories:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository.name) and repository.bytes > 1e8
        assert all(
            pattern.endswith((".json", "/*", ".safetensors", "FaithDiff.bin")) for pattern in repository.patterns
        )


@each_pair
def test_every_file_of_a_hub_checkpoint_has_a_source(approach: Approach, checkpoint: Checkpoint) -> None:
    for file in checkpoint.files:
        assert bool(file.sources) == (checkpoint.kind == "hub")
        for source in file.sources:
            if isinstance(source, WheelMember):
                _is_pinned(source, file)
                continue
            assert re.fullmatch(r"https://\S+|[\w.-]+/[\w.-]+:\S+", source)
            assert source.endswith(file.name)


def _is_pinned(member: WheelMember, file: WeightFile) -> None:
    assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+:\w+/[\w./-]+", str(member))
    assert re.fullmatch("[0-9a-f]{64}", member.sha256)
    assert 0 < member.bytes < 1e8 and 0 < member.wheel_bytes < 1e8
    if member.convert is None:
        assert (member.sha256, member.bytes) == (file.sha256, file.bytes)
        assert member.member.endswith(f"/{file.name}")
    else:
        assert pickle.loads(pickle.dumps(member)) == member, "processes of a batch exchange it"


def test_the_space_preloads_files_that_are_recommended() -> None:
    front = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split("---")[1]
    preloaded = re.findall(r"^  - (\S+) (\S+)$", front, re.MULTILINE)
    wanted = {
        source for a in APPROACHES for c in a.checkpoints if c.recommended for f in c.files for source in f.sources
    }
    assert preloaded and {f"{repository}:{path}" for repository, path in preloaded} <= wanted


@each_pair
def test_tiles_can_be_planned(approach: Approach, checkpoint: Checkpoint) -> None:
    rule = approach.tiling_of(checkpoint)
    assert rule.mode in {"tiles", "whole", "own"}
    assert rule.halo >= rule.blend >= 0, "neighbours can only be blended where both were computed"
    assert rule.multiple_of >= 1 and rule.largest >= rule.multiple_of


@pytest.mark.usefixtures("gradio_loops")
@each_approach
def test_options_have_valid_defaults_and_a_control_each(approach: Approach) -> None:
    made = approach.options()
    for checkpoint in approach.checkpoints:
        assert set(approach.load_options_of(checkpoint)) <= set(as_dict(made))
    with gr.Blocks():
        bound = page_controls.make(approach.id, approach.options)
    assert [control.name for control in bound] == list(as_dict(made))
    for control in bound:
        assert control.component.value == as_dict(made)[control.name]


@each_embedded
def test_an_embedded_file_matches_its_card(checkpoint: Checkpoint) -> None:
    cards = [weights.card(file.name.removesuffix(".safetensors")) for file in checkpoint.files]
    assert checkpoint.parameters == sum(card["parameters"] for card in cards) > 0
    for file, card in zip(checkpoint.files, cards, strict=True):
        _is_what_its_card_says(file, card)


def _is_what_its_card_says(file: weights.WeightFile, card: dict[str, Any]) -> None:
    path = weights.EMBEDDED / file.name
    assert file.name == card["file"]
    assert path.stat().st_size == file.bytes == card["bytes"] <= LARGEST
    assert sha256_of(path) == file.sha256 == card["sha256"]
    with path.open("rb") as stored:  # a safetensors file: the length of its header, then the header
        assert stored.read(9)[8:] == b"{"
    with safe_open(path, "numpy") as tensors:
        sizes = [math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys()]  # noqa: SIM118
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "BF16", "F32", "I64"}
    buffers = sum(sizes) - card["parameters"]
    assert 0 <= buffers <= _fixed(path), "more or fewer numbers than the card counts"


def _fixed(path) -> int:
    """Numbers that are stored but not learned: index tables and masks, recognised by their names."""
    with path.open("rb") as stored:
        header = json.loads(stored.read(struct.unpack("<Q", stored.read(8))[0]))
    return sum(
        math.prod(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
        and (
            entry["dtype"] == "I64"
            or name.rpartition(".")[2].startswith(("mean", "relative_position_index", "attn_mask"))
        )
    )


def test_embedded_files_stay_small_together() -> None:
    assert sum(path.stat().st_size for path in weights.EMBEDDED.glob("*.safetensors")) <= LARGEST_TOGETHER


def test_every_embedded_file_is_used() -> None:
    listed = {file.name for a in APPROACHES for c in a.checkpoints if c.kind == "embedded" for file in c.files}
    listed |= {f"{stem}.safetensors" for stem in digits.NETWORKS}
    assert {path.name for path in weights.EMBEDDED.glob("*.safetensors")} == listed
    assert {path.stem for path in weights.EMBEDDED.glob("*.json")} == {
        name.removesuffix(".safetensors") for name in listed
    }


@each_embedded
def test_a_card_has_every_entry(checkpoint: Checkpoint) -> None:
    card = card_of(checkpoint)
    assert set(card) >= CARD
    assert card["scale"] == 4 and card["seconds"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", card["date"])
    assert card["data"]["count"] > 0 and card["data"]["what"]
    assert card["licence"] in LICENCES
    assert "val" in card["scores"]
    for scores in card["scores"].values():
        assert 15 < scores["psnr_y"] < 50 and 0 < scores["ssim_y"] <= 1


@pytest.mark.parametrize("checkpoint", NETWORKS)
def test_a_trained_network_has_training_curves(checkpoint: Checkpoint) -> None:
    card = card_of(checkpoint)
    assert set(card) >= TRAINED
    curves = card["curves"]
    assert card["iterations"] > 0
    assert set(curves) >= {"iteration", "loss", "psnr_y"}
    assert len({len(values) for values in curves.values()}) == 1
    for name, values in curves.items():  # a run that began before the training images were scored has no such values
        assert all(name.startswith("train_") if v is None else math.isfinite(v) for v in values)
    assert curves["iteration"] == sorted(curves["iteration"])


@pytest.mark.usefixtures("gradio_loops")
def test_adding_an_approach_needs_no_line_of_the_page() -> None:
    """The page of another catalogue: its methods and their controls are there, ours are not."""
    plain = replace(fakes.good("first-fake"), title="First fake", options=Options)
    other = replace(fakes.good("second-fake"), title="Second fake")
    store = Store()
    page = build_page([plain, other], Runner(), store, Settings())
    try:
        config = page.get_config_file()
    finally:
        page.close()
        shutil.rmtree(store.folder)
    texts = json.dumps(config["components"], default=str)
    for wanted in ("First fake", "Second fake", "Strength", "How many."):
        assert wanted in texts
    methods = next(c["props"] for c in config["components"] if c["props"].get("elem_id") == "methods")
    assert sorted(methods["value"]) == ["first-fake", "second-fake"]
    assert not [approach.id for approach in APPROACHES if f'"{approach.id}"' in json.dumps(methods)]
