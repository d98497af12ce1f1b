"""Captions: the real classes of transformers at tiny size, consent before the download, messages without it.

Both families that can be chosen: Idefics3 (SmolVLM) and LLaVA.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from sr_demo.approaches import baselines, sd_x4_upscaler
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput, Cancelled, CannotRunHere, MissingDependency, WeightsUnavailable
from sr_demo.hub import repositories
from sr_demo.image import Image, Limits, readonly, write_png
from sr_demo.inference.runner import Runner
from sr_demo.pipelines import captions
from sr_demo.pipelines.captions import CAPTION_MODELS, LLAVA, SMOLVLM, CaptionModel
from sr_demo.progress import SILENT, Progress
from sr_demo.ui import controls, prompt_box
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.prompt_box import CaptionHandlers
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.hub_server import Files, HubServer

_SENTENCE = "a photo of some grass and the old stone wall under blue sky with two people near water at night"
_WORDS = tuple(_SENTENCE.split())
_TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} photo{% endif %}"
)


def _tokenizer(special: tuple[str, ...]) -> tuple[Any, dict[str, int]]:
    """One token for each of a few words."""
    transformers: Any = pytest.importorskip("transformers")
    tokenizers: Any = pytest.importorskip("tokenizers")
    vocabulary = {word: number for number, word in enumerate([*special, *dict.fromkeys(_WORDS)])}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", eos_token="<end_of_utterance>",
        additional_special_tokens=list(special[3:]),
    )  # fmt: skip
    return made, vocabulary


def _language(vocabulary: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "llama", "vocab_size": len(vocabulary), "hidden_size": 16, "intermediate_size": 16,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 1.0,
    }  # fmt: skip


_EYES = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8, "initializer_range": 1.0,
}  # fmt: skip


def _smolvlm() -> tuple[Any, Any]:
    """Processor and model of SmolVLM's family."""
    transformers: Any = pytest.importorskip("transformers")
    special = ("<pad>", "<unk>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>")
    tokenizer, vocabulary = _tokenizer(special)
    eyes = transformers.Idefics3ImageProcessor(size={"longest_edge": 32}, max_image_size={"longest_edge": 32})
    processor = transformers.Idefics3Processor(eyes, tokenizer, image_seq_len=4, chat_template=_TEMPLATE)
    config = transformers.Idefics3Config(
        image_token_id=vocabulary["<image>"], scale_factor=2, pad_token_id=0, vision_config=_EYES,
        text_config=_language(vocabulary),
    )  # fmt: skip
    return processor, transformers.Idefics3ForConditionalGeneration(config)


def _llava() -> tuple[Any, Any]:
    """Processor and model of LLaVA 1.5, put together as on the Hub: a CLIP that looks, a Llama that speaks."""
    transformers: Any = pytest.importorskip("transformers")
    tokenizer, vocabulary = _tokenizer(("<pad>", "<unk>", "<end_of_utterance>", "<image>"))
    eyes = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = transformers.LlavaProcessor(
        eyes, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=_TEMPLATE,
        num_additional_image_tokens=1,
    )  # fmt: skip
    config = transformers.LlavaConfig(
        image_token_id=vocabulary["<image>"],
        pad_token_id=0,
        text_config=_language(vocabulary),
        vision_config={"model_type": "clip_vision_model", **_EYES, "num_hidden_layers": 2},
    )
    return processor, transformers.LlavaForConditionalGeneration(config)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[CaptionModel, Path]:
    """Each of the models tiny, with random weights and a vocabulary of a few words, saved as it would come from the Hub."""
    pytest.importorskip("transformers")
    import torch

    found: dict[CaptionModel, Path] = {}
    for describer, make in ((SMOLVLM, _smolvlm), (LLAVA, _llava)):
        torch.manual_seed(0)
        processor, model = make()
        found[describer] = tmp_path_factory.mktemp(describer.id)
        processor.save_pretrained(found[describer])
        model.save_pretrained(found[describer])
    return found


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has the memory for each of them."""
    monkeypatch.setattr("sr_demo.system.memory.available_bytes", lambda: 64 * 10**9)


def _found(_: str) -> object:
    return object()


def _missing(_: str) -> None:
    return None


def flat(*colour: float) -> Image:
    return readonly(np.tile(np.array(colour, np.float32), (40, 56, 1)))


@pytest.mark.usefixtures("plenty")
@pytest.mark.parametrize("describer", CAPTION_MODELS, ids=lambda d: d.id)
def test_the_caption_depends_on_the_image_and_is_reproducible(
    describer: CaptionModel, folders: dict[CaptionModel, Path]
) -> None:
    notes: list[str] = []
    images, folder = (noise(50, 70), flat(1, 0, 0), flat(0, 0.2, 1)), folders[describer]
    said = [
        captions.caption_image(describer, folder, image, Progress(lambda _, note: notes.append(note)))
        for image in images
    ]
    assert said[0] == captions.caption_image(describer, folder, images[0], SILENT)
    assert len(set(said)) > 1, "it did not look"
    assert all(text and set(text.split()) <= set(_WORDS) and len(text) <= 400 for text in said)
    assert notes[:2] == ["loading", "looking"] and "word 3" in notes


@pytest.mark.usefixtures("plenty")
@pytest.mark.parametrize("describer", CAPTION_MODELS, ids=lambda d: d.id)
def test_stop_takes_effect_between_words(describer: CaptionModel, folders: dict[CaptionModel, Path]) -> None:
    stop, notes = Event(), []

    def report(_: float, note: str) -> None:
        notes.append(note)
        if note == "word 2":
            stop.set()

    with pytest.raises(Cancelled):
        captions.caption_image(describer, folders[describer], noise(20, 20), Progress(report, stop))
    assert notes[-1] == "word 2"


def test_llava_gets_the_whole_of_a_long_image() -> None:
    long = readonly(np.zeros((10, 40, 3), np.float32))
    long.flags.writeable = True
    long[:, :10] = (1, 0, 0)
    square = captions.squared(readonly(long))
    assert square.shape == (40, 40, 3)
    np.testing.assert_array_equal(square[15:25], long)
    np.testing.assert_allclose(square[0, 0], (0.25, 0, 0), atol=1e-6)


def test_a_model_that_is_too_large_names_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: 8 * 10**9)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=16 * 10**9))
    assert captions.obstacle(SMOLVLM) == ""
    why = "needs a GPU with 16 GB (here: 8 GB) or 24 GB of RAM (here: 16 GB)"
    assert captions.obstacle(LLAVA) == why
    monkeypatch.setattr(captions, "find_spec", _found)
    with pytest.raises(CannotRunHere, match="Nothing was downloaded"):
        captions.fetch(LLAVA, True, SILENT)
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: 16 * 10**9)
    assert captions.obstacle(LLAVA) == ""
    monkeypatch.setattr(
        "sr_demo.system.hardware.is_zero_gpu_space", lambda: True
    )  # it describes outside the borrowed call
    assert captions.obstacle(LLAVA) == why.replace("8 GB", "none")


def test_too_little_free_memory_is_reported_before_loading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr("sr_demo.system.memory.available_bytes", lambda: 3 * 10**9)
    with pytest.raises(CannotRunHere, match=r"needs 15\.2 GB of free memory, and 3\.0 GB are free now\. Try again"):
        captions.caption_image(LLAVA, tmp_path / "nothing", noise(4, 4), SILENT)


def test_nothing_is_downloaded_unasked_and_offline_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(captions, "find_spec", _found)
    with pytest.raises(WeightsUnavailable, match=r"518 MB from the Hub \(Apache-2.0\), once. Tick the box"):
        captions.fetch(SMOLVLM, False, SILENT)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match=r"SmolVLM-256M-Instruct could not be fetched from the Hub \(offline"):
        captions.fetch(SMOLVLM, True, SILENT)
    monkeypatch.setattr(captions, "find_spec", _missing)
    with pytest.raises(MissingDependency, match=r"pip install -r requirements-diffusion\.txt"):
        captions.fetch(SMOLVLM, True, SILENT)


def test_the_pinned_commit_is_requested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(captions, "find_spec", _found)
    files: Files = {SMOLVLM.model.name: {"config.json": b"{}", "model.safetensors": b"weights", "onnx/x.onnx": b"much"}}
    with HubServer(files) as hub:
        hub.serve_client(monkeypatch, tmp_path)
        place = captions.fetch(SMOLVLM, True, SILENT)
    assert (place / "model.safetensors").read_bytes() == b"weights" and not (place / "onnx").exists()
    assert captions.is_available(SMOLVLM) and SMOLVLM.model.revision[:12] in place.name
    assert len(SMOLVLM.model.revision) == 40 and hub.paths
    assert all(SMOLVLM.model.revision in path for path in hub.paths if SMOLVLM.model.name in path)


def test_long_captions_end_with_a_sentence_or_a_word() -> None:
    shortened = captions.shortened
    assert shortened("Grass. " * 100).endswith("Grass.")
    assert len(shortened("stone " * 100)) <= 400 and shortened("stone " * 100).endswith("stone")


def test_methods_with_a_prompt_are_found_by_their_options() -> None:
    with_prompt = {approach.id for approach in APPROACHES if captions.prompt_of(approach.options)}
    assert with_prompt == {a.id for a in APPROACHES if a.large}
    assert repositories.folder(SMOLVLM.model).name.startswith("HuggingFaceTB--SmolVLM")


# --- the button -----------------------------------------------------------------------------------------------------


def clicked(
    source: Source | None, agreed: bool = True, which: str = "smolvlm", see: Callable[[str], object] = len
) -> list[tuple[Any, ...]]:
    """Return the updates of a click: of the status, and of both prompts. `see` receives each status as it arrives."""
    store = Store()
    try:
        said, *prompts = components = [gr.HTML(render=False), gr.Textbox(render=False), gr.Textbox(render=False)]
        handlers = CaptionHandlers(
            PageContext((), Runner(), store, Stops(), Limits()), said, gr.Button(render=False), prompts
        )
        request: Any = SimpleNamespace(session_hash="visitor")
        updates = handlers.describe(source, which, agreed, request)
        shown = list[tuple[Any, ...]]()
        for update in updates:
            see(str(update[said]))
            shown.append(tuple(update.get(component, gr.skip()) for component in components))
        return shown
    finally:
        shutil.rmtree(store.folder)


@pytest.mark.usefixtures("plenty")
@pytest.mark.parametrize("describer", CAPTION_MODELS, ids=lambda d: d.id)
def test_the_description_goes_into_every_prompt(
    describer: CaptionModel, folders: dict[CaptionModel, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(chosen: CaptionModel, agreed: bool, progress: Progress) -> Path:
        return folders[chosen]

    # A slow consumer gets only the newest step: the work waits until its first word was shown.
    shown, describe = Event(), captions.caption_image

    def waiting(chosen: CaptionModel, folder: Path, image: Image, progress: Progress) -> str:
        def report(fraction: float, note: str) -> None:
            progress(fraction, note)
            assert note != "word 1" or shown.wait(10), "the first word was not shown"

        return describe(chosen, folder, image, Progress(report))

    monkeypatch.setattr(captions, "fetch", fetched)
    monkeypatch.setattr(captions, "caption_image", waiting)
    write_png(image_of(noise(50, 70)), tmp_path / "photo.png")
    photo = Source(str(tmp_path / "photo.png"), "photo.png", 70, 50, ())
    *_, last = clicked(photo, which=describer.id, see=lambda status: shown.set() if "word 1" in status else None)
    assert last[1] == last[2] and set(last[1].split()) <= set(_WORDS)
    assert last[1] in last[0]


def test_without_an_image_or_consent_a_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, said = clicked(None)
    assert "There is no picture yet" in said[0]
    with pytest.raises(BadInput, match="no captioning model 'gpt'"):
        prompt_box.choose("gpt")
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(captions, "find_spec", _found)
    write_png(image_of(noise(6, 8)), tmp_path / "photo.png")
    *_, said = clicked(Source(str(tmp_path / "photo.png"), "photo.png", 8, 6, ()), agreed=False)
    assert "Tick the box" in said[0] and 'role="alert"' in said[0]


@pytest.mark.usefixtures("gradio_loops")
def test_the_button_is_there_only_where_a_prompt_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=32 * 10**9))
    with gr.Blocks():
        assert prompt_box.lay_out([baselines.BICUBIC]) is None
        with_prompt = [baselines.BICUBIC, sd_x4_upscaler.APPROACH]
        box = prompt_box.lay_out(with_prompt)
        bound = controls.accordions(with_prompt)
    assert box is not None and "518 MB, Apache-2.0" in str(box.agreed.label)
    assert box.which.visible and [value for _, value in box.which.choices] == ["smolvlm", "llava"]
    assert [(control.owner, control.name) for control in prompt_box.prompts(with_prompt, bound)] == [
        ("sd-x4-upscaler", "prompt")
    ]


@pytest.mark.usefixtures("gradio_loops")
def test_another_model_is_another_agreement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    box = prompt_box.choose("llava")
    assert box.value is False and "about 14.1 GB, Llama 2 Community License" in str(box.label)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=16 * 10**9))
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: 0)
    with gr.Blocks() as page:
        small = prompt_box.lay_out([sd_x4_upscaler.APPROACH])
    assert small is not None and not small.which.visible
    assert "LLaVA 1.5 7B needs a GPU with 16 GB (here: none) or 24 GB of RAM (here: 16 GB)." in str(
        page.get_config_file()
    )
