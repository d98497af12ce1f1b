"""torch: device, precision, GPU memory, conversion between arrays and tensors, and networks as upscalers.

Precision. On a GPU: bf16 if the chip supports it, otherwise fp16 if the network allows it. On a CPU: bf16 only if a short
probe shows that it is faster, since chips without AMX or AVX-512-BF16 emulate it slowly. Convolutional networks run under
autocast, which keeps their bicubic skip in fp32; attention networks are converted as a whole, since autocast does not
speed them up.

Overlap. Work for a GPU is queued asynchronously. `upscale_many` queues a batch before it yields the results of the previous
one, so that the GPU computes while results are copied back and placed. On a CPU the same code runs with nothing queued ahead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sr_demo.errors import NOT_NUMBERS, BadInput, OutOfMemory, SRError
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Precision
from sr_demo.system import memory

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ALL = ("fp32", "bf16", "fp16")
_GPU_SHARE = 0.7
"""Share of a GPU's free memory that one batch may take; the rest is for the next input and the previous results."""
_AT_ONCE = 8
"""Tiles in one batch on a GPU: a single tile does not saturate a large chip, but Stop waits for two batches."""
_FULL = ("DefaultCPUAllocator", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
"""Signs of full memory in error messages: of torch's CPU allocator, of CUDA for pinned memory, of cuDNN and cuBLAS."""


@lru_cache
def device() -> torch.device:
    """Return the device to compute on: CUDA if available, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False  # torch's default rounds the factors of fp32 convolutions to 10 bits
    return torch.device("cuda")


def budget(where: torch.device) -> int:
    """Return the bytes that one batch may now take on `where`. On a GPU, blocks that torch keeps for reuse count as free."""
    if where.type == "cpu":
        return memory.budget()
    free, _ = torch.cuda.mem_get_info(where)
    return int((free + torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)) * _GPU_SHARE)


@lru_cache
def cpu_gains_from_bf16() -> bool:
    """Return whether a 3x3 convolution, 64 to 64 channels, is at least 1.3 times as fast in bf16 as in fp32 on this CPU.

    Measured on one thread, since other running programs would disturb a measurement on several threads.
    """
    # A separate generator, so that the caller's random stream does not depend on when this first runs.
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 64, 96, 96, generator=generator).to(memory_format=torch.channels_last)
    weight = torch.rand(64, 64, 3, 3, generator=generator).to(memory_format=torch.channels_last)

    def seconds(dtype: torch.dtype) -> float:
        a, w = x.to(dtype), weight.to(dtype)
        best = float("inf")
        with torch.inference_mode():
            for _ in range(6):
                start = time.perf_counter()
                F.conv2d(a, w, padding=1)
                best = min(best, time.perf_counter() - start)
        return best

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return seconds(torch.float32) > 1.3 * seconds(torch.bfloat16)
    finally:
        torch.set_num_threads(threads)


def choose_precision(requested: Precision, supported: tuple[str, ...] = ALL) -> str:
    """Return the precision to run in. Raises BadInput when the network cannot run in the requested one."""
    if requested != "auto":
        if requested not in supported:
            raise BadInput(f"This network cannot run in {requested}. It can run in {', '.join(supported)}, or auto.")
        if requested == "fp16" and device().type == "cpu":
            raise BadInput("fp16 needs a GPU. Choose auto, fp32 or bf16.")
        return requested
    if device().type == "cuda":
        if "bf16" in supported and torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        return "fp16" if "fp16" in supported else "fp32"
    return "bf16" if "bf16" in supported and cpu_gains_from_bf16() else "fp32"


@contextmanager
def out_of_memory_translated() -> Generator[None]:
    """Translate the out-of-memory errors of torch and numpy into `OutOfMemory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as exc:
        raise OutOfMemory from exc
    except RuntimeError as exc:
        # A plain RuntimeError, which can only be recognized by its text.
        if not any(sign in str(exc) for sign in _FULL):
            raise
        raise OutOfMemory from exc


class NetworkUpscaler:
    """A network behind the `BatchUpscaler` protocol."""

    backend = "torch"
    loss_db: float | None = None

    def __init__(
        self,
        network: Any,
        precision: str,
        mode: Literal["autocast", "convert"] = "autocast",
    ) -> None:
        """Move a network to the device.

        Args:
            network: An nn.Module or a spandrel descriptor, (k, 3, H, W) in [0, 1] -> (k, 3, H * scale, W * scale).
            precision: A precision that `choose_precision` returned.
            mode: Run under autocast, or convert all weights and inputs.
        """
        self.precision = precision
        self.mode = mode
        self._device = device()
        on_gpu = self._device.type == "cuda"
        self.at_once = _AT_ONCE if on_gpu else 1
        self.ahead = 1 if on_gpu else 0
        """Batches queued while the results of an earlier one are yielded."""
        self._back = torch.get_device_module(self._device).Stream()
        self._autocast = mode == "autocast" and precision != "fp32"
        self._dtype = torch.float32 if self._autocast else DTYPES[precision]
        self._cast = DTYPES[precision]
        self._network = network.eval().to(self._device, self._dtype)
        # The module inside a descriptor is converted too; otherwise its convolutions copy every result to another layout.
        module = network if isinstance(network, nn.Module) else network.model
        module.to(memory_format=torch.channels_last)

    @property
    def network(self) -> Any:
        """The network on its device, for export."""
        return self._network

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Run one forward pass. Raises OutOfMemory when it does not fit."""
        progress.check()
        with self._computing():
            return to_array(self._forward([image]))

    def budget(self) -> int:
        """Return the bytes that one batch may now take on the device."""
        return budget(self._device)

    def upscale_many(self, batches: Iterable[Sequence[Image]], options: Options) -> Iterator[list[Image]]:
        """Run one forward pass for each batch; see `BatchUpscaler`. Raises OutOfMemory when one does not fit."""
        under_way: deque[_PendingResults] = deque()
        for images in batches:
            with self._computing():
                under_way.append(_PendingResults(self._forward(images), self._back))
            if len(under_way) > self.ahead:
                yield under_way.popleft().arrays()
        while under_way:
            yield under_way.popleft().arrays()

    @contextmanager
    def _computing(self) -> Generator[None]:
        with (
            out_of_memory_translated(),
            torch.inference_mode(),
            torch.autocast(self._device.type, self._cast, enabled=self._autocast),
        ):
            yield

    def _forward(self, images: Sequence[Image]) -> torch.Tensor:
        """Run the network on k images (H, W, 3): (k, 3, H * scale, W * scale) on the device, possibly still computing."""
        x = _stacked(images, pinned=self._device.type == "cuda").to(self._device, non_blocking=True)
        # Converted on the device. In one call with the copy, torch would convert in pageable CPU memory and block.
        return self._network(x.to(self._dtype).contiguous(memory_format=torch.channels_last))


class _PendingResults:
    """Results of one batch, copied to the CPU on a separate stream while the device computes the next batch."""

    def __init__(self, output: torch.Tensor, back: Any) -> None:
        """Queue the copy of `output` (k, 3, H, W) on `back`, a stream of its device, after all work queued so far."""
        runtime = torch.get_device_module(output.device)
        # Referenced until the copy is done, since memory freed on one stream is reused by its next work.
        self._source = _finished(output)
        back.wait_stream(runtime.current_stream())
        self._done = runtime.Event()
        with runtime.stream(back):
            # A non-blocking copy from a GPU goes to pinned memory.
            self._images, self._is_finite = (part.to("cpu", non_blocking=True) for part in self._source)
            self._done.record(back)

    def arrays(self) -> list[Image]:
        """Wait for the copy; return the images (H, W, 3), as `to_array` does."""
        self._done.synchronize()
        return _checked(self._images, self._is_finite)


def to_tensor(image: Image) -> torch.Tensor:
    """Return an image (H, W, 3) as (1, 3, H, W) float32 on the CPU, channels last."""
    return _stacked([image])


def _stacked(images: Sequence[Image], *, pinned: bool = False) -> torch.Tensor:
    """Stack k images (H, W, 3) to (k, 3, H, W) float32 on the CPU, channels last; `pinned` for asynchronous copies."""
    stacked = torch.empty((len(images), *images[0].shape), pin_memory=pinned)
    np.stack(images, out=stacked.numpy())
    return stacked.permute(0, 3, 1, 2)


def to_array(tensor: torch.Tensor) -> Image:
    """Return (1, 3, H, W) of any precision as (H, W, 3) float32, clamped to [0, 1], read-only.

    Raises SRError when a value is not finite (fp16 overflows in some networks).
    """
    images, is_finite = _finished(tensor)
    return _checked(images.cpu(), is_finite)[0]


def _finished(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (k, 3, H, W) as (k, H, W, 3) float32 in [0, 1], and whether all values are finite; both on its device."""
    # In torch, which uses all cores; numpy took as long as a small network. The sum is finite only if all values are.
    last = tensor.permute(0, 2, 3, 1)
    is_finite = torch.isfinite(last.sum(dtype=torch.float32))
    return last.float().clamp_(0, 1).contiguous(), is_finite


def _checked(images: torch.Tensor, is_finite: torch.Tensor) -> list[Image]:
    """Return read-only arrays of `images` (k, H, W, 3) on the CPU. Raises SRError when a value is not finite."""
    if not is_finite:
        raise SRError(NOT_NUMBERS)
    return [readonly(image) for image in images.numpy()]


def load_safetensors(path: Path, network: nn.Module) -> nn.Module:
    """Load the weights of a safetensors file of any float type into `network`, strictly and in fp32; return the network."""
    from safetensors.torch import load_file

    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=True)
    return network
