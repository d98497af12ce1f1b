"""Batches give the same result for every batch size, also when memory runs out on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_demo.backends import torch_backend
from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.checkpoint import Checkpoint, Tiling
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach, BatchUpscaler, Request, Upscaler
from sr_demo.system import memory
from tests import fakes
from tests.conftest import image_of, noise

HALO = 4


class BatchRecorder(nn.Module):
    """A fake network that records the shape (k, H, W) of each batch."""

    def __init__(self, work: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.work = work
        self.seen: list[tuple[int, int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((x.shape[0], x.shape[2], x.shape[3]))
        return self.work(x)


def upscaled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=4, mode="nearest")


def on_a_gpu(work: Callable[[Tensor], Tensor] = upscaled, at_once: int = 3) -> tuple[NetworkUpscaler, BatchRecorder]:
    """An upscaler on the CPU that batches as on a GPU: several tiles at once, one batch queued ahead."""
    network = BatchRecorder(work)
    upscaler = NetworkUpscaler(network, "fp32")
    upscaler.at_once, upscaler.ahead = at_once, 1
    return upscaler, network


def never(request: Request) -> Upscaler:
    raise AssertionError("loaded already")


def method_of(upscaler: Upscaler, *, blend: int = 0, largest: int = 32) -> LoadedModel:
    checkpoint = Checkpoint("one", "")
    rule = Tiling("tiles", halo=HALO, blend=blend, largest=largest)
    approach = Approach(
        id="one", title="", summary="", about="", family="convolutional", load=never, checkpoints=(checkpoint,),
        tiling=rule,
    )  # fmt: skip
    return LoadedModel(Job(approach, checkpoint, Options()), upscaler)


@pytest.fixture
def image() -> ImageData:
    return image_of(noise(150, 170))


def test_batches_give_the_same_result_bit_for_bit(image: ImageData) -> None:
    upscaler, network = on_a_gpu()
    result = upscale_image(method_of(upscaler), image, SILENT)
    np.testing.assert_array_equal(result.image.rgb, fakes.upscaled(image.rgb))
    assert (result.tile, result.tiles) == (32, 30)
    assert sum(k for k, _, _ in network.seen) == 30
    assert max(k for k, _, _ in network.seen) == 3


def test_blended_batches_still_add_up(image: ImageData) -> None:
    upscaler, _ = on_a_gpu()
    result = upscale_image(method_of(upscaler, blend=HALO), image, SILENT)
    np.testing.assert_allclose(result.image.rgb, fakes.upscaled(image.rgb), atol=1e-6)


def test_a_convolution_gives_the_same_result_in_batches(image: ImageData) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 48, 2 * HALO + 1, padding=HALO), nn.PixelShuffle(4), nn.Sigmoid())
    one_by_one = NetworkUpscaler(network, "fp32")
    together, _ = on_a_gpu(network)
    expected = upscale_image(method_of(one_by_one), image, SILENT).image.rgb
    np.testing.assert_allclose(upscale_image(method_of(together), image, SILENT).image.rgb, expected, atol=1e-6)


def test_a_cpu_computes_one_tile_at_a_time_and_queues_none() -> None:
    upscaler = NetworkUpscaler(BatchRecorder(upscaled), "fp32")
    assert isinstance(upscaler, BatchUpscaler)
    assert (upscaler.at_once, upscaler.ahead) == (1, 0)


@pytest.mark.parametrize("ahead", [0, 1])
def test_the_next_batch_is_queued_before_the_last_is_yielded(ahead: int) -> None:
    upscaler, network = on_a_gpu()
    upscaler.ahead = ahead
    requested: list[int] = []

    def batches() -> Iterator[list[Image]]:
        for number in range(3):
            requested.append(number)
            yield [noise(8, 9, number), noise(8, 9, number + 10)]

    for number, results in enumerate(upscaler.upscale_many(batches(), Options())):
        assert len(network.seen) == len(requested) == min(number + 1 + ahead, 3)
        for at, result in enumerate(results):
            np.testing.assert_array_equal(result, fakes.upscaled(noise(8, 9, number + 10 * at)))
            assert not result.flags.writeable
    assert requested == [0, 1, 2]


def test_stop_takes_effect_between_batches(image: ImageData) -> None:
    stop, notes = Event(), list[str]()

    def report(fraction: float, note: str) -> None:
        notes.append(note)
        if len(notes) == 2:
            stop.set()

    upscaler, network = on_a_gpu()
    with pytest.raises(Cancelled):
        upscale_image(method_of(upscaler), image, Progress(report, stop))
    assert len(network.seen) == 2
    assert notes == ["tile 1 of 30", "tile 3 of 30"], "the corners on the left are of one shape"


def test_progress_never_falls(image: ImageData) -> None:
    seen: list[float] = []
    upscale_image(method_of(on_a_gpu()[0]), image, Progress(lambda fraction, _: seen.append(fraction)))
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1


def hungry(fits: int) -> Callable[[Tensor], Tensor]:
    def work(x: Tensor) -> Tensor:
        if x.shape[0] * x.shape[2] * x.shape[3] > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return upscaled(x)

    return work


@pytest.mark.parametrize(("together", "refused"), [(1, [2, 2, 2]), (2, [8, 4])])
def test_out_of_memory_halves_the_batch_before_the_tile(together: int, refused: list[int], image: ImageData) -> None:
    fits = together * (32 + 2 * HALO) ** 2
    upscaler, network = on_a_gpu(hungry(fits), at_once=8)
    result = upscale_image(method_of(upscaler), image, SILENT)
    np.testing.assert_array_equal(result.image.rgb, fakes.upscaled(image.rgb))
    assert (result.tile, result.tiles) == (32, 30), "with fewer at once these fit"
    assert [shape[0] for shape in network.seen if np.prod(shape) > fits] == refused
    assert network.seen[-1][0] == together


def test_out_of_memory_with_one_tile_halves_its_side(image: ImageData) -> None:
    upscaler, network = on_a_gpu(hungry(fits=40 * 40), at_once=2)
    result = upscale_image(method_of(upscaler, largest=64), image, SILENT)
    np.testing.assert_array_equal(result.image.rgb, fakes.upscaled(image.rgb))
    assert result.tile == 32
    refused = [shape for shape in network.seen if np.prod(shape) > 40 * 40]
    assert len(set(refused)) == len(refused), "no plan is tried twice"


def test_out_of_memory_with_the_smallest_tile_is_final(image: ImageData) -> None:
    upscaler, _ = on_a_gpu(hungry(fits=10))
    with pytest.raises(OutOfMemory):
        upscale_image(method_of(upscaler), image, SILENT)


@pytest.mark.parametrize("budget", [1, 3 * 2048 * (32 + 2 * HALO) ** 2])
def test_a_batch_holds_as_many_tiles_as_fit_into_the_budget(
    budget: int, image: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "budget", lambda: budget)
    upscaler, network = on_a_gpu(at_once=4)
    upscale_image(method_of(upscaler), image, SILENT)
    assert max(k for k, _, _ in network.seen) == (1 if budget == 1 else 3)


def test_values_that_are_not_finite_are_found_in_any_image_of_a_batch() -> None:
    def work(x: Tensor) -> Tensor:
        output = upscaled(x)
        output[1, 0, 5, 5] = torch.nan
        return output

    upscaler, _ = on_a_gpu(work)
    with pytest.raises(SRError, match="that are not numbers"):
        list(upscaler.upscale_many([[noise(4, 4), noise(4, 4)]], Options()))


def test_the_budget_of_a_gpu_counts_blocks_that_torch_keeps_for_reuse(monkeypatch: pytest.MonkeyPatch) -> None:
    gigabyte = 2**30

    def gigabytes(*each: int) -> Callable[[torch.device], object]:
        return lambda where: each[0] * gigabyte if len(each) == 1 else tuple(one * gigabyte for one in each)

    monkeypatch.setattr(torch.cuda, "mem_get_info", gigabytes(2, 16))
    monkeypatch.setattr(torch.cuda, "memory_reserved", gigabytes(10))
    monkeypatch.setattr(torch.cuda, "memory_allocated", gigabytes(4))
    assert torch_backend.budget(torch.device("cuda")) == int(0.7 * 8 * gigabyte)
    assert torch_backend.budget(torch.device("cpu")) == pytest.approx(memory.budget(), rel=0.2)


@pytest.mark.parametrize(("own_bf16", "chosen"), [(True, "bf16"), (False, "fp16")])
def test_a_gpu_that_only_emulates_bf16_runs_in_fp16(
    own_bf16: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_backend, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or own_bf16
    )
    assert torch_backend.choose_precision("auto") == chosen
    assert torch_backend.choose_precision("fp16") == "fp16"
    with pytest.raises(BadInput, match="cannot run in fp16"):
        torch_backend.choose_precision("fp16", ("fp32", "bf16"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_out_of_memory_error_is_translated(error: Exception) -> None:
    with pytest.raises(OutOfMemory), torch_backend.out_of_memory_translated():
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), torch_backend.out_of_memory_translated():
        raise RuntimeError("shapes do not match")
