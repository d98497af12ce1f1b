"""LIIF: any size, tiles give what the whole image gives, and the untrained network equals EDSR."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_demo.approaches import baselines, liif
from sr_demo.approaches.liif import LiifOptions, LiifUpscaler
from sr_demo.errors import BadInput
from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.liif import LIIF
from sr_demo.progress import SILENT
from sr_demo.spec import Request, Upscaler
from sr_demo.training.data import Pairs
from sr_demo.training.liif import sample_queries
from tests.conftest import noise


@pytest.fixture(scope="module")
def network() -> LIIF:
    """Small, with every path at work."""
    torch.manual_seed(3)
    made = LIIF(blocks=1, features=8, width=16, layers=3).eval()
    with torch.no_grad():
        made.last.weight.normal_(0, 0.1)
        for values in made.kernel.change[-1].parameters():
            values.normal_(0, 0.1)
    return made


@pytest.mark.parametrize("scale", [1.0, 2.7, 3.3, 8.0])
def test_size_is_scale_times_size_rounded(network: LIIF, scale: float) -> None:
    result = LiifUpscaler(network, "fp32").upscale(noise(21, 34), LiifOptions(scale=scale), SILENT)
    assert result.shape == (round(21 * scale), round(34 * scale), 3)
    assert result.min() >= 0 and result.max() <= 1


def test_tiles_leave_no_seams(network: LIIF, monkeypatch: pytest.MonkeyPatch) -> None:
    image, options = noise(50, 70), LiifOptions(scale=3.3)
    upscaler = LiifUpscaler(network, "fp32")
    whole = upscaler.upscale(image, options, SILENT)
    monkeypatch.setattr(liif, "_SIDE", 32)
    tiled = upscaler.upscale(image, options, SILENT)
    np.testing.assert_allclose(tiled, whole, atol=2e-6)


def test_the_untrained_network_equals_edsr_at_4x() -> None:
    torch.manual_seed(0)
    edsr, fresh = EDSR(blocks=2, features=8, scale=4), LIIF(blocks=2, features=8, width=16, layers=2)
    fresh.load_encoder(edsr)
    lr = torch.rand(2, 3, 12, 15)
    with torch.no_grad():
        torch.testing.assert_close(fresh(lr), edsr(lr), atol=1e-6, rtol=0)


def test_single_points_equal_the_pixels_of_the_image(network: LIIF) -> None:
    """Training evaluates points, the approach whole images: both must be the same function."""
    lr = torch.rand(2, 3, 20, 20)
    middles = (torch.arange(66) + 0.5) * (20 / 66)
    places = torch.stack(torch.meshgrid(middles, middles, indexing="ij"), -1).view(1, -1, 2).expand(2, -1, -1)
    with torch.no_grad():
        points = network.query(lr, places, torch.full((2,), 20 / 66)).transpose(1, 2).view(2, 3, 66, 66)
        torch.testing.assert_close(points, network(lr, (66, 66)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1.0, 2.35, 4.0, 7.9])
def test_queried_colours_belong_to_their_places(scale: float) -> None:
    """On a colour gradient the colour at each place is known."""
    y, x = np.mgrid[0:320, 0:320].astype(np.float32) / 320
    hr = np.rint(np.stack([y, x, 1 - (x + y) / 2], axis=2) * 250).astype(np.uint8)
    pairs = Pairs(("slope",), (hr,), (hr[::4, ::4],), ())
    small, places, colours, _ = sample_queries(pairs, 6, 24, scale, np.random.default_rng(1))
    assert small.shape == (6, 24, 24, 3) and places.min() >= 0 and places.max() < 24
    rows, columns = (places[..., axis].numpy().astype(int).clip(0, 23) for axis in (0, 1))
    found = np.stack([small[i, rows[i], columns[i]] for i in range(6)]).astype(int)
    # Within one LR pixel the colour differs by at most half a step, plus rounding.
    step = 250 / 320 * scale
    assert np.abs(found - colours).max() <= step / 2 + 2


@pytest.mark.parametrize("scale", [1.0, 2.35, 4.0, 8.0])
def test_each_patch_has_the_scale_that_its_own_photo_has_room_for(scale: float) -> None:
    """The cell given to the network is the distance of the queried pixels; a small photo changes no patch of others."""
    hr = tuple(np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (128, 400))
    drawn = sample_queries(Pairs(("small", "large"), hr, hr, ()), 8, 32, scale, np.random.default_rng(1))
    for places, cell in zip(drawn.places, drawn.cells, strict=True):
        distances = torch.diff(places[:, 0].unique())
        assert float(distances.min()) == pytest.approx(float(cell), rel=1e-3)
    sides = {round(40 / float(cell)) for cell in drawn.cells}
    assert sides == {min(round(40 * scale), room) for room in (128, 400)}


def test_a_reference_of_another_size_is_refused(network: LIIF) -> None:
    def load(request: Request) -> Upscaler:
        return LiifUpscaler(network, "fp32")

    approach = replace(baselines.BICUBIC, id="any", title="Any scale", load=load, options=LiifOptions)
    image, hr = ImageData(noise(16, 16)), readonly(np.zeros((64, 64, 3), np.float32))
    job = Job(approach, approach.checkpoint(), LiifOptions(scale=3.3))
    with pytest.raises(BadInput, match=r"set to 3\.31x.* 4 times"):  # words: ok
        Runner().run(job, image, hr)
    assert Runner().run(job, image).image.rgb.shape == (53, 53, 3)
    assert Runner().run(replace(job, options=LiifOptions()), image, hr).scores.psnr_y is not None


def test_scale_has_limits() -> None:
    with pytest.raises(BadInput, match="between 1 and 8"):
        LiifOptions(scale=8.5)


def test_training_needs_the_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_demo import checkpoint as weights
    from sr_demo.training.liif import embedded_edsr

    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    with pytest.raises(BadInput, match="begins with the weights edsr-x4"):
        embedded_edsr()
