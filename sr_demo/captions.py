"""A picture in words, by a small vision-language model on the CPU: a first draft of a prompt, for people to correct.

SmolVLM 256M (Marafioti et al. 2025, arXiv 2504.05299), of the family Idefics3, which the transformers package knows without
running code of the repository. The weights come from the Hub, at one commit, and only where somebody agreed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr_demo import download_repository
from sr_demo.errors import MissingDependency, SRError, WeightsUnavailable
from sr_demo.image import Image, quantise
from sr_demo.machine import REQUIREMENTS
from sr_demo.options import Options, controls
from sr_demo.progress import Progress
from sr_demo.spec import Repository

if TYPE_CHECKING:
    import torch

TITLE = "SmolVLM 256M"
LICENCE = "Apache-2.0"
MODEL = Repository(
    "HuggingFaceTB/SmolVLM-256M-Instruct",
    ("*.json", "model.safetensors"),
    518_000_000,
    revision="7e3e67edbbed1bf9888184d9df282b700a323964",
)
_QUESTION = "Describe what this photo shows in one or two sentences: things, materials, surroundings."
_TOKENS = 80
_LETTERS = 400
"""Longer descriptions are cut: text encoders read about 60 words."""
_SIDE = 512
"""Sides of the square that the vision part looks at; one look at the whole picture, no tiles."""


def prompt_of(options: type[Options]) -> str | None:
    """The name of the option that takes a description, where a method has one: free text called `prompt`."""
    return next((control.name for control in controls(options) if control.lines and control.name == "prompt"), None)


def is_here() -> bool:
    """Whether the model was fetched earlier."""
    return download_repository.is_here(MODEL)


def fetch(agreed: bool, progress: Progress) -> Path:
    """The folder of the model. Raises MissingDependency, WeightsUnavailable (not agreed, offline, …), or Cancelled."""
    if find_spec("transformers") is None:
        raise MissingDependency(f"Describing a picture needs the package transformers. Install it: {REQUIREMENTS}.")
    if not agreed and not is_here():
        raise WeightsUnavailable(
            f"{TITLE} is not here yet: {MODEL.bytes / 1e6:.0f} MB from the Hub ({LICENCE}), once. Tick the box beside the "
            "button to allow that, or write the prompt yourself."
        )
    return download_repository.fetch(MODEL, progress)


def describe(folder: Path, image: Image, progress: Progress) -> str:
    """`image` (H, W, 3) in one line of plain words, by the model in `folder`. The same picture gives the same words.

    The model is loaded for the call and then forgotten: about 1.1 GB that large diffusion models can use better.
    Raises Cancelled between words, SRError where nothing was said.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    progress(0.0, "loading")
    processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    progress(0.3, "looking")
    question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}]
    inputs: Any = processor(
        text=processor.apply_chat_template(question, add_generation_prompt=True),
        images=[quantise(image)],
        do_image_splitting=False,
        size={"longest_edge": min(_SIDE, *processor.image_processor.max_image_size.values())},
        return_tensors="pt",
    )
    given = int(inputs["input_ids"].shape[1])
    with torch.inference_mode():
        tokens = model.generate(
            **inputs, max_new_tokens=_TOKENS, do_sample=False, stopping_criteria=[_Watching(given, progress)]
        )
    said = processor.batch_decode(tokens[:, given:], skip_special_tokens=True)[0]
    words = shortened(" ".join(said.split()))
    if not words:
        raise SRError("The model found no words for this picture. Write the prompt yourself.")
    return words


class _Watching:
    """Called by transformers after each token: where progress is told, and Stop obeyed."""

    def __init__(self, given: int, progress: Progress) -> None:
        self._given, self._progress = given, progress

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        import torch

        done = int(input_ids.shape[1]) - self._given
        self._progress(0.3 + 0.7 * done / _TOKENS, f"word {done}")
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def shortened(words: str) -> str:
    """At most `_LETTERS` letters, cut after a sentence where there is one, else after a word."""
    if len(words) <= _LETTERS:
        return words
    head = words[:_LETTERS]
    sentence = head.rfind(". ")
    return head[: sentence + 1] if sentence > 0 else head.rpartition(" ")[0] or head
