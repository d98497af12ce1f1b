"""A CUDA device computes what the CPU computes, in half precision by default, and several tiles at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sr_demo.backends import torch_backend
from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, out_of_memory_translated
from sr_demo.benchmarks import gpu
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import OutOfMemory
from sr_demo.image import Image
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.networks.edsr import EDSR
from sr_demo.options import Options
from sr_demo.progress import SILENT
from tests.conftest import image_of, noise

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

On = Callable[[str], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """`on("cpu")`: networks that are loaded from now on compute there."""

    def choose(kind: str) -> None:
        monkeypatch.setattr(torch_backend, "device", lambda: torch.device(kind))

    return choose


def network() -> EDSR:
    torch.manual_seed(0)
    return EDSR(4, 32, 4).eval()


def test_the_device_is_the_gpu_and_its_budget_is_part_of_its_free_memory() -> None:
    assert torch_backend.device().type == "cuda"
    _, total = torch.cuda.mem_get_info()
    assert 0 < NetworkUpscaler(network(), "fp32").budget() < total


@pytest.mark.parametrize("size", [(1, 1), (33, 17), (96, 80)])
def test_fp32_on_the_gpu_equals_fp32_on_the_cpu(size: tuple[int, int], on: On) -> None:
    found: list[Image] = []
    for kind in ("cuda", "cpu"):
        on(kind)
        found.append(NetworkUpscaler(network(), "fp32").upscale(noise(*size), Options(), SILENT))
    np.testing.assert_allclose(found[0], found[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("mode", ["autocast", "convert"])
def test_half_precision_stays_close_to_fp32(precision: str, mode: str) -> None:
    image = noise(48, 40)
    exact = NetworkUpscaler(network(), "fp32").upscale(image, Options(), SILENT)
    half = NetworkUpscaler(network(), precision, mode="convert" if mode == "convert" else "autocast")
    assert psnr_rgb(half.upscale(image, Options(), SILENT), exact, border=0) > 40


def test_auto_chooses_half_precision_that_the_network_and_the_chip_support() -> None:
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    assert choose_precision("auto") == ("bf16" if bf16 else "fp16")
    assert choose_precision("auto", ("fp32", "fp16")) == "fp16"
    assert choose_precision("auto", ("fp32",)) == "fp32"
    assert choose_precision("fp16") == "fp16", "the CPU refuses it"


def test_a_batch_of_tiles_gives_the_results_of_its_tiles() -> None:
    upscaler = NetworkUpscaler(network(), "fp32")
    assert upscaler.at_once > 1
    tiles = [noise(24, 20, seed) for seed in range(6)]
    batches = list(upscaler.upscale_many(iter([tiles[:4], tiles[4:]]), Options()))
    assert [len(batch) for batch in batches] == [4, 2]
    for tile, result in zip(tiles, [image for batch in batches for image in batch], strict=True):
        np.testing.assert_allclose(result, upscaler.upscale(tile, Options(), SILENT), atol=1e-5, rtol=0)


def test_a_job_in_tiles_on_the_gpu_equals_the_whole_image_on_the_cpu(on: On) -> None:
    job, image = replace(job_for(APPROACHES, "edsr"), precision="fp32"), image_of(noise(90, 70))
    tiled = replace(job, approach=replace(job.approach, tiling=replace(job.approach.tiling, largest=48)))
    result = Runner().run(tiled, image)
    assert (result.backend, result.precision) == ("torch", "fp32") and result.tiles > 1
    on("cpu")
    np.testing.assert_allclose(result.image.rgb, Runner().run(job, image).image.rgb, atol=1e-3, rtol=0)


def test_full_gpu_memory_is_reported_as_out_of_memory() -> None:
    with pytest.raises(OutOfMemory), out_of_memory_translated():
        torch.empty(2**48, dtype=torch.uint8, device="cuda")


def test_the_gpu_benchmark_names_the_device_and_computes_tiles_together() -> None:
    (case, *_) = gpu.cases()
    small = replace(case, tiling=replace(case.tiling, largest=48))
    rows = {row["path"]: row for row in gpu.measure([small], sides=(128,), matrix=512)}
    assert set(rows) == set(gpu.PATHS)
    assert {row["device"] for row in rows.values()} == {torch.cuda.get_device_name()}
    assert rows["ours"]["at_once"] > rows["one-by-one"]["at_once"] == 1
    assert all(row["seconds"] > 0 and row["peak_memory_mb"] > 0 for row in rows.values())
