"""SRResNet (Ledig et al., CVPR 2017, arXiv 1609.04802) without batch normalisation, in two variants.

`residual=False` is the plain baseline: the network outputs the image itself. With `residual=True`, its output is added to
bicubic upscaling. Batch normalisation is left out, since it causes artefacts and takes time (EDSR, arXiv 1707.02921; ESRGAN,
arXiv 1809.00219). The upscaling is one convolution and one PixelShuffle at the LR size.
"""

from __future__ import annotations

from torch import Tensor, nn

from sr_demo.networks.skeleton import Skeleton


class Block(nn.Module):
    """x + conv(PReLU(conv(x))): (N, features, H, W) -> the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.act = nn.PReLU(init=0.2)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, features, H, W) -> the same shape."""
        return x + self.conv2(self.act(self.conv1(x)))


class SRResNet(Skeleton):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    The paper has 16 blocks of 64 features.
    """

    def __init__(self, blocks: int, features: int, scale: int, *, residual: bool) -> None:
        super().__init__((Block(features) for _ in range(blocks)), features, scale, residual=residual)
