"""Image captions by a vision-language model: a first draft of a prompt, which the user corrects.

SmolVLM 256M (Marafioti et al. 2025, arXiv 2504.05299), of the family Idefics3, runs on any CPU. LLaVA 1.5 7B (Liu et al.
2023, arXiv 2310.03744), which SUPIR's authors use in its 13B size, needs much memory. The transformers package supports both
without running code of a repository. The weights come from the Hub, each at one commit, after the user agreed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from sr_demo.checkpoint import Repository
from sr_demo.errors import BadInput, CannotRunHere, MissingDependency, SRError, WeightsUnavailable, quoted
from sr_demo.hub import repositories
from sr_demo.image import Image, quantize, readonly
from sr_demo.options import Options, controls
from sr_demo.progress import Progress
from sr_demo.system import hardware, memory
from sr_demo.system.file_sizes import file_size
from sr_demo.system.hardware import REQUIREMENTS

if TYPE_CHECKING:
    import torch

_SPARE = 0.9
"""Share of the required memory that suffices, since a computer sold with 24 GB reports a little less."""


@dataclass(frozen=True)
class CaptionModel:
    """A captioning model."""

    id: str
    title: str
    licence: str
    model: Repository
    time: str
    """Expected time of a caption, with its source."""
    ram_bytes: int
    """Total RAM that a computer needs to run the model on its CPU."""
    working_bytes: int
    """RAM that must be free for this, weights included."""
    vram_bytes: int = 0
    """GPU memory that must be free to run the model on a GPU instead; 0 for never."""
    padded: bool = False
    """Whether images are padded to a square first, since the model's preprocessing would crop the longer side."""


SMOLVLM = CaptionModel(
    id="smolvlm",
    title="SmolVLM 256M",
    licence="Apache-2.0",
    model=Repository(
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        ("*.json", "model.safetensors"),
        518_000_000,
        revision="7e3e67edbbed1bf9888184d9df282b700a323964",
    ),
    time="seconds, not measured",
    ram_bytes=2 * 10**9,
    working_bytes=1_100_000_000,
)
LLAVA = CaptionModel(
    id="llava",
    title="LLaVA 1.5 7B",
    licence="Llama 2 Community License",
    model=Repository(
        "llava-hf/llava-1.5-7b-hf",
        ("*.json", "*.safetensors"),
        14_140_000_000,
        revision="e2214c2851fadaf9241c9f9ac91dcdee51981021",
    ),
    time="seconds on a GPU, minutes on a processor, not measured",
    # From its configuration: 7.06 billion weights of 2 bytes, and about 1 GB for activations and the KV cache.
    ram_bytes=24 * 10**9,
    working_bytes=15_200_000_000,
    vram_bytes=16 * 10**9,
    padded=True,
)
CAPTION_MODELS = (SMOLVLM, LLAVA)
"""The first is the default."""
_QUESTION = "Describe what this photo shows in one or two sentences: things, materials, surroundings."
_TOKENS = 80
_LETTERS = 400
"""Largest number of characters of a caption; longer ones are truncated, since text encoders read about 60 words."""
_SIDE = 512
"""Side of the input of SmolVLM's vision encoder, for the whole image without tiles."""


def caption_model(name: str) -> CaptionModel:
    """Return the captioning model called `name`. Raises BadInput, listing the names."""
    for found in CAPTION_MODELS:
        if found.id == name:
            return found
    raise BadInput(
        f"There is no captioning model {quoted(name)}. There are: {', '.join(d.id for d in CAPTION_MODELS)}."
    )


def prompt_of(options: type[Options]) -> str | None:
    """Return the name of the option for the prompt, a free text called `prompt`; None if a method has none."""
    return next((control.name for control in controls(options) if control.lines and control.name == "prompt"), None)


def obstacle(chosen: CaptionModel) -> str:
    """Return why a model cannot run here, as the end of a sentence that begins with its name; "" if it can."""
    ram, vram = psutil.virtual_memory().total, 0 if hardware.is_zero_gpu_space() else hardware.gpu_bytes()
    if ram >= chosen.ram_bytes * _SPARE or (chosen.vram_bytes and vram >= chosen.vram_bytes * _SPARE):
        return ""
    lacking = f"{chosen.ram_bytes / 1e9:.0f} GB of RAM (here: {ram / 1e9:.0f} GB)"
    if chosen.vram_bytes:
        gpu = f"{vram / 1e9:.0f} GB" if vram else "none"
        lacking = f"a GPU with {chosen.vram_bytes / 1e9:.0f} GB (here: {gpu}) or {lacking}"
    return f"needs {lacking}"


def is_available(chosen: CaptionModel) -> bool:
    """Return whether the model was downloaded earlier."""
    return repositories.is_available(chosen.model)


def fetch(chosen: CaptionModel, agreed: bool, progress: Progress) -> Path:
    """Return the folder of a model; download it first if it is not stored.

    Args:
        chosen: The model.
        agreed: Whether the user agreed to its download.
        progress: Receives the progress.

    Raises:
        MissingDependency: transformers is not installed.
        CannotRunHere: The hardware does not suffice.
        WeightsUnavailable: The user did not agree, or the Hub cannot be reached.
        Cancelled: Stop was pressed.
    """
    if find_spec("transformers") is None:
        raise MissingDependency(f"Describing a picture needs the package transformers. Install it: {REQUIREMENTS}.")
    if why := obstacle(chosen):
        raise CannotRunHere(f"{chosen.title} {why}. Nothing was downloaded.")
    if not agreed and not is_available(chosen):
        raise WeightsUnavailable(
            f"{chosen.title} is not here yet: {size(chosen)} from the Hub ({chosen.licence}), once. Tick the box beside "
            "the button to allow that, or write the prompt yourself."
        )
    return repositories.fetch(chosen.model, progress)


def size(chosen: CaptionModel) -> str:
    """Return the size of a model's download, such as "518 MB"."""
    return file_size(chosen.model.bytes)


def caption_image(chosen: CaptionModel, folder: Path, image: Image, progress: Progress) -> str:
    """Caption an image. Deterministic.

    The model is loaded for the call and freed afterwards, since large diffusion models need the memory.

    Args:
        chosen: The model.
        folder: Folder of its files.
        image: (H, W, 3) in [0, 1].
        progress: Receives the progress.

    Returns:
        One line of plain text.

    Raises:
        Cancelled: Stop was pressed; raised between tokens.
        OutOfMemory: The model or its activations do not fit.
        SRError: The model returns no text.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from sr_demo.backends.torch_backend import out_of_memory_translated

    progress(0.0, "loading")
    where, dtype = _place(chosen)
    with out_of_memory_translated():
        processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype=dtype)
        model = model.to(where).eval()
        progress(0.3, "looking")
        question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}]
        inputs: Any = processor(
            text=processor.apply_chat_template(question, add_generation_prompt=True),
            images=[quantize(squared(image) if chosen.padded else image)],
            return_tensors="pt",
            **_preprocessing(chosen, processor),
        ).to(where, dtype)
        prompt_length = int(inputs["input_ids"].shape[1])
        with torch.inference_mode():
            tokens = model.generate(
                **inputs,
                max_new_tokens=_TOKENS,
                do_sample=False,
                stopping_criteria=[_Reporter(prompt_length, progress)],
            )
    caption = processor.batch_decode(tokens[:, prompt_length:], skip_special_tokens=True)[0]
    words = shortened(" ".join(caption.split()))
    if not words:
        raise SRError("The model found no words for this picture. Write the prompt yourself.")
    return words


def _preprocessing(chosen: CaptionModel, processor: Any) -> dict[str, Any]:
    """Return the arguments with which SmolVLM's processor encodes the whole image once, without tiles."""
    if chosen.padded:
        return {}
    side = min(_SIDE, *processor.image_processor.max_image_size.values())
    return {"do_image_splitting": False, "size": {"longest_edge": side}}


def _place(chosen: CaptionModel) -> tuple[torch.device, torch.dtype]:
    """Return device and dtype: a GPU with enough free memory, else the CPU. Raises CannotRunHere."""
    import torch

    there = chosen.vram_bytes and not hardware.is_zero_gpu_space() and torch.cuda.is_available()
    if there and torch.cuda.mem_get_info()[0] >= chosen.vram_bytes * _SPARE:
        return torch.device("cuda"), torch.float16
    free = memory.available_bytes()
    if free < chosen.working_bytes:
        raise CannotRunHere(
            f"{chosen.title} needs {chosen.working_bytes / 1e9:.1f} GB of free memory, and {free / 1e9:.1f} GB are free now. "
            "Try again when less is running, choose a smaller model, or write the prompt yourself."
        )
    return torch.device("cpu"), torch.bfloat16 if chosen.vram_bytes else torch.float32


def squared(image: Image) -> Image:
    """Pad `image` (H, W, 3) with its mean colour to a square, as LLaVA's authors do."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.float32)
    square[:] = image.mean(axis=(0, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return readonly(square)


class _Reporter:
    """A stopping criterion of transformers, called after each token: reports progress and raises Cancelled after Stop."""

    def __init__(self, prompt_length: int, progress: Progress) -> None:
        self._prompt_length, self._progress = prompt_length, progress

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        import torch

        done = int(input_ids.shape[1]) - self._prompt_length
        self._progress(0.3 + 0.7 * done / _TOKENS, f"word {done}")
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def shortened(words: str) -> str:
    """Truncate `words` to `_LETTERS` characters, after a complete sentence if possible, else after a word."""
    if len(words) <= _LETTERS:
        return words
    head = words[:_LETTERS]
    sentence = head.rfind(". ")
    return head[: sentence + 1] if sentence > 0 else head.rpartition(" ")[0] or head
