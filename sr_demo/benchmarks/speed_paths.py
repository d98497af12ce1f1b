"""The paths that `bench speed` compares: ours and common alternatives, each ready to run on one image."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sr_demo.backends import openvino_backend, quantization, selection, shipped_int8
from sr_demo.benchmarks.speed_cases import Case
from sr_demo.checkpoint import EMBEDDED, Checkpoint
from sr_demo.errors import MissingDependency
from sr_demo.image import Image, ImageData
from sr_demo.inference import int8
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.reports import formatting
from sr_demo.spec import Approach, Request, Upscaler

PLAIN, CEILING, INT8 = "spandrel-fp32", "matmul-bf16", "ours-int8"
MATRIX = 4096
"""Side of the matrices of `CEILING`."""
_PAD = 10
"""Margin of a tile in the common tile loop, in LR pixels; it is cut off afterwards."""
_INT8_AGREEMENT = 30.0
"""Lowest PSNR in dB between int8 and the faster other path. It is low, since results of random weights agree less than those
of trained weights, and only the time matters here."""

Run = Callable[[], Image | None]


def plain(network: Any, image: Image) -> Run:
    """Return a run of the network as in its documentation."""
    import torch

    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous()

    def run() -> Image:
        with torch.inference_mode():
            return network(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()

    return run


def _make_plain(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    return plain(network, image), "torch, fp32"


def _make_tile_loop(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """Make the common tile loop: four tiles, each with a fixed margin that is cut off."""
    import torch

    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].contiguous()
    side = case.side // 2

    def run() -> Image:
        out = torch.empty(1, 3, case.side * case.scale, case.side * case.scale)
        with torch.inference_mode():
            for top in range(0, case.side, side):
                for left in range(0, case.side, side):
                    low, high = max(top - _PAD, 0), min(top + side + _PAD, case.side)
                    first, last = max(left - _PAD, 0), min(left + side + _PAD, case.side)
                    tile = network(x[:, :, low:high, first:last])
                    y, x0 = (top - low) * case.scale, (left - first) * case.scale
                    size, y_out, x_out = side * case.scale, top * case.scale, left * case.scale
                    out[:, :, y_out : y_out + size, x_out : x_out + size] = tile[:, :, y : y + size, x0 : x0 + size]
            return out[0].clamp(0, 1).permute(1, 2, 0).numpy()

    return run, f"torch, fp32, tiles of {side}"


def _make_ours(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """Make the path of the page: the fastest of torch, OpenVINO and int8, tiles by memory, the guarantees of the contract."""
    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision
    from sr_demo.networks.fused_attention import fuse_attention

    own = copy.deepcopy(network)
    fuse_attention(own)
    precision = choose_precision("auto", case.precisions)
    mode: Literal["convert", "autocast"] = "convert" if case.attention else "autocast"
    upscaler: Upscaler = NetworkUpscaler(own, precision, mode=mode)
    if openvino_backend.available() and selection.can_prepare(upscaler):
        exact = NetworkUpscaler(copy.deepcopy(network), "fp32", mode=mode)
        # A convolutional network is converted once for all OpenVINO paths.
        own_folder = folder / "graph" if case.attention else folder
        candidate = _converted(case, selection.graph(exact), own_folder, openvino_backend.fast_precision())
        if selection.compare_speed(upscaler, candidate).backend == candidate.backend:
            upscaler = candidate
        if case.int8:
            quantized = _quantized(case, network, folder)
            if selection.compare_speed(upscaler, quantized, _INT8_AGREEMENT).precision == quantized.precision:
                upscaler = quantized
    return _as_on_the_page(case, image, upscaler), _how(upscaler)


def _make_int8(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    """Make the path of the page when int8 is requested, whatever its loss, which does not affect the time."""
    upscaler = _quantized(case, network, folder)
    return _as_on_the_page(case, image, upscaler), _how(upscaler)


def _quantized(case: Case, network: Any, folder: Path) -> openvino_backend.ConvertedNetwork:
    """Return the network in int8: the shipped form, or one that is quantized in the fastest way, whatever its loss."""
    _require_openvino()
    if case.int8:
        form = shipped_int8.read_card(shipped_int8.FOLDER / f"{case.int8}.json")
        # In a separate folder, since for attention networks `folder` holds the graph of the plain network, not our graph.
        shipped = folder / "shipped"
        shipped_int8.place(form, [EMBEDDED / f"{case.int8}.safetensors"], shipped, SILENT.check)
        return shipped_int8.opened(form, shipped, case.scale)
    quantization.require()
    exact = _converted(case, network, folder, "fp32")
    model, out = folder / openvino_backend.MODEL, folder / int8.MODEL
    left = quantization.exclusion_sets(quantization.operations(model))[0]
    quantization.quantize_in_subprocess(model, out, left, case.scale, crops=1)
    found = openvino_backend.ConvertedNetwork(folder, "int8", case.scale, model=int8.MODEL)
    found.loss_db = max(int8.lost(exact, found, quantization.photos(case.scale), SILENT))
    return found


def _how(upscaler: Upscaler) -> str:
    return f"{upscaler.backend}, {formatting.precision(upscaler.precision, upscaler.loss_db)}"


def _as_on_the_page(case: Case, image: Image, upscaler: Upscaler) -> Run:
    checkpoint = Checkpoint("bench", "", bytes_per_pixel=case.bytes_per_pixel)
    approach = Approach(
        id="bench", title="", summary="", about="", family="convolutional", load=_never, checkpoints=(checkpoint,),
        tiling=case.tiling, scale=case.scale,
    )  # fmt: skip
    model, image_data = LoadedModel(Job(approach, checkpoint, Options()), upscaler), ImageData(image)

    def run() -> Image:
        return upscale_image(model, image_data, SILENT).image.rgb

    return run


def _never(request: Request) -> Upscaler:
    raise AssertionError("the benchmark loads its networks itself")


def _converted(case: Case, network: Any, folder: Path, precision: str) -> openvino_backend.ConvertedNetwork:
    _require_openvino()
    if not (folder / openvino_backend.MODEL).exists():
        openvino_backend.convert(network, folder, any_size=False)  # traced, plain HAT is right at some sizes only
    return openvino_backend.ConvertedNetwork(folder, precision, case.scale)


def _require_openvino() -> None:
    if not openvino_backend.available():
        raise MissingDependency("OpenVINO is not installed.")


def _make_openvino(precision: str) -> Callable[[Case, Any, Image, Path], tuple[Run, str]]:
    def make(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
        converted = _converted(case, network, folder, precision)
        return lambda: converted.upscale(image, Options(), SILENT), f"OpenVINO, {precision}"

    return make


def _make_onnxruntime(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    from sr_demo.export.formats import Portable, writer

    chosen = writer("onnx")
    portable = Portable(copy.deepcopy(network), case.scale, case.tiling.multiple_of).eval()
    file = folder / "network.onnx"
    chosen.write(portable, file, {})
    opened = chosen.open(file, portable)
    x = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
    return lambda: np.ascontiguousarray(opened(x)[0].transpose(1, 2, 0)), "ONNX Runtime, fp32"


def _make_matmul(case: Case, network: Any, image: Image, folder: Path) -> tuple[Run, str]:
    import torch

    a = torch.rand(MATRIX, MATRIX).to(torch.bfloat16)
    b = torch.rand(MATRIX, MATRIX).to(torch.bfloat16)

    def run() -> None:
        with torch.inference_mode():
            torch.mm(a, b)

    return run, "torch, bf16"


MAKERS: dict[str, Callable[[Case, Any, Image, Path], tuple[Run, str]]] = {
    "ours": _make_ours,
    "ours-int8": _make_int8,
    "spandrel-fp32": _make_plain,
    "tile-loop": _make_tile_loop,
    "onnxruntime-fp32": _make_onnxruntime,
    "openvino-fp32": _make_openvino("fp32"),
    "openvino-bf16": _make_openvino("bf16"),
    "matmul-bf16": _make_matmul,
}
"""Functions that make the paths of a case from its network in fp32, the image, and a folder for converted files. They return
the run, and the backend and precision in words. They raise SRError or RuntimeError if the path cannot run here."""
PATHS = tuple(MAKERS)
