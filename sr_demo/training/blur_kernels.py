"""Batches of blur kernels for synthetic degradations: Gaussian families and the sinc low-pass.

Legend: N = batch, k = kernel side in pixels (odd). Every kernel is (N, k, k) and sums to 1. Families and probabilities
are those of Real-ESRGAN (Wang et al. 2021, arXiv 2107.10833, section 3.1 and appendix).
"""

from __future__ import annotations

from math import pi

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian(sigma: Tensor, theta: Tensor, shape: Tensor, plateau: Tensor, side: int) -> Tensor:
    """Return generalised Gaussian kernels, or plateau-shaped ones.

    exp(-0.5 r^(2 shape)), or 1 / (1 + r^(2 shape)) where `plateau`; r^2 = d' S^-1 d is the elliptical distance.

    Args:
        sigma: (N, 2), widths in pixels along both axes.
        theta: (N,), angle in radians.
        shape: (N,), 1 = Gaussian.
        plateau: (N,) bool.
        side: Side of the kernel, k.
    """
    axis = torch.arange(side, dtype=torch.float32) - side // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    c, s = theta.cos()[:, None, None], theta.sin()[:, None, None]
    u, v = c * x + s * y, c * y - s * x
    r2 = (u / sigma[:, 0, None, None]) ** 2 + (v / sigma[:, 1, None, None]) ** 2
    powered = r2 ** shape[:, None, None]
    kernel = torch.where(plateau[:, None, None], 1.0 / (1.0 + powered), torch.exp(-0.5 * powered))
    return kernel / kernel.sum((1, 2), keepdim=True)


def sinc(cutoff: Tensor, side: int) -> Tensor:
    """Return the ideal circular low-pass, truncated to `side`: c J1(c r) / (2 pi r).

    It causes ringing as in sharpened or resized images.

    Args:
        cutoff: (N,), radians per pixel, 0..pi.
        side: Side of the kernel, k.
    """
    axis = torch.arange(side, dtype=torch.float32) - side // 2
    r = torch.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
    c = cutoff[:, None, None]
    kernel = c * torch.special.bessel_j1(c * r) / (2 * pi * r.clamp(min=1e-6))
    kernel = torch.where(r == 0, c**2 / (4 * pi), kernel)
    return kernel / kernel.sum((1, 2), keepdim=True)


def random_gaussian(count: int, side: int, widths: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Draw kernels of random families with the published probabilities: 70 % Gaussian, 15 % generalised, 15 % plateau.

    Args:
        count: N.
        side: Side of the kernel, k.
        widths: Range of the widths in pixels.
        rng: Source of randomness.
    """
    family = rng.choice(6, size=count, p=(0.45, 0.25, 0.12, 0.03, 0.12, 0.03))
    sigma = rng.uniform(*widths, size=(count, 2))
    isotropic = family % 2 == 0
    sigma[isotropic, 1] = sigma[isotropic, 0]
    shape = np.ones(count)
    shape[family // 2 == 1] = rng.uniform(0.5, 4.0, size=count)[family // 2 == 1]
    shape[family // 2 == 2] = rng.uniform(1.0, 2.0, size=count)[family // 2 == 2]
    theta = rng.uniform(-pi, pi, size=count)
    plateau = torch.from_numpy(family // 2 == 2)
    return gaussian(_float(sigma), _float(theta), _float(shape), plateau, side)


def random_sinc(count: int, side: int, rng: np.random.Generator) -> Tensor:
    """Draw `count` low-passes with cutoffs from pi/3 (pi/5 for kernels of 13 pixels and more) to pi."""
    return sinc(_float(rng.uniform(pi / 3 if side < 13 else pi / 5, pi, size=count)), side)


def filter_each(images: Tensor, kernels: Tensor) -> Tensor:
    """Filter each image with its own kernel, with reflection at the borders.

    Args:
        images: (N, C, H, W).
        kernels: (N, k, k).

    Returns:
        (N, C, H, W).
    """
    n, c, height, width = images.shape
    half = kernels.shape[-1] // 2
    padded = F.pad(images, (half,) * 4, mode="reflect" if half < min(height, width) else "replicate")
    weight = kernels.to(images.device).repeat_interleave(c, dim=0)[:, None]
    flat = padded.reshape(1, n * c, *padded.shape[2:])
    return F.conv2d(flat, weight, groups=n * c).reshape(n, c, height, width)


def _float(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Tensor:
    return torch.from_numpy(values).float()
