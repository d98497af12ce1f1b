"""A picture in words, by a vision-language model: a first draft of a prompt, for people to correct.

Two can be chosen. SmolVLM 256M (Marafioti et al. 2025, arXiv 2504.05299), of the family Idefics3, runs on any processor.
LLaVA 1.5 7B (Liu et al. 2023, arXiv 2310.03744) is what SUPIR's authors describe pictures with, in its smaller size, and
needs a large machine. The transformers package knows both without running code of a repository. The weights come from the
Hub, at one commit each, and only where somebody agreed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from sr_demo.errors import BadInput, CannotRunHere, MissingDependency, SRError, WeightsUnavailable, quoted
from sr_demo.hub import repositories
from sr_demo.image import Image, quantize, readonly
from sr_demo.options import Options, controls
from sr_demo.progress import Progress
from sr_demo.spec import Repository
from sr_demo.system import hardware, memory
from sr_demo.system.hardware import REQUIREMENTS

if TYPE_CHECKING:
    import torch

_SPARE = 0.9
"""Part of the stated memory that must be there: a machine sold as 24 GB reports a little less."""


@dataclass(frozen=True)
class Describer:
    """A model that describes pictures."""

    id: str
    title: str
    licence: str
    model: Repository
    time: str
    """How long a description takes, and where that is known from."""
    ram_bytes: int
    """What the machine must have where it runs on the processor."""
    working_bytes: int
    """What must be free for that, weights included."""
    vram_bytes: int = 0
    """What a GPU must have free to run there instead; 0: never there."""
    padded: bool = False
    """Whether pictures are brought to a square first: its own preparation would cut the longer sides off."""


SMOLVLM = Describer(
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
LLAVA = Describer(
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
    # 7.06 billion weights of 2 bytes, and about 1 GB for what it looks at and remembers: by its configuration.
    ram_bytes=24 * 10**9,
    working_bytes=15_200_000_000,
    vram_bytes=16 * 10**9,
    padded=True,
)
DESCRIBERS = (SMOLVLM, LLAVA)
"""The first is the default."""
_QUESTION = "Describe what this photo shows in one or two sentences: things, materials, surroundings."
_TOKENS = 80
_LETTERS = 400
"""Longer descriptions are cut: text encoders read about 60 words."""
_SIDE = 512
"""Sides of the square that SmolVLM's vision part looks at; one look at the whole picture, no tiles."""


def describer(name: str) -> Describer:
    """The one called `name`. Raises BadInput, listing what there is."""
    for found in DESCRIBERS:
        if found.id == name:
            return found
    raise BadInput(f"Nothing called {quoted(name)} describes pictures here: {', '.join(d.id for d in DESCRIBERS)}.")


def prompt_of(options: type[Options]) -> str | None:
    """The name of the option that takes a description, where a method has one: free text called `prompt`."""
    return next((control.name for control in controls(options) if control.lines and control.name == "prompt"), None)


def obstacle(chosen: Describer) -> str:
    """Why it cannot run on this machine, as the end of a sentence that begins with its name; empty where it can."""
    ram, vram = psutil.virtual_memory().total, 0 if hardware.lends_gpus() else hardware.gpu_bytes()
    if ram >= chosen.ram_bytes * _SPARE or (chosen.vram_bytes and vram >= chosen.vram_bytes * _SPARE):
        return ""
    lacking = f"{chosen.ram_bytes / 1e9:.0f} GB of RAM (here: {ram / 1e9:.0f} GB)"
    if chosen.vram_bytes:
        gpu = f"{vram / 1e9:.0f} GB" if vram else "none"
        lacking = f"a GPU with {chosen.vram_bytes / 1e9:.0f} GB (here: {gpu}) or {lacking}"
    return f"needs {lacking}"


def is_here(chosen: Describer) -> bool:
    """Whether the model was fetched earlier."""
    return repositories.is_here(chosen.model)


def fetch(chosen: Describer, agreed: bool, progress: Progress) -> Path:
    """The folder of the model. Raises MissingDependency, CannotRunHere, WeightsUnavailable (not agreed, offline, …), or
    Cancelled."""
    if find_spec("transformers") is None:
        raise MissingDependency(f"Describing a picture needs the package transformers. Install it: {REQUIREMENTS}.")
    if why := obstacle(chosen):
        raise CannotRunHere(f"{chosen.title} {why}. Nothing was downloaded.")
    if not agreed and not is_here(chosen):
        raise WeightsUnavailable(
            f"{chosen.title} is not here yet: {size(chosen)} from the Hub ({chosen.licence}), once. Tick the box beside "
            "the button to allow that, or write the prompt yourself."
        )
    return repositories.fetch(chosen.model, progress)


def size(chosen: Describer) -> str:
    """Of its download, in words."""
    megabytes = chosen.model.bytes / 1e6
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1e3:.1f} GB"


def describe(chosen: Describer, folder: Path, image: Image, progress: Progress) -> str:
    """`image` (H, W, 3) in one line of plain words, by the model in `folder`. The same picture gives the same words.

    The model is loaded for the call and then forgotten: large diffusion models can use its memory better.
    Raises Cancelled between words, OutOfMemory, SRError where nothing was said.
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
            **_looking(chosen, processor),
        ).to(where, dtype)
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


def _looking(chosen: Describer, processor: Any) -> dict[str, Any]:
    """What SmolVLM's preparation must be told so that it looks once at the whole picture."""
    if chosen.padded:
        return {}
    side = min(_SIDE, *processor.image_processor.max_image_size.values())
    return {"do_image_splitting": False, "size": {"longest_edge": side}}


def _place(chosen: Describer) -> tuple[torch.device, torch.dtype]:
    """Where it runs, and in what: a GPU with enough free memory, else the processor. Raises CannotRunHere."""
    import torch

    there = chosen.vram_bytes and not hardware.lends_gpus() and torch.cuda.is_available()
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
    """`image` (H, W, 3) in the middle of a square of its mean colour, as LLaVA's authors prepare pictures."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.float32)
    square[:] = image.mean(axis=(0, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return readonly(square)


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
