"""The degradation matches its parameters: noise has its sigma, blur its width, JPEG the loss of libjpeg."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from sr_demo.training.blur_kernels import filter_each, gaussian, random_gaussian, random_sinc, sinc
from sr_demo.training.degradation import MILD, MODERATE, add_gaussian, add_poisson, degrade
from sr_demo.training.jpeg import jpeg


def smooth(count, side, seed=0):
    """Random images with structure at several scales, in [0, 1]."""
    noise = torch.Generator().manual_seed(seed)
    layers = [
        torch.nn.functional.interpolate(torch.rand(count, 3, n, n, generator=noise), (side, side), mode="bicubic")
        for n in (4, 16, 32)
    ]
    return (sum(layers, torch.zeros(())) / 3).clamp(0, 1)


def ones(count, value):
    return torch.full((count,), value)


@pytest.mark.parametrize("model", [MODERATE, MILD])
def test_the_result_has_the_lr_size_and_8_bit_values(model):
    for seed in range(6):
        rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        lr = degrade(smooth(3, 64), 4, rng, noise, model)
        assert lr.shape == (3, 3, 16, 16)
        assert 0 <= lr.min() <= lr.max() <= 1
        torch.testing.assert_close(lr * 255, torch.round(lr * 255), atol=1e-3, rtol=0)


def test_the_same_random_states_give_the_same_result():
    def once(seed):
        return degrade(smooth(2, 64), 4, np.random.default_rng(seed), torch.Generator().manual_seed(seed))

    torch.testing.assert_close(once(1), once(1), atol=0, rtol=0)
    assert not torch.equal(once(1), once(2))


def test_the_mean_colour_stays():
    """No stage shifts the mean of a flat patch by more than two 8-bit steps, on average over many."""
    flat = torch.tensor((0.7, 0.4, 0.3))[None, :, None, None].expand(8, 3, 64, 64)
    rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
    means = torch.stack([degrade(flat, 4, rng, noise).mean((0, 2, 3)) for _ in range(12)]).mean(0)
    torch.testing.assert_close(means, torch.tensor((0.7, 0.4, 0.3)), atol=2 / 255, rtol=0)


def test_gaussian_noise_has_its_sigma():
    noise = torch.Generator().manual_seed(0)
    sigma = torch.tensor([0.02, 0.1])
    gray = torch.tensor([False, True])
    error = add_gaussian(torch.full((2, 3, 128, 128), 0.5), sigma, gray, noise) - 0.5
    torch.testing.assert_close(error.std((1, 2, 3)), sigma, rtol=0.03, atol=0)
    assert error.mean().abs() < 1e-3
    assert torch.equal(error[1, 0], error[1, 2])
    assert not torch.equal(error[0, 0], error[0, 2])


def test_poisson_noise_grows_with_brightness():
    noise = torch.Generator().manual_seed(0)
    levels = torch.tensor([0.1, 0.8])[:, None, None, None].expand(2, 3, 128, 128)
    error = add_poisson(levels, ones(2, 2.0), torch.tensor([False, False]), noise) - levels
    expected = 2.0**2 * torch.tensor([0.1, 0.8]) / 255
    torch.testing.assert_close(error.var((1, 2, 3)), expected, rtol=0.05, atol=0)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_gaussian_blur_has_its_width(sigma):
    kernel = gaussian(torch.tensor([[sigma, sigma]]), ones(1, 0.3), ones(1, 1.0), torch.tensor([False]), 21)
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1.0
    spread = filter_each(point, kernel)[0, 0]
    axis = torch.arange(41.0) - 20
    assert spread.sum() == pytest.approx(1.0, abs=1e-5)
    assert ((spread.sum(0) * axis**2).sum()).sqrt() == pytest.approx(sigma, rel=0.03)


def test_anisotropic_kernels_rotate_with_their_angle():
    wide = torch.tensor([[3.0, 1.0], [3.0, 1.0]])
    angles = torch.tensor([0.0, torch.pi / 2])
    kernels = gaussian(wide, angles, ones(2, 1.0), torch.tensor([False, False]), 21)
    torch.testing.assert_close(kernels[0], kernels[1].T, atol=1e-6, rtol=1e-4)
    assert kernels[0].sum(0)[0] > 10 * kernels[0].sum(1)[0]


def test_kernels_sum_to_one_and_sinc_passes_low_frequencies_only():
    rng = np.random.default_rng(0)
    for kernels in (random_gaussian(64, 15, (0.2, 3.0), rng), random_sinc(64, 15, rng)):
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(64))
        assert kernels.isfinite().all()
    cutoff = torch.pi / 2
    response = torch.fft.fft2(sinc(ones(1, cutoff), 41)[0]).abs()
    assert response[0, 4] == pytest.approx(1.0, abs=0.15)
    assert response[0, 18] < 0.1


def test_jpeg_has_the_loss_of_libjpeg():
    images = smooth(3, 64) + 0.05 * torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    images = images.clamp(0, 1)
    qualities = torch.tensor([20.0, 50.0, 90.0])
    ours = jpeg(images, qualities)
    previous = 0.0
    for image, mine, quality in zip(images, ours, qualities, strict=True):
        theirs = _pillow_jpeg(image, int(quality))
        loss, agreement = _psnr(image, mine), _psnr(theirs, mine)
        assert loss == pytest.approx(_psnr(image, theirs), abs=0.5)
        assert agreement > loss + 3
        assert previous < loss < 45
        previous = loss


def test_jpeg_keeps_any_size():
    images = smooth(1, 40)[:, :, :29, :37]
    assert jpeg(images, ones(1, 80.0)).shape == images.shape


def _pillow_jpeg(image, quality):
    array = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality, subsampling=2)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255


def _psnr(a, b):
    return float(-10 * torch.log10(((a - b) ** 2).mean()))
