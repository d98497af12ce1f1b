"""The only place for torch's device, precision, threads, memory of a GPU, and array <-> tensor.

Precision. On a GPU bf16 where the chip has it, else fp16 where the network allows it. On a CPU bf16 only where a short
probe shows that it is faster: chips without AMX or AVX-512-BF16 emulate it slowly. Convolutional networks run under
autocast, which keeps their bicubic skip in fp32; attention networks are converted as a whole, since autocast does not
speed them up.

Overlap. Work for a GPU is queued, not waited for. `upscale_many` queues a batch before it hands out the last one's results:
while these are copied back and placed, the GPU computes. On a CPU the same lines run with nothing queued ahead.
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

from sr_demo.errors import BadInput, OutOfMemory, SRError
from sr_demo.image import Image, readonly
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Precision
from sr_demo.system import memory

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ALL = ("fp32", "bf16", "fp16")
_GPU_SHARE = 0.7
"""Of a GPU's free memory, what one batch may take: the input of the next and the results of the last lie there too."""
_AT_ONCE = 8
"""Tiles in one batch on a GPU: one tile alone leaves a large chip waiting for orders, and Stop waits for two batches."""
_FULL = ("DefaultCPUAllocator", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
"""How torch's CPU allocator, CUDA's for page-locked memory, and cuDNN and cuBLAS say that memory is full, by their names."""


@lru_cache
def device() -> torch.device:
    """The fastest device here."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = (
        False  # torch's default would make fp32 convolutions less exact than bf16's name says
    )
    return torch.device("cuda")


def budget(where: torch.device) -> int:
    """Bytes that one batch may take now on `where`. On a GPU, blocks that torch keeps for reuse count as free."""
    if where.type == "cpu":
        return memory.budget()
    free, _ = torch.cuda.mem_get_info(where)
    return int((free + torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)) * _GPU_SHARE)


@lru_cache
def cpu_gains_from_bf16() -> bool:
    """Whether a 3x3 convolution, 64 to 64 channels, is at least 1.3 times as fast in bf16 as in fp32 on this CPU.

    On one thread: several would measure how busy the machine is at this moment, not what the chip can do.
    """
    own = torch.Generator().manual_seed(0)  # so that the caller's random stream does not depend on when this first runs
    x = torch.rand(1, 64, 96, 96, generator=own).to(memory_format=torch.channels_last)
    weight = torch.rand(64, 64, 3, 3, generator=own).to(memory_format=torch.channels_last)

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
    """The precision to run in. Raises BadInput when the network cannot run in the requested one."""
    if requested != "auto":
        if requested not in supported:
            raise BadInput(f"This network cannot run in {requested}. It can run in {', '.join(supported)}, or auto.")
        if requested == "fp16" and device().type == "cpu":
            raise BadInput("fp16 needs a GPU. On this machine choose auto, fp32 or bf16.")
        return requested
    if device().type == "cuda":
        if "bf16" in supported and torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        return "fp16" if "fp16" in supported else "fp32"
    return "bf16" if "bf16" in supported and cpu_gains_from_bf16() else "fp32"


@contextmanager
def out_of_memory_translated() -> Generator[None]:
    """Turn the out-of-memory errors of torch and numpy into ours, by type."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as exc:
        raise OutOfMemory from exc
    except RuntimeError as exc:
        # A plain RuntimeError: the words in it are all there is to go by.
        if not any(sign in str(exc) for sign in _FULL):
            raise
        raise OutOfMemory from exc


class NetworkUpscaler:
    """A network behind the `BatchUpscaler` protocol."""

    backend = "torch"
    loss_db = None

    def __init__(
        self,
        network: Any,
        precision: str,
        mode: Literal["autocast", "convert"] = "autocast",
    ) -> None:
        """`network` (an nn.Module or a spandrel descriptor) maps (k, 3, H, W) in [0, 1] to (k, 3, H * scale, W * scale).

        `precision` is one that `choose_precision` returned; `mode` says how the network gets there.
        """
        self.precision = precision
        self.mode = mode
        self._device = device()
        on_gpu = self._device.type == "cuda"
        self.at_once = _AT_ONCE if on_gpu else 1
        self.ahead = 1 if on_gpu else 0
        """Batches under way while the results of an earlier one are handed out."""
        self._back = torch.get_device_module(self._device).Stream()
        self._autocast = mode == "autocast" and precision != "fp32"
        self._dtype = torch.float32 if self._autocast else DTYPES[precision]
        self._cast = DTYPES[precision]
        self._network = network.eval().to(self._device, self._dtype)
        # A layout is asked of the module inside a descriptor, or its convolutions copy every result into another one.
        module = network if isinstance(network, nn.Module) else network.model
        module.to(memory_format=torch.channels_last)

    @property
    def network(self) -> Any:
        """The network as it was given, on its device: what an export writes down."""
        return self._network

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """One forward pass. Raises OutOfMemory when it does not fit."""
        progress.check()
        with self._computing():
            return to_array(self._forward([image]))

    def budget(self) -> int:
        """Bytes that the work on one batch may take now, where it computes."""
        return budget(self._device)

    def upscale_many(self, batches: Iterable[Sequence[Image]], options: Options) -> Iterator[list[Image]]:
        """One forward pass for each batch; see `BatchUpscaler`. Raises OutOfMemory when one does not fit."""
        under_way: deque[_Arriving] = deque()
        for images in batches:
            with self._computing():
                under_way.append(_Arriving(self._forward(images), self._back))
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
        """k times (H, W, 3) -> (k, 3, H * scale, W * scale) on the device, where it may still be under way."""
        x = _stacked(images, pinned=self._device.type == "cuda").to(self._device, non_blocking=True)
        # Converted over there: on the way torch would do it on the CPU, in memory that is not pinned, and wait.
        return self._network(x.to(self._dtype).contiguous(memory_format=torch.channels_last))


class _Arriving:
    """Results of one batch, copied to the CPU on a stream of their own while the device computes the next."""

    def __init__(self, made: torch.Tensor, back: Any) -> None:
        """`made` (k, 3, H, W) as `back`, a stream of its device, will find it once all that is queued now is done."""
        runtime = torch.get_device_module(made.device)
        # Kept until the copy is done: what is let go on one stream is overwritten by its next work.
        self._kept = _finished(made)
        back.wait_stream(runtime.current_stream())
        self._done = runtime.Event()
        with runtime.stream(back):
            # From a GPU, torch copies into pinned memory here: it does so whenever it is not to wait.
            self._pictures, self._sound = (part.to("cpu", non_blocking=True) for part in self._kept)
            self._done.record(back)

    def arrays(self) -> list[Image]:
        """Each (H, W, 3), as `to_array` gives them, once they are there."""
        self._done.synchronize()
        return _sound(self._pictures, self._sound)


def to_tensor(image: Image) -> torch.Tensor:
    """(H, W, 3) -> (1, 3, H, W) float32 on the CPU, channels last."""
    return _stacked([image])


def _stacked(images: Sequence[Image], *, pinned: bool = False) -> torch.Tensor:
    """k times (H, W, 3) -> (k, 3, H, W) float32 on the CPU, channels last; `pinned`: a GPU can fetch it on its own."""
    stacked = torch.empty((len(images), *images[0].shape), pin_memory=pinned)
    np.stack(images, out=stacked.numpy())
    return stacked.permute(0, 3, 1, 2)


def to_array(tensor: torch.Tensor) -> Image:
    """(1, 3, H, W) of any precision -> (H, W, 3) float32 in [0, 1], read-only.

    Raises SRError when the network produced numbers that are not finite (fp16 overflows in some networks).
    """
    pictures, sound = _finished(tensor)
    return _sound(pictures.cpu(), sound)[0]


def _finished(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(k, 3, H, W) -> (k, H, W, 3) float32 in [0, 1], and whether all of it was finite; both where it was computed."""
    # Everything in torch, which uses all cores: numpy took as long as a small network. One number tells whether all are
    # finite, since a sum with one that is not is none either.
    last = tensor.permute(0, 2, 3, 1)
    sound = torch.isfinite(last.sum(dtype=torch.float32))
    return last.float().clamp_(0, 1).contiguous(), sound


def _sound(pictures: torch.Tensor, sound: torch.Tensor) -> list[Image]:
    if not sound:
        raise SRError("The network produced values that are not numbers at this precision. Choose fp32 and run again.")
    return [readonly(picture) for picture in pictures.numpy()]


def load_safetensors(path: Path, network: nn.Module) -> nn.Module:
    """Fill `network` with the weights in `path` (safetensors, any float type), in fp32, strictly."""
    from safetensors.torch import load_file

    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=True)
    return network
