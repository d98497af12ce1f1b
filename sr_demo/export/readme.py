"""The README beside an exported network."""

from __future__ import annotations

import json
from math import isinf

from sr_demo.export.agreement import Agreement
from sr_demo.export.int8 import QuantizationLoss
from sr_demo.inference.jobs import Job

_USE = {
    "onnx": """    pip install numpy onnxruntime
    python {stem}_run.py picture.png result.png

From your own program:

    import onnxruntime
    session = onnxruntime.InferenceSession("{name}")
    sr = session.run(None, {{"lr": lr}})[0]""",
    "openvino": """    pip install numpy openvino
    python {stem}_run.py picture.png result.png

From your own program (without the hint some processors compute in bf16: faster, with small differences):

    import openvino
    network = openvino.Core().compile_model("{name}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
    sr = network(lr)[0]

The weights are in {stem}.bin: keep both files together.""",
    "torchscript": """    import torch
    network = torch.jit.load("{name}")
    sr = network(lr)

A TorchScript file is a program: load only files whose origin you know.""",
    "safetensors": """    from safetensors.torch import load_file
    network.load_state_dict(load_file("{name}"))

This file holds weights only: the network itself comes from sr_demo or from the spandrel package.""",
}


def readme(
    job: Job, kind: str, name: str, notes: dict[str, str], agreement: Agreement, loss: QuantizationLoss | None = None
) -> str:
    """Return the README as Markdown: what the file is, how to use it, and what was checked.

    Args:
        job: The exported network.
        kind: Format of the file.
        name: Name of the file.
        notes: Metadata of the file.
        agreement: Difference between the file and the network.
        loss: The loss of PSNR-Y, for int8.
    """
    rule = json.loads(notes["rule"])
    stem = name.rpartition(".")[0]
    psnr = "identical" if isinf(agreement.psnr) else f"{agreement.psnr:.1f} dB PSNR"
    invents = "It may invent detail: do not measure, count or read in its results.\n" if _invents(job) else ""
    return f"""# {job.title}, {notes["precision"]}, {kind}

{job.approach.about}
{invents}
Licence of the weights: {notes["licence"]}. Made by {notes["program"]} from {notes["approach"]}:{notes["checkpoint"]},
weights sha256 {notes["weights_sha256"]}.

## Use

{_USE[kind].format(stem=stem, name=name)}

- Input, `lr`: {notes["input"].partition(": ")[2]}. Any height and width from 17 pixels.
- Output, `sr`: {notes["output"].partition(": ")[2]}; scale {rule["scale"]}.
- {_tiles(rule)}

The same facts are inside the file as metadata{" (not in safetensors' tensors, but in its header)" * (kind == "safetensors")}.

## Checked

Run in its own runtime on pictures of odd sizes and compared with the original network (torch, fp32, values 0 to 1):
largest difference {agreement.largest:.2e}, mean {agreement.mean:.2e}, {psnr}.
A picture of 128 x 128 pixels took {agreement.seconds_here:.3f} s in torch and {agreement.seconds_there:.3f} s in this file,
on the machine that exported it.
{_lost(loss)}"""


def _lost(loss: QuantizationLoss | None) -> str:
    if loss is None:
        return ""
    return f"""
int8 by post-training quantization, calibrated on parts of five photos (scikit-image's coffee, astronaut, retina, rocket and
hubble): {loss.of - loss.kept} of {loss.of} convolutions compute in int8, the others in fp32. PSNR-Y on {loss.where}:
{loss.before:.2f} dB in fp32, {loss.after:.2f} dB in int8, a loss of {loss.decibels:.3f} dB. Processors without VNNI may round
more than the one it was checked on: check again there.
"""


def _invents(job: Job) -> bool:
    return job.approach.invents_with(job.checkpoint)


def _tiles(rule: dict[str, int]) -> str:
    if rule["blend"]:
        return (
            f"Large pictures: tiles with {rule['halo']} pixels of context, borders on multiples of {rule['multiple_of']}, "
            f"neighbours blended over {2 * rule['blend']} pixels. Tiles change the result a little."
        )
    return (
        f"Large pictures: tiles with {rule['halo']} pixels of context on each side, placed side by side. "
        "That covers the receptive field of the network, so the result is that of the whole picture."
    )
