"""Muon for the matrices of a network, AdamW for the rest of it: learns several times as much per step here as AdamW alone.

Muon (K. Jordan 2024, kellerjordan.github.io/posts/muon) moves a matrix by its momentum with all singular values made equal.
torch.optim.Muon takes matrices only; the kernel of a convolution, (out, in, k, k), is one of (out, in * k * k). Steps are
scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982, section 2.2), so that one learning rate fits both.

torch.optim.Muon takes one matrix after the other; those of small networks are so small that calling each product costs more
than the product. `Muon` here takes all of one shape in one batched product: the same steps, to the bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Muon(torch.optim.Muon):
    """torch.optim.Muon with steps like AdamW's, without weight decay, that moves all matrices of one shape together."""

    def __init__(self, matrices: list[nn.Parameter]) -> None:
        """`matrices`: (rows, columns) each; `lr` is set before each step, as for every optimiser here."""
        super().__init__(matrices, lr=0.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Move every matrix that has a gradient; `closure` is there for the base class and not called."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor, Tensor]]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    if not self.state[matrix]:
                        self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
                    alike[matrix.shape].append((matrix, matrix.grad, self.state[matrix]["momentum_buffer"]))
            for shape, together in alike.items():
                keep = group["momentum"]
                ahead = [grad.lerp(momentum.lerp_(grad, 1 - keep), keep) for _, grad, momentum in together]
                updates = _orthogonalised(torch.stack(ahead), group["ns_coefficients"], group["ns_steps"], group["eps"])
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                for (matrix, _, _), update in zip(together, updates, strict=True):
                    matrix.add_(update, alpha=-rate)


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
        self._muon = Muon([matrix for _, matrix in self._kernels])
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


def _orthogonalised(batch: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """(n, rows, columns) with all singular values of each matrix made about one: Newton and Schulz's iteration, in bf16."""
    a, b, c = coefficients
    max_aspect = batch.shape[1] > batch.shape[2]
    x = (batch.mT if max_aspect else batch).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if max_aspect else x
