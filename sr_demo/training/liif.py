"""Training of LIIF: every batch has its own scale, and the loss is computed at random SR pixels.

The encoder starts from the embedded EDSR and has a lower learning rate than the local function. Legend: N = batch size,
p = side of the LR patch, s = scale, Q = queried SR pixels per patch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sr_demo.image import quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.liif import LIIF
from sr_demo.training.data import Pairs, as_float
from sr_demo.training.loop import Trainer, batch_tensor, embedded_network
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at

_ENCODER = "edsr-x4"
_ENCODER_RATE = 0.2
"""Learning rate of the encoder, relative to that of the local function."""
_MARGIN = 4
"""Margin of a patch in LR pixels, downscaled with it and then cropped: a patch downscaled without its surroundings has
border effects, which the network would learn."""
_QUERIES = 48 * 48
"""Queried SR pixels per patch."""


class Queries(NamedTuple):
    """LR patches, and HR colours at random places in them."""

    lr: NDArray[np.uint8]
    """(N, p, p, 3)."""
    places: Tensor
    """(N, Q, 2) float32, row and column in LR pixels."""
    colours: NDArray[np.uint8]
    """(N, Q, 3)."""
    cells: Tensor
    """(N,) float32, side of an HR pixel in LR pixels."""


class LiifTrainer(Trainer):
    """Trainer for LIIF. The scale is 4 in 30 % of the batches, uniform in 1..4 in 50 %, and uniform in 4..8 in 20 %."""

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        super().__init__(recipe, pairs, validation, device, seed)
        edsr, self.began_as = embedded_edsr(), "edsr"
        for network in (self.network, self.ema.module):
            assert isinstance(network, LIIF)
            network.load_encoder(edsr.to(device))
        encoder = ("head.", "blocks.", "body_end.", "tail.")
        slow = [p for name, p in self.network.named_parameters() if name.startswith(encoder)]
        fast = [p for name, p in self.network.named_parameters() if not name.startswith(encoder)]
        groups = [{"params": slow, "share": _ENCODER_RATE}, {"params": fast, "share": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)

    def step(self, fraction: float) -> float:
        """Take one training step.

        Args:
            fraction: Finished share of the run, 0..1.

        Returns:
            The loss before the step.
        """
        phase, _ = phase_at(self.recipe.phases, fraction)
        drawn = sample_queries(self.pairs, phase.batch, phase.patch, random_scale(self.rng), self.rng)
        network = self.network
        assert isinstance(network, LIIF)
        network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            predicted = network.query(
                batch_tensor(drawn.lr, self.device), drawn.places.to(self.device), drawn.cells.to(self.device)
            )
        loss = F.l1_loss(predicted, torch.from_numpy(drawn.colours).to(self.device).float() / 255.0)
        return self._descend(loss, learning_rate(self.recipe.phases, fraction, self.recipe.warm_up))


def embedded_edsr() -> EDSR:
    """Return the embedded EDSR with its trained weights.

    Raises:
        BadInput: The weights are missing.
    """
    network = embedded_network(_ENCODER)
    assert isinstance(network, EDSR)
    return network


def random_scale(rng: np.random.Generator) -> float:
    """Draw the scale of one batch, 1..8."""
    kind, where = rng.random(2)
    if kind < 0.3:
        return 4.0
    return float(1 + 3 * where if kind < 0.8 else 4 + 4 * where)


def sample_queries(pairs: Pairs, count: int, patch: int, scale: float, rng: np.random.Generator) -> Queries:
    """Draw random LR patches and the HR colours at random places in them.

    The HR patch has a whole number of pixels and is no larger than its photo, so its scale differs from `scale`: slightly,
    or more where the photo is small. Places and cells are those of its own scale.

    Args:
        pairs: Only the HR images are used.
        count: Number of patches, N.
        patch: Side of the LR patches, p.
        scale: HR pixels per LR pixel, at least 1.
        rng: Source of randomness.
    """
    side_with_margin = patch + 2 * _MARGIN
    lr = np.empty((count, patch, patch, 3), np.uint8)
    places = np.empty((count, _QUERIES, 2), np.float32)
    colours = np.empty((count, _QUERIES, 3), np.uint8)
    cells = np.empty(count, np.float32)
    for i in range(count):
        hr = pairs.hr[int(rng.integers(len(pairs.hr)))]
        side = min(round(side_with_margin * scale), *hr.shape[:2])
        cells[i] = side_with_margin / side
        top, left = (int(rng.integers(length - side + 1)) for length in hr.shape[:2])
        cut = np.rot90(hr[top : top + side, left : left + side], int(rng.integers(4)))
        cut = cut[:, ::-1] if rng.integers(2) else cut
        downscaled = quantize(
            resize(readonly(as_float(np.ascontiguousarray(cut))), (side_with_margin, side_with_margin))
        )
        lr[i] = downscaled[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        # Centres of HR pixels, in LR pixels of the patch without its margin.
        centres = (np.arange(side) + 0.5) * (side_with_margin / side) - _MARGIN
        inside = np.flatnonzero((centres >= 0) & (centres < patch))
        rows, columns = rng.choice(inside, _QUERIES), rng.choice(inside, _QUERIES)
        places[i, :, 0], places[i, :, 1] = centres[rows], centres[columns]
        colours[i] = cut[rows, columns]
    return Queries(lr, torch.from_numpy(places), colours, torch.from_numpy(cells))
