"""The int8 networks that ship with this app: a graph file and a card for each checkpoint in `weights/int8/`.

They are quantized and measured once, by `python -m sr_demo quantize`, and belong to weights with a certain sha256, embedded
or published. Nothing is calibrated here: `place` writes the network into the cache folder without nncf and torch.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from sr_demo.backends import graph_files, openvino_backend
from sr_demo.checkpoint import EMBEDDED, Checkpoint
from sr_demo.hub import checkpoints
from sr_demo.spec import ModelIdentity
from sr_demo.system import hardware, integrity, storage

log = logging.getLogger("sr_demo")

FOLDER = EMBEDDED / "int8"
MODEL = "int8.xml"
"""File name of a quantized network in the folder of the converted one."""
_GRAPHS = (openvino_backend.MODEL, MODEL)
MOST_LOSS, MOST_LOSS_ADVERSARIAL = 0.02, 0.05
"""Largest loss of PSNR-Y in dB on each test set with which an int8 network ships and is used by default. For adversarial
networks it is also the largest gain: a higher PSNR is no improvement there, it only means that the result differs."""
LEAST_AGREEMENT = 45.0
"""Lowest mean PSNR in dB between the int8 and fp32 results of adversarial networks on a test set, since their PSNR against
the reference does not measure how visible a difference is."""


@dataclass(frozen=True)
class SetScore:
    """A network in both precisions on one test set."""

    fp32: float
    """Mean PSNR-Y in dB."""
    int8: float
    agreement: float
    """Mean PSNR in dB between the two results."""
    lowest: float
    """The lowest PSNR in dB between the two results on any image."""

    @property
    def loss(self) -> float:
        """PSNR-Y in dB that int8 loses; negative where it gains."""
        return self.fp32 - self.int8


@dataclass(frozen=True)
class ShippedInt8:
    """The int8 form of one checkpoint, as its card describes it."""

    weights: tuple[str, ...]
    """sha256 of the files of the checkpoint, in order: see `hub.checkpoints.Step`."""
    file: str
    """Name of the graph file beside the card."""
    sha256: str
    """sha256 of the graph file."""
    way: int
    """Index of the chosen set of `quantization.exclusion_sets`; 0 for the fastest."""
    kept: int
    """Convolutions and linear layers that stay in floating point."""
    of: int
    """Convolutions and linear layers in the network."""
    agreement: float
    """PSNR in dB between int8 and fp32 on `selection.synthetic_image`, measured where the network was quantized."""
    scores: Mapping[str, SetScore]
    """Scores by test set: Set5, Set14, and val if there are validation images."""

    @property
    def loss_db(self) -> float:
        """The largest loss of PSNR-Y on a test set in dB: shown with every result."""
        # Rounded to the four decimals of the cards, since a difference of floats shows binary digits.
        return round(max(score.loss for name, score in self.scores.items() if name != "val"), 4)

    def is_good(self, family: str) -> bool:
        """Return whether the loss by int8 is small enough for a network of this family to ship."""
        if family == "adversarial":
            agrees = min(score.agreement for score in self.scores.values()) >= LEAST_AGREEMENT
            changes = [abs(score.loss) for name, score in self.scores.items() if name != "val"]
            return agrees and max(changes) <= MOST_LOSS_ADVERSARIAL
        return self.loss_db <= MOST_LOSS


def read_card(path: Path) -> ShippedInt8:
    """Read a card. Raises OSError, ValueError, KeyError or TypeError for a damaged card."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    scores = {name: SetScore(**score) for name, score in entries.pop("scores").items()}
    return ShippedInt8(weights=tuple(entries.pop("weights")), scores=scores, **entries)


def write_card(path: Path, shipped: ShippedInt8) -> None:
    """Write a card that `read_card` reads."""
    path.write_text(json.dumps(asdict(shipped), indent=1) + "\n", encoding="utf-8")


@lru_cache
def _all(folder: Path) -> Mapping[tuple[str, ...], ShippedInt8]:
    """Return the cards in a folder by the sha256 of the weights; damaged cards are skipped and logged."""
    found: dict[tuple[str, ...], ShippedInt8] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            shipped = read_card(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            integrity.report(path, "cannot be read")
            continue
        found[shipped.weights] = shipped
    return found


def of(checkpoint: Checkpoint) -> ShippedInt8 | None:
    """Return the shipped int8 form of the local weights of `checkpoint`; None if none ships."""
    if not checkpoint.files or checkpoint.is_file_of_user:
        return None
    return _all(FOLDER).get(tuple(step.sha256 for step in checkpoints.plan(checkpoint)))


def by_default(model: ModelIdentity) -> ShippedInt8 | None:
    """Return the int8 form that may run a model in precision `auto`; None on a GPU, without OpenVINO, or if none ships."""
    if model.precision != "auto" or model.load_options or hardware.gpu_bytes() or not openvino_backend.available():
        return None
    return of(model.checkpoint)


def place(shipped: ShippedInt8, files: Sequence[Path], folder: Path, waiting: Callable[[], None]) -> None:
    """Write the converted network and the quantized one into `folder`, unless they are there.

    Args:
        shipped: The int8 form to write.
        files: The verified weight files; the first one holds the tensors.
        folder: Folder of the converted network; see `backends.selection`.
        waiting: Called five times a second while another process does the same.

    Raises:
        StorageError: The folder cannot be written.
        SRError: The graph file is damaged.
        Exception: Whatever `waiting` raises.
    """
    everything = storage.ensure_folder(folder).parent
    with storage.disk_errors_translated(everything), storage.folder_lock(folder, waiting):
        missing = [name for name in _GRAPHS if not openvino_backend.is_intact(folder, name)]
        if not missing:
            return
        tensors = graph_files.read_tensors(files[0])
        with storage.unfinished_folder(everything) as part:
            for name in missing:
                graph_files.unpack(FOLDER / shipped.file, tensors, Path(name).stem, part)
                for file in (Path(name).with_suffix(".bin"), Path(name)):
                    os.replace(part / file, folder / file)
                openvino_backend.write_checksums(folder, name)


def opened(shipped: ShippedInt8, folder: Path, scale: int) -> openvino_backend.ConvertedNetwork:
    """Open the quantized network that `place` has written into `folder`."""
    return openvino_backend.ConvertedNetwork(folder, "int8", scale, model=MODEL, loss_db=shipped.loss_db)
