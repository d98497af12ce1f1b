"""Muon for the matrices of a network, AdamW for the rest of it: learns several times as much per step here as AdamW alone.

Muon (K. Jordan 2024, kellerjordan.github.io/posts/muon) moves a matrix by its momentum with all singular values made equal.
torch.optim.Muon takes matrices only; the kernel of a convolution, (out, in, k, k), is one of (out, in * k * k). Steps are
scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982, section 2.2), so that one learning rate fits both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class MuonAdamW:
    """An optimiser for `network`, which stays where it is: its kernels are shared with Muon, not copied.

    Muon takes the weights of all convolutions and linear layers but the first and the last, which turn colours into
    features and back; AdamW takes those two, biases, norms and tables.
    """

    def __init__(self, network: nn.Module, within: str = "") -> None:
        """`within`: only layers whose names begin so are Muon's, where the others start as something worth keeping."""
        layers = [(name, part) for name, part in network.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
        inner = [part.weight for name, part in layers[1:-1] if name.startswith(within)]
        self._kernels = [(weight, nn.Parameter(_matrix(weight.detach()))) for weight in inner]
        if any(matrix.data_ptr() != weight.data_ptr() for weight, matrix in self._kernels):
            raise ValueError("the network's kernels must lie channels last: a copy of them would learn in their place")
        taken = {id(weight) for weight in inner}
        rest = [parameter for parameter in network.parameters() if id(parameter) not in taken]
        self._muon = torch.optim.Muon(
            [matrix for _, matrix in self._kernels], lr=0.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)

    @property
    def parts(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """Muon with its matrices, AdamW with the rest."""
        return self._muon, self._adamw

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of both, so that a learning rate can be set."""
        return self._muon.param_groups + self._adamw.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self._adamw.zero_grad(set_to_none)
        for weight, _ in self._kernels:
            weight.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for weight, matrix in self._kernels:
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
        self._muon.step()
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` goes on from."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned for a network of the same shape."""
        self._muon.load_state_dict(values["muon"])
        self._adamw.load_state_dict(values["adamw"])


def _matrix(weight: Tensor) -> Tensor:
    """(out, in, k, k) or (out, in) as (out, k * k * in), without copying what lies channels last."""
    if weight.ndim == 4:
        weight = weight.contiguous(memory_format=torch.channels_last).movedim(1, -1)
    return weight.flatten(1)
