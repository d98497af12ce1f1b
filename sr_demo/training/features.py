"""Perceptual loss: distance between the features of SR and HR in a fixed network.

Johnson et al. 2016, arXiv 1603.08155. The feature network is a distilled VGG19 with a quarter of the channels (a sixteenth
of the weights) if its file is present, otherwise a network of the same layout with random weights, which is nearly as good
(arXiv 2103.10571). The card names the one that was used.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILE = "vgg19-16x-small-to-conv5_1.safetensors"
_LAYERS = (
    ("conv11", 3, 16), ("conv12", 16, 16), ("conv21", 16, 32), ("conv22", 32, 32), ("conv31", 32, 64),
    ("conv32", 64, 64), ("conv33", 64, 64), ("conv34", 64, 64), ("conv41", 64, 128), ("conv42", 128, 128),
    ("conv43", 128, 128), ("conv44", 128, 128), ("conv51", 128, 128),
)  # fmt: skip
_POOL_BEFORE = ("conv21", "conv31", "conv41", "conv51")
_WEIGHTS = {"conv12": 0.1, "conv22": 0.1, "conv34": 1.0, "conv44": 1.0, "conv51": 1.0}
"""Layers that are compared (before their ReLU), and their weights, as in Real-ESRGAN."""


class Features(nn.Module):
    """A VGG19 with a quarter of the channels: (N, 3, H, W) in [0, 1] -> the outputs of the layers in `_WEIGHTS`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 3, 1)
        for name, inputs, outputs in _LAYERS:
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            self.add_module(name, conv)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the layers in `_WEIGHTS`, by name.

        Args:
            x: (N, 3, H, W) in [0, 1].

        Returns:
            (N, C, H / d, W / d) for each layer, before its ReLU; d is 2 to the power of the pooling layers before it.
        """
        outputs: dict[str, Tensor] = {}
        x = self.conv0(x.contiguous(memory_format=torch.channels_last))
        for name, _, _ in _LAYERS:
            if name in _POOL_BEFORE:
                x = F.max_pool2d(x, 2)
            x = self.get_submodule(name)(x)
            if name in _WEIGHTS:
                outputs[name] = x
            x = F.relu(x)
        return outputs


class PerceptualLoss(nn.Module):
    """Weighted mean over the layers of mean |f(SR) - f(HR)| / mean |f(HR)|.

    0 for equal images, about 1 for unrelated ones. Both inputs are (N, 3, H, W) in [0, 1]; the gradient reaches SR
    only.
    """

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features.eval().requires_grad_(False)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar float32, of `sr` against `hr`, both (N, 3, H, W) in [0, 1]."""
        outputs = self.features(sr)
        with torch.no_grad():
            target = self.features(hr)
        total = torch.zeros((), device=sr.device)
        for name, weight in _WEIGHTS.items():
            a, b = outputs[name].float(), target[name].float()
            total = total + weight * (a - b).abs().mean() / b.abs().mean().clamp(min=1e-8)
        return total / sum(_WEIGHTS.values())


def perceptual_loss() -> tuple[PerceptualLoss, str]:
    """Return the loss and a description of its feature network for the card."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "weights"
    path = Path(os.environ.get("SR_DEMO_SHARED_WEIGHTS", beside)) / FILE
    # Separate random state: building the loss must not change the initial weights of the trained network.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Features()
    if not path.is_file():
        return PerceptualLoss(network), "VGG19 layout, a quarter of the channels, random weights (seed 0)"
    from safetensors.torch import load_file

    weights = {name: value for name, value in load_file(path).items() if "_aux" not in name}
    network.load_state_dict(weights)
    return PerceptualLoss(network), "VGG19 to conv5_1, channels reduced four times by distillation (MIT)"
