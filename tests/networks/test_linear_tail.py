"""A chain of convolutions and PixelShuffles computes the same as one convolution, up to the image's border."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sr_demo.networks.linear_tail import LinearTail


def chain(*factors: int) -> nn.Sequential:
    """For 4 features: a convolution and a PixelShuffle for each factor, and a last convolution to RGB."""
    torch.manual_seed(0)
    steps: list[nn.Module] = []
    for factor in factors:
        steps += [nn.Conv2d(4, 4 * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
    return nn.Sequential(*steps, nn.Conv2d(4, 3, 3, padding=1))


@pytest.mark.parametrize("factors", [(2,), (3,), (2, 2), (2, 2, 2)], ids=["x2", "x3", "x4", "x8"])
def test_every_pixel_equals_that_of_the_chain(factors: tuple[int, ...]) -> None:
    plain = chain(*factors)
    folded = LinearTail(plain)
    for height, width in ((3, 3), (4, 9), (12, 5)):
        x = torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(height))
        with torch.inference_mode():
            torch.testing.assert_close(folded(x), plain(x), atol=2e-6, rtol=0)


def test_folding_leaves_the_chain_as_it_was_and_runs_at_the_small_size() -> None:
    plain = chain(2, 2)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    folded = LinearTail(plain)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert all(parameter.grad is None for parameter in plain.parameters())
    inner: nn.Module = folded.parts[4]
    assert isinstance(inner, nn.Conv2d) and inner.weight.shape == (48, 4, 5, 5)
