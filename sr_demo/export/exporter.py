"""Export of a network: the file is written, run in the runtime of its format, compared, and only then published."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal
from uuid import uuid4

from sr_demo import __version__
from sr_demo.checkpoint import Checkpoint
from sr_demo.errors import BadInput, SRError, StorageError
from sr_demo.export import int8, portable_runner
from sr_demo.export.agreement import Agreement, Run, compare, translating
from sr_demo.export.int8 import QuantizationLoss
from sr_demo.export.readme import readme
from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job, load_approach
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import Pair
from sr_demo.spec import Approach
from sr_demo.system.outputs import refuse_existing
from sr_demo.system.storage import free_bytes

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt", "safetensors": ".safetensors"}
LEAST_PSNR = {"fp32": 60.0, "fp16": 50.0}
"""Smallest PSNR in dB between the file and the network in fp32 with which a file is exported."""

Format = Literal["onnx", "openvino", "torchscript", "safetensors"]
ExportPrecision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Exported:
    """An exported network."""

    path: Path
    bytes: int
    """Size of all files of the network."""
    agreement: Agreement
    beside: tuple[Path, ...]
    """The other files: README, runner, and for OpenVINO the weights."""
    loss: QuantizationLoss | None = None
    """The loss of PSNR-Y, for int8."""


def formats(approach: Approach, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the formats that a checkpoint can be exported to: all for networks, none for other methods."""
    is_network = approach.family in ("convolutional", "adversarial", "attention")
    is_exported = any(file.name.lower().endswith(".onnx") for file in checkpoint.files)
    return tuple(SUFFIXES) if is_network and checkpoint.files and not is_exported else ()


_RUNNER = "_run.py"
_WITH_RUNNER = ("onnx", "openvino")
_NO_ROOM = 2**16
"""Free bytes below which a failed write counts as a full disk."""


def export(
    job: Job,
    kind: Format,
    out: Path,
    precision: ExportPrecision = "fp32",
    progress: Progress = SILENT,
    pairs: Sequence[Pair] = (),
    pairs_name: str = "",
    *,
    overwrite: bool = False,
) -> Exported:
    """Write a network to a file, with a README and (ONNX, OpenVINO) a runner beside it. After an error, no file is left.

    Args:
        job: The network.
        kind: Format of the file.
        out: Path of the file, with the suffix of the format.
        precision: Precision of the weights in the file.
        progress: Receives the progress, and may stop.
        pairs: Images on which int8 is scored; bundled photos if it is empty.
        pairs_name: Description of `pairs` for the README.
        overwrite: Whether existing files may be replaced.

    Raises:
        BadInput: The job is not a network, the suffix or precision does not match the format, or a file exists.
        MissingDependency: A package for the format is not installed.
        StorageError: The files cannot be written.
        SRError: The file does not agree with the network, or int8 loses too much.
        Cancelled: Stop was pressed.
    """
    if out.suffix != SUFFIXES[kind]:  # in any other case, neither OpenVINO nor the runner would find it
        raise BadInput(f"A file in the format {kind} ends in {SUFFIXES[kind]}: choose such a name for --out.")
    if not formats(job.approach, job.checkpoint):
        raise BadInput(f"{job.key} is not one network with weights: there is nothing to export.")
    if precision == "int8":
        int8.check(kind)
    refuse_existing(_names(out, kind), overwrite=overwrite, advice="Choose another --out")
    progress(0.0, "loading")
    from sr_demo.export.formats import halved, writer

    chosen = writer(kind)
    reference, portable = _network(job, progress)
    network = halved(portable) if precision == "fp16" and not chosen.half_weights_only else portable
    notes = _notes(job, precision)
    folder = out.parent / f".{uuid4().hex}.part"
    loss: QuantizationLoss | None = None
    try:
        folder.mkdir(parents=True)
        part = folder / out.name
        progress(0.2, f"writing {kind}")
        if free_bytes(folder) < 5 * job.checkpoint.parameters:  # TorchScript ends the whole program on a full disk
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            chosen.write(network, part, notes)
        except Exception as exc:
            # The libraries of the formats raise different exceptions for a full disk.
            if "No space left" in str(exc) or free_bytes(folder) < _NO_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from exc
            raise
        progress(0.5, "comparing")

        def opened(path: Path) -> Run:
            return translating(chosen.open(path, network), kind)

        agreement = compare(reference, opened(part))
        least = LEAST_PSNR["fp32" if precision == "int8" else precision]
        if not agreement.psnr >= least:
            raise SRError(
                f"The {kind} file does not agree with the network: {agreement.psnr:.1f} dB, where {precision} must reach "
                f"{least:.0f} dB, so it is not exported. Try another --format or --precision."
            )
        if precision == "int8":
            loss = _quantize(kind, part, opened, notes, pairs, pairs_name, progress)
            agreement = compare(reference, opened(part))
        text = readme(job, kind, out.name, notes, agreement, loss)
        (folder / _readme(out, kind).name).write_text(text, encoding="utf-8")
        if kind in _WITH_RUNNER:
            shutil.copyfile(portable_runner.__file__, folder / f"{out.stem}{_RUNNER}")
        beside = _publish(folder, out)
    except OSError as exc:
        raise StorageError(f"{out} cannot be written: {exc.strerror or exc}. Choose another --out.") from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    progress(1.0)
    size = sum(path.stat().st_size for path in (out, *beside) if path.suffix in (out.suffix, ".bin"))
    return Exported(out, size, agreement, beside, loss)


def _names(out: Path, kind: Format) -> list[Path]:
    """Return the files that an export to `out` writes."""
    beside = [_readme(out, kind)]
    if kind in _WITH_RUNNER:
        beside.append(out.with_name(out.stem + _RUNNER))
    return [out, *beside, *([out.with_suffix(".bin")] if kind == "openvino" else [])]


def _readme(out: Path, kind: Format) -> Path:
    """Return the path of the README, which names the format, since files of several formats may share a stem."""
    return out.with_name(f"{out.stem}_{kind}_README.md")


def _quantize(
    kind: Format,
    part: Path,
    opened: Callable[[Path], Run],
    notes: dict[str, str],
    pairs: Sequence[Pair],
    pairs_name: str,
    progress: Progress,
) -> QuantizationLoss:
    """Replace the fp32 file `part` by the most quantized int8 version whose loss of PSNR-Y is acceptable.

    Args:
        kind: Format of the file.
        part: The fp32 file.
        opened: Returns a function that runs a file.
        notes: Metadata of the file.
        pairs: Images to score on; bundled photos if it is empty.
        pairs_name: Description of `pairs`.
        progress: Receives the progress, and may stop.

    Raises:
        SRError: Every version loses too much.
    """
    rule = json.loads(notes["rule"])
    before = int8.psnrs(opened(part), rule, pairs)
    where = pairs_name or f"{len(before)} bundled photos"
    tried: list[QuantizationLoss] = []
    for number, (write, kept, of) in enumerate(int8.steps(kind, part, rule["scale"])):
        progress(0.6 + 0.1 * number, f"quantizing, {of - kept} of {of} layers in int8")
        smaller = part.with_name(f"int8-{number}{part.suffix}")
        write(smaller)
        after = int8.psnrs(opened(smaller), rule, pairs)
        tried.append(QuantizationLoss(fmean(before), fmean(after), len(before), where, kept, of))
        if tried[-1].decibels < int8.MOST_LOSS:
            for path in (smaller, smaller.with_suffix(".bin")):
                if path.exists():
                    os.replace(path, part.with_suffix(path.suffix))
            for path in part.parent.glob("int8-*"):
                path.unlink()
            return tried[-1]
    least = min(loss.decibels for loss in tried)
    raise SRError(
        f"int8 loses {least:.2f} dB of PSNR-Y on {where} even where the most sensitive convolutions stay in fp32, and less "
        f"than {int8.MOST_LOSS} dB is allowed, so it is not exported. Choose --precision fp16 or fp32."
    )


def _publish(folder: Path, out: Path) -> tuple[Path, ...]:
    """Move everything out of `folder`, the network itself last; return the other files."""
    names = sorted((p.name for p in folder.iterdir()), key=lambda name: name == out.name)
    for name in names:
        os.replace(folder / name, out.with_name(name))
    return tuple(out.with_name(name) for name in names[:-1])


def _network(job: Job, progress: Progress) -> tuple[Run, Any]:
    """Return the network as this program runs it, in fp32 and clamped, and as a module with explicit padding."""
    from torch import nn

    from sr_demo.backends.torch_backend import NetworkUpscaler
    from sr_demo.export.formats import Portable, torch_run

    files = checkpoints.fetch(job.checkpoint, progress)
    upscaler = load_approach(replace(job, precision="fp32"), files, progress)
    if not isinstance(upscaler, NetworkUpscaler):
        raise BadInput(f"{job.key} is not one network with weights: there is nothing to export.")
    network = upscaler.network.cpu()
    if isinstance(network, nn.Module):
        model, multiple_of = network, 1
    else:
        # Window attention pads by conditions on the size, which tracing cannot record; the padding is done outside instead.
        model = network.model
        window = getattr(model, "pad_size", None) or getattr(model, "window_size", 1)  # GRL has the former
        multiple_of = max(network.size_requirements.multiple_of, window)
    return torch_run(lambda lr: network(lr).clamp(0, 1)), Portable(model, job.default_scale, multiple_of).eval()


def _notes(job: Job, precision: str) -> dict[str, str]:
    """Return the metadata that the file carries."""
    tiling = job.approach.tiling_of(job.checkpoint)
    rule = {
        "scale": job.default_scale,
        "mode": tiling.mode,
        "halo": tiling.halo,
        "multiple_of": tiling.multiple_of,
        "blend": tiling.blend,
        "largest": tiling.largest,
        "seen": tiling.max_input_width,
        "tall": tiling.max_aspect,
    }
    return {
        "program": f"sr_demo {__version__}",
        "approach": job.approach.id,
        "checkpoint": job.checkpoint.name,
        "weights_sha256": " ".join(file.sha256 for file in job.checkpoint.files),
        "licence": job.checkpoint.licence,
        "precision": precision,
        "input": "lr: float32 (1, 3, height, width), RGB, 0 to 1, no other normalisation",
        "output": "sr: float32 (1, 3, height * scale, width * scale), RGB, 0 to 1",
        "rule": json.dumps(rule),
    }
