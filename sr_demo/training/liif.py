"""Teaching the network for any scale: each batch has a scale of its own, and is asked at random SR pixels.

The encoder begins as our embedded EDSR and learns more slowly than the local function. Legend: N = batch, p = side of the
LR patch, s = scale, Q = SR pixels asked per patch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sr_demo import spec
from sr_demo.backends import embedded
from sr_demo.backends.torch_backend import load_safetensors
from sr_demo.errors import BadInput
from sr_demo.image import quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.liif import LIIF
from sr_demo.training.data import Pairs, as_float
from sr_demo.training.loop import Trainer, batch_tensor
from sr_demo.training.recipes import Recipe
from sr_demo.training.schedule import learning_rate, phase_at

_ENCODER = "edsr-x4"
_SLOWER = 0.2
"""The encoder's learning rate, in that of the local function."""
_MARGIN = 4
"""LR pixels around a patch that are made with it and cut off: a patch shrunk alone would teach the network its borders."""
_ASKED = 48 * 48
"""SR pixels per patch."""


class LiifTrainer(Trainer):
    """Scales: 4 in three of ten batches, else even between 1 and 4 (half of all batches) or 4 and 8."""

    def __init__(self, recipe: Recipe, pairs: Pairs, validation: Pairs, device: torch.device, seed: int = 0) -> None:
        super().__init__(recipe, pairs, validation, device, seed)
        edsr, self.began_as = embedded_edsr(), "edsr"
        for network in (self.network, self.average.network):
            assert isinstance(network, LIIF)
            network.begin_with(edsr.to(device))
        encoder = ("head.", "blocks.", "body_end.", "tail.")
        slow = [p for name, p in self.network.named_parameters() if name.startswith(encoder)]
        fast = [p for name, p in self.network.named_parameters() if not name.startswith(encoder)]
        groups = [{"params": slow, "share": _SLOWER}, {"params": fast, "share": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)

    def step(self, fraction: float) -> float:
        """One update at `fraction` of the run. Returns the loss."""
        phase, _ = phase_at(self.recipe.phases, fraction)
        scale = drawn_scale(self.rng)
        small, places, colours = asked(self.pairs, phase.batch, phase.patch, scale, self.rng)
        network = self.network
        assert isinstance(network, LIIF)
        network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced):
            drawn = network.at(batch_tensor(small, self.device), places.to(self.device), 1.0 / scale)
        loss = F.l1_loss(drawn, torch.from_numpy(colours).to(self.device).float() / 255.0)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._update(self.optimiser, network, learning_rate(self.recipe.phases, fraction, self.recipe.warm_up))
        self.average.update(network)
        return self._noted(loss)


def embedded_edsr() -> EDSR:
    """Our trained EDSR, with which the encoder begins. Raises BadInput where it is not embedded."""
    path = spec.EMBEDDED / f"{_ENCODER}.safetensors"
    if not path.is_file():
        raise BadInput(f"This recipe begins with the trained EDSR, and {path} is missing. Train the recipe edsr first.")
    network = load_safetensors(path, embedded.build(spec.card(_ENCODER)["architecture"]))
    assert isinstance(network, EDSR)
    return network


def drawn_scale(rng: np.random.Generator) -> float:
    """A scale for one batch, 1 to 8."""
    kind, where = rng.random(2)
    if kind < 0.3:
        return 4.0
    return float(1 + 3 * where if kind < 0.8 else 4 + 4 * where)


def asked(
    pairs: Pairs, count: int, patch: int, scale: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Tensor, NDArray[np.uint8]]:
    """`count` patches at `scale`: LR (N, p, p, 3), places (N, Q, 2) in LR pixels, and the true colours there (N, Q, 3).

    The scale is met up to a rounding of the HR patch, which the places take into account.
    """
    whole = patch + 2 * _MARGIN
    side = min(round(whole * scale), *(min(hr.shape[:2]) for hr in pairs.hr))
    small = np.empty((count, patch, patch, 3), np.uint8)
    places = np.empty((count, _ASKED, 2), np.float32)
    colours = np.empty((count, _ASKED, 3), np.uint8)
    # Middles of HR pixels, in LR pixels of the patch without its margin.
    middles = (np.arange(side) + 0.5) * (whole / side) - _MARGIN
    inside = np.flatnonzero((middles >= 0) & (middles < patch))
    for i in range(count):
        hr = pairs.hr[int(rng.integers(len(pairs.hr)))]
        top, left = (int(rng.integers(length - side + 1)) for length in hr.shape[:2])
        cut = np.rot90(hr[top : top + side, left : left + side], int(rng.integers(4)))
        cut = cut[:, ::-1] if rng.integers(2) else cut
        downscaled = quantize(resize(readonly(as_float(np.ascontiguousarray(cut))), (whole, whole)))
        small[i] = downscaled[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        rows, columns = rng.choice(inside, _ASKED), rng.choice(inside, _ASKED)
        places[i, :, 0], places[i, :, 1] = middles[rows], middles[columns]
        colours[i] = cut[rows, columns]
    return small, torch.from_numpy(places), colours
