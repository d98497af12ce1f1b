"""Bicubic upscaling inside the networks equals torch's, in each of its implementations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks import bicubic


def expected(x: Tensor, scale: int) -> Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (17, 12)])
def test_phases_are_those_of_interpolate(scale: int, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(F.pixel_shuffle(bicubic.phases(x, scale), scale), expected(x, scale), atol=2e-6, rtol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_traced_implementation_computes_the_same(scale: int) -> None:
    class Enlarge(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pixel_shuffle(bicubic.phases(x, scale), scale)

    traced: Any = torch.jit.trace(Enlarge(), torch.rand(1, 3, 7, 9))
    assert "conv" not in str(traced.inlined_graph), "runtimes would compute it in bf16"
    x = torch.rand(1, 3, 12, 5)
    torch.testing.assert_close(traced(x), expected(x, scale), atol=2e-6, rtol=0)


def test_it_stays_in_fp32_under_autocast() -> None:
    x = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        made = bicubic.phases(x, 4)
    assert made.dtype == torch.float32
    torch.testing.assert_close(F.pixel_shuffle(made, 4), expected(x, 4), atol=2e-6, rtol=0)


def test_gradients_pass_after_a_run_in_inference_mode() -> None:
    bicubic._kernels.cache_clear()
    x = torch.rand(1, 3, 6, 6)
    with torch.inference_mode():
        bicubic.phases(x.clone(), 4)
    x.requires_grad_()
    F.pixel_shuffle(bicubic.phases(x, 4), 4).square().sum().backward()
    found, x.grad = x.grad, None
    expected(x, 4).square().sum().backward()
    torch.testing.assert_close(found, x.grad, atol=1e-4, rtol=1e-4)
