"""A picture in words: the real classes of transformers at tiny size, consent before the download, sentences without it."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import numpy as np
import pytest

from sr_demo import captions, download_repository
from sr_demo.approaches import baselines, sd_x4_upscaler
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import Cancelled, MissingDependency, WeightsUnavailable
from sr_demo.image import Image, Limits, readonly, write_png
from sr_demo.progress import SILENT, Progress
from sr_demo.runner import Runner
from sr_demo.ui import captions_box, controls
from sr_demo.ui.captions_box import CaptionHandlers
from sr_demo.ui.offer import Context
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import noise, picture_of
from tests.hub_server import Files, HubServer

_SENTENCE = "a photo of some grass and the old stone wall under blue sky with two people near water at night"
_WORDS = tuple(_SENTENCE.split())
_TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} photo{% endif %}"
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Idefics3 with random weights and a vocabulary of a few words, saved as it would come from the Hub."""
    transformers: Any = pytest.importorskip("transformers")
    tokenizers: Any = pytest.importorskip("tokenizers")
    import torch

    special = ["<pad>", "<unk>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>"]
    vocabulary = {word: number for number, word in enumerate([*special, *dict.fromkeys(_WORDS)])}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", eos_token="<end_of_utterance>",
        additional_special_tokens=special[3:],
    )  # fmt: skip
    eyes = transformers.Idefics3ImageProcessor(size={"longest_edge": 32}, max_image_size={"longest_edge": 32})
    processor = transformers.Idefics3Processor(eyes, tokenizer, image_seq_len=4, chat_template=_TEMPLATE)
    torch.manual_seed(0)
    model = transformers.Idefics3ForConditionalGeneration(
        transformers.Idefics3Config(
            image_token_id=vocabulary["<image>"], scale_factor=2, pad_token_id=0,
            vision_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "image_size": 32, "patch_size": 8, "initializer_range": 1.0,
            },
            text_config={
                "model_type": "llama", "vocab_size": len(vocabulary), "hidden_size": 16, "intermediate_size": 16,
                "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0,
                "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 1.0,
            },
        )
    )  # fmt: skip
    place = tmp_path_factory.mktemp("captioner")
    processor.save_pretrained(place)
    model.save_pretrained(place)
    return place


def _found(_: str) -> object:
    return object()


def _missing(_: str) -> None:
    return None


def flat(*colour: float) -> Image:
    return readonly(np.tile(np.array(colour, np.float32), (40, 56, 1)))


def test_the_words_come_from_the_picture_and_are_the_same_twice(folder: Path) -> None:
    notes: list[str] = []
    pictures = (noise(50, 70), flat(1, 0, 0), flat(0, 0.2, 1))
    said = [captions.describe(folder, picture, Progress(lambda _, note: notes.append(note))) for picture in pictures]
    assert said[0] == captions.describe(folder, pictures[0], SILENT)
    assert len(set(said)) > 1, "it did not look"
    assert all(text and set(text.split()) <= set(_WORDS) and len(text) <= 400 for text in said)
    assert notes[:2] == ["loading", "looking"] and "word 3" in notes


def test_stop_is_obeyed_between_words(folder: Path) -> None:
    stop, notes = Event(), []

    def report(_: float, note: str) -> None:
        notes.append(note)
        if note == "word 2":
            stop.set()

    with pytest.raises(Cancelled):
        captions.describe(folder, noise(20, 20), Progress(report, stop))
    assert notes[-1] == "word 2"


def test_nothing_is_fetched_unasked_and_offline_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(captions, "find_spec", _found)
    with pytest.raises(WeightsUnavailable, match=r"518 MB from the Hub \(Apache-2.0\), once. Tick the box"):
        captions.fetch(False, SILENT)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match=r"SmolVLM-256M-Instruct could not be fetched from the Hub \(offline"):
        captions.fetch(True, SILENT)
    monkeypatch.setattr(captions, "find_spec", _missing)
    with pytest.raises(MissingDependency, match=r"pip install -r requirements-diffusion\.txt"):
        captions.fetch(True, SILENT)


def test_the_pinned_commit_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(captions, "find_spec", _found)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    files: Files = {
        captions.MODEL.name: {"config.json": b"{}", "model.safetensors": b"weights", "onnx/x.onnx": b"much"}
    }
    with HubServer(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        place = captions.fetch(True, SILENT)
    assert (place / "model.safetensors").read_bytes() == b"weights" and not (place / "onnx").exists()
    assert captions.is_here() and captions.MODEL.revision[:12] in place.name
    assert len(captions.MODEL.revision) == 40 and hub.paths
    assert all(captions.MODEL.revision in path for path in hub.paths if captions.MODEL.name in path)


def test_long_descriptions_end_with_a_sentence_or_a_word() -> None:
    shortened = captions.shortened
    assert shortened("Grass. " * 100).endswith("Grass.")
    assert len(shortened("stone " * 100)) <= 400 and shortened("stone " * 100).endswith("stone")


def test_methods_with_a_prompt_are_found_by_their_options() -> None:
    with_prompt = {approach.id for approach in APPROACHES if captions.prompt_of(approach.options)}
    assert with_prompt == {a.id for a in APPROACHES if a.large}
    assert download_repository.folder(captions.MODEL).name.startswith("HuggingFaceTB--SmolVLM")


# --- the button -----------------------------------------------------------------------------------------------------


def clicked(source: Source | None, agreed: bool = True) -> list[tuple[Any, ...]]:
    store = Store()
    try:
        handlers = CaptionHandlers(Context((), Runner(), store, Stops(), Limits()), 2)
        return list(handlers.describe(source, agreed, session="visitor"))
    finally:
        shutil.rmtree(store.folder)


def test_the_description_goes_into_every_prompt(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(agreed: bool, progress: Progress) -> Path:
        return folder

    monkeypatch.setattr(captions, "fetch", fetched)
    write_png(picture_of(noise(60, 80)), tmp_path / "photo.png")
    *before, last = clicked(Source(str(tmp_path / "photo.png"), "photo.png", 80, 60, ()))
    assert any("word 1" in shown[0] for shown in before)
    assert last[1] == last[2] and set(last[1].split()) <= set(_WORDS)
    assert last[1] in last[0]


def test_without_a_picture_or_consent_a_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = clicked(None)
    assert "There is no picture yet" in said[0]
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(captions, "find_spec", _found)
    write_png(picture_of(noise(6, 8)), tmp_path / "photo.png")
    *_, said = clicked(Source(str(tmp_path / "photo.png"), "photo.png", 8, 6, ()), agreed=False)
    assert "Tick the box" in said[0] and 'role="alert"' in said[0]


@pytest.mark.usefixtures("gradio_loops")
def test_the_button_is_there_only_where_a_prompt_can_be_used() -> None:
    with gr.Blocks():
        assert captions_box.lay_out([baselines.BICUBIC]) is None
        with_prompt = [baselines.BICUBIC, sd_x4_upscaler.APPROACH]
        box = captions_box.lay_out(with_prompt)
        bound = controls.accordions(with_prompt)
    assert box is not None and "518 MB, Apache-2.0" in str(box.agreed.label)
    assert [(control.owner, control.name) for control in captions_box.prompts(with_prompt, bound)] == [
        ("sd-x4-upscaler", "prompt")
    ]
