"""Exponential moving average (EMA) of a network's weights: the weights that are validated and shipped."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return the EMA of `network`, in eval mode and without gradients; call `update_parameters(network)` after each step.

    Parameters follow `ema <- d * ema + (1 - d) * new` with `d = min(decay, (1 + n) / (10 + n))` in the n-th update, the
    warm-up of TensorFlow's `ExponentialMovingAverage`: the random initial weights are forgotten quickly. Buffers are
    copied.

    Args:
        network: The network under training.
        decay: Decay rate after the warm-up, 0..1.
    """
    ema = AveragedModel(network, multi_avg_fn=_with_warm_up(decay), use_buffers=False)
    # `AveragedModel` replaces its weights in its first update; here the copy of the initial weights counts as that one.
    ema.n_averaged.fill_(1)
    return ema.eval().requires_grad_(False)


def _with_warm_up(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    def update(ema: Tensors, current: Tensors, updates: Tensor | int) -> None:
        n = int(updates)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(ema, current, n)

    return update
