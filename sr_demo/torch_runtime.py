"""The only place for torch's device, precision, threads, out-of-memory, and array <-> tensor.

Precision. On a GPU bf16 where the chip has it, else fp16 where the network allows it. On a CPU bf16 only where a short
probe shows that it is faster: chips without AMX or AVX-512-BF16 emulate it slowly. Convolutional networks run under
autocast, which keeps their bicubic skip in fp32; attention networks are converted as a whole, since autocast does not
speed them up.
"""

from __future__ import annotations

import time
from collections.abc import Generator
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

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
ALL = ("fp32", "bf16", "fp16")


@lru_cache
def device() -> torch.device:
    """The fastest device here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
        if "bf16" in supported and torch.cuda.is_bf16_supported():
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
        # torch's CPU allocator raises a plain RuntimeError; its name is all there is to go by.
        if "DefaultCPUAllocator" not in str(exc):
            raise
        raise OutOfMemory from exc


class NetworkUpscaler:
    """A network behind the `Upscaler` protocol. Sends one picture (or tile) through it."""

    engine = "torch"

    def __init__(
        self,
        network: Any,
        precision: str,
        mode: Literal["autocast", "convert"] = "autocast",
    ) -> None:
        """`network` (an nn.Module or a spandrel descriptor) maps (1, 3, H, W) in [0, 1] to (1, 3, H * scale, W * scale).

        `precision` is one that `choose_precision` returned; `mode` says how the network gets there.
        """
        self.precision = precision
        self.mode = mode
        self._device = device()
        self._autocast = mode == "autocast" and precision != "fp32"
        self._dtype = torch.float32 if self._autocast else DTYPES[precision]
        self._cast = DTYPES[precision]
        self._network = network.eval().to(self._device, self._dtype)
        if isinstance(network, nn.Module):
            network.to(memory_format=torch.channels_last)

    @property
    def network(self) -> Any:
        """The network as it was given, on its device: what an export writes down."""
        return self._network

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """One forward pass. Raises OutOfMemory when it does not fit."""
        progress.check()
        with (
            out_of_memory_translated(),
            torch.inference_mode(),
            torch.autocast(self._device.type, self._cast, enabled=self._autocast),
        ):
            x = to_tensor(image)
            if self._device.type == "cuda":
                x = x.pin_memory()  # copied to the GPU while the CPU goes on
            x = x.to(self._device, self._dtype, non_blocking=True).contiguous(memory_format=torch.channels_last)
            return to_array(self._network(x))


def to_tensor(image: Image) -> torch.Tensor:
    """(H, W, 3) -> (1, 3, H, W) float32 on the CPU, channels last without a copy where possible."""
    # torch warns about read-only arrays; the tensor is only read, and `.to` or `.contiguous` copy it.
    array = image if image.flags.writeable else image.view()
    if not array.flags.writeable:
        array = np.array(array, np.float32)
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0)


def to_array(tensor: torch.Tensor) -> Image:
    """(1, 3, H, W) of any precision -> (H, W, 3) float32 in [0, 1], read-only.

    Raises SRError when the network produced numbers that are not finite (fp16 overflows in some networks).
    """
    # Everything in torch, which uses all cores: numpy took as long as a small network. One number tells whether all are
    # finite, since a sum with one that is not is none either.
    last = tensor[0].permute(1, 2, 0)
    sound = torch.isfinite(last.sum(dtype=torch.float32))
    array = last.float().clamp_(0, 1).contiguous().cpu().numpy()
    if not sound:
        raise SRError("The network produced values that are not numbers at this precision. Choose fp32 and run again.")
    return readonly(array)


def load_safetensors(path: Path, network: nn.Module) -> nn.Module:
    """Fill `network` with the weights in `path` (safetensors, any float type), in fp32, strictly."""
    from safetensors.torch import load_file

    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=True)
    return network
