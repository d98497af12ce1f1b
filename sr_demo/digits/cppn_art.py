"""Images of random CPPNs, untrained networks of x, y and r.

After Stanley 2007 (doi:10.1007/s10710-007-9028-8) and Ha 2016 (blog.otoro.net).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sr_demo.backends.torch_backend import device
from sr_demo.digits.inference import evaluate
from sr_demo.digits.options import Art
from sr_demo.image import Image, readonly
from sr_demo.progress import SILENT, Progress

_LATENT = 8
_GAIN = 2.5
"""Standard deviation of a unit's input: below 1 the image is gray, far above only hard edges remain."""
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sine": torch.sin,
    "bell": lambda h: torch.exp(-0.5 * h * h) * 2.0 - 1.0,
}


def paint(options: Art, progress: Progress = SILENT) -> Image:
    """Draw the image of a random CPPN; the same options give the same image.

    Args:
        options: Seed, size and shape of the network.
        progress: Reports the rows; raises Cancelled on Stop.

    Returns:
        (size, size, 3) float32 in [0, 1], read-only.
    """
    rng = np.random.default_rng(options.seed)
    outputs = 3 if options.colour else 1

    def weights(*shape: int) -> Tensor:
        values = rng.standard_normal(shape).astype(np.float32) * np.float32(_GAIN / shape[-1] ** 0.5)
        return torch.from_numpy(values).to(device())

    # The latent is the same at every point, so its part of the first layer is a bias.
    first, latent = weights(options.width, 3), weights(options.width, _LATENT).sum(1)
    hidden = [weights(options.width, options.width) for _ in range(options.depth - 1)]
    last = weights(outputs, options.width)
    act = _ACTIVATIONS[options.activation]
    centres = ((torch.arange(options.size, device=device()) + 0.5) * (2.0 / options.size) - 1.0) * options.scale

    def band(top: int, bottom: int) -> Tensor:
        x, y = centres[None, :].expand(bottom - top, -1), centres[top:bottom, None].expand(-1, options.size)
        points = torch.stack([x, y, (x * x + y * y).sqrt()], dim=2).view(-1, 3)
        h = act(F.linear(points * 0.25, first, latent))
        for weight in hidden:
            h = act(F.linear(h, weight))
        return F.linear(h, last).sigmoid_()

    with torch.inference_mode():
        drawn = evaluate(band, options.size, outputs, progress)
        return readonly(drawn.expand(-1, -1, 3).contiguous().cpu().numpy())
