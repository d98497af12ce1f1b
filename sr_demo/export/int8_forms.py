"""Creation of the int8 forms in `weights/int8/`: quantized with nncf, scored on test sets, written with a card."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sr_demo.backends import graph_files, openvino_backend, quantization, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.shipped_int8 import MODEL, SetScore, ShippedInt8
from sr_demo.errors import BadInput, SRError
from sr_demo.hub import checkpoints
from sr_demo.image import Image
from sr_demo.inference.jobs import Job, load_approach
from sr_demo.metrics.full_reference import psnr_rgb, psnr_y
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import Pair, load_pair, pairs
from sr_demo.spec import Upscaler
from sr_demo.system.storage import sha256_of

NEEDED = ("Set5", "Set14")
"""The test sets that decide whether a form ships. Each is a folder with `HR` and `LRx4`, or another scale."""

_VALIDATED = 3


class _Scored(NamedTuple):
    """The result for one image of a test set, with its PSNR-Y."""

    psnr: float
    result: Image


def test_pairs(folder: Path, validation: Path | None, scale: int) -> dict[str, list[Pair]]:
    """Return the pairs of each test set.

    Args:
        folder: Folder that contains Set5 and Set14.
        validation: Folder of HR images; every third is scored as "val". None for none.
        scale: HR size divided by LR size.

    Raises:
        BadInput: A test set is missing.
    """
    found: dict[str, list[Pair]] = {}
    for name in NEEDED:
        found[name] = pairs(folder / name / "HR", folder / name / f"LRx{scale}", scale)
    if validation is not None:
        found["val"] = pairs(validation, None, scale, keep_lr=False)[::_VALIDATED]
    return found


def make(
    job: Job, test_sets: Mapping[str, Sequence[Pair]], out: Path, progress: Progress = SILENT, skipped: int = 0
) -> ShippedInt8:
    """Quantize the network of a job in the fastest way whose loss is small enough, and write its int8 form.

    Args:
        job: A job with one network; its weights are downloaded if they are missing.
        test_sets: Pairs from `test_pairs`.
        out: Folder for the graph file and the card; existing ones are replaced.
        progress: Receives 0..1.
        skipped: Number of the fastest ways to skip, since they are known to lose too much.

    Returns:
        The content of the card.

    Raises:
        BadInput: The job is not a single network that OpenVINO can run.
        SRError: Every way loses too much, or a package is missing.
    """
    quantization.require()
    exact = replace(job, precision="fp32")
    files = checkpoints.fetch(job.checkpoint, progress.part(0, 0.1))
    upscaler = load_approach(exact, files, SILENT)
    if not selection.can_prepare(upscaler):
        raise BadInput(f"{job.title} is not one network that OpenVINO runs, so there is no int8.")
    with tempfile.TemporaryDirectory(prefix="sr_demo_int8") as scratch:
        folder = Path(scratch)
        openvino_backend.convert(selection.graph(upscaler), folder)
        plain = ConvertedNetwork(folder, "fp32", job.default_scale)
        expected = {name: _scores(plain, found, job.default_scale) for name, found in test_sets.items()}
        known = quantization.operations(folder / openvino_backend.MODEL)
        ways = quantization.exclusion_sets(known)
        tried: list[ShippedInt8] = []
        for number, left in list(enumerate(ways))[skipped:]:
            part = progress.part(0.1 + 0.9 * number / len(ways), 0.1 + 0.9 * (number + 1) / len(ways))
            quantization.quantize_in_subprocess(
                folder / openvino_backend.MODEL,
                folder / MODEL,
                left,
                job.default_scale,
                part.part(0, 0.5),
                quantization.MORE_CROPS,
            )
            graph = folder / f"{job.checkpoint.files[0].name.rpartition('.')[0]}.zip"
            network = _packed(graph, folder, files[0], job.default_scale)
            part(0.5, "measuring the loss in int8")
            image = selection.synthetic_image(selection.SIDE)
            form = ShippedInt8(
                weights=tuple(step.sha256 for step in checkpoints.plan(job.checkpoint)),
                file=graph.name,
                sha256=sha256_of(graph),
                way=number,
                kept=len(left.intersection(known.layers)),
                of=len(known.layers),
                agreement=round(
                    selection.float_psnr(*(u.upscale(image, Options(), SILENT) for u in (plain, network))), 2
                ),
                scores={
                    name: _compared(expected[name], _scores(network, found, job.default_scale))
                    for name, found in test_sets.items()
                },
            )
            tried.append(form)
            if form.is_good(job.approach.family):
                (out / graph.name).write_bytes(graph.read_bytes())
                shipped_int8.write_card((out / graph.name).with_suffix(".json"), form)
                progress(1.0)
                return form
    raise SRError(f"{job.title} costs too much in int8: {'; '.join(map(described, tried))}.")


def described(form: ShippedInt8) -> str:
    """Describe the loss by int8, such as "Set5 -0.01 dB, agrees to 52 dB (lowest 50)"."""
    costs = (
        f"{name} {0.0 - one.loss:+.4f} dB, agrees to {one.agreement:.1f} dB (lowest {one.lowest:.1f})"
        for name, one in form.scores.items()
    )
    return f"{form.of - form.kept} of {form.of} layers in int8, " + ", ".join(costs)


def table_row(form: ShippedInt8) -> str:
    """Return the row of a form in the table of `docs/performance.md`."""
    scores = [
        f"{one.fp32:.3f} dB | {0.0 - one.loss:+.4f} | {one.agreement:.1f} dB"
        for one in map(form.scores.get, NEEDED)
        if one
    ]
    return f"| `{Path(form.file).stem}` | {' | '.join(scores)} | {form.of - form.kept} of {form.of} |"


def _packed(graph: Path, folder: Path, weights: Path, scale: int) -> ConvertedNetwork:
    """Write the graph file, and open the int8 network that is restored from it, in which a few levels differ."""
    tensors = graph_files.read_tensors(weights)
    names = [Path(name).stem for name in (openvino_backend.MODEL, MODEL)]
    graph_files.pack(graph, folder, names, tensors)
    restored = folder / "restored"
    restored.mkdir(exist_ok=True)
    graph_files.unpack(graph, tensors, Path(MODEL).stem, restored)
    return ConvertedNetwork(restored, "int8", scale, model=MODEL)


def _scores(upscaler: Upscaler, found: Sequence[Pair], scale: int) -> list[_Scored]:
    scores: list[_Scored] = []
    for pair in found:
        lr, reference = load_pair(pair, scale, None)
        result = upscaler.upscale(lr.rgb, Options(), SILENT)
        scores.append(_Scored(psnr_y(result, reference, scale), result))
    return scores


def _compared(exact: Sequence[_Scored], quantized: Sequence[_Scored]) -> SetScore:
    agreements = [psnr_rgb(a.result, b.result) for a, b in zip(exact, quantized, strict=True)]
    return SetScore(
        fp32=round(float(np.mean([one.psnr for one in exact])), 4),
        int8=round(float(np.mean([one.psnr for one in quantized])), 4),
        agreement=round(float(np.mean(agreements)), 2),
        lowest=round(min(agreements), 2),
    )
