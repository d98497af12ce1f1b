"""Exponential moving average of a network's weights: what is validated and shipped."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """`network` is the averaged copy, in eval mode. Buffers are copied, floating-point parameters are averaged.

    weight <- d * weight + (1 - d) * new with d = min(decay, (1 + n) / (10 + n)) after n updates, so that the random
    start is forgotten quickly.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, source: nn.Module) -> None:
        """Take one step towards the weights of `source`."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, new in zip(self.network.parameters(), source.parameters(), strict=True):
            mine.lerp_(new, 1.0 - decay)
        for buffer, new in zip(self.network.buffers(), source.buffers(), strict=True):
            buffer.copy_(new)
