"""The digits lab with its real networks: drawn at any size, the same digit, sharper with a discriminator."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo import checkpoint as weights
from sr_demo.digits import data, inference, latent_walk, siren
from sr_demo.digits.cppn_art import paint
from sr_demo.digits.evaluation import METHODS, evaluate
from sr_demo.digits.options import Art, DigitModel, Fit
from sr_demo.errors import BadInput, Cancelled
from sr_demo.progress import Progress
from tests.conftest import noise
from tests.digit_images import written_digits


@pytest.fixture(scope="module")
def seven() -> inference.Gray:
    return inference.typical(7, "cppn-gan")


@pytest.mark.parametrize("system", get_args(DigitModel))
def test_a_typical_digit_is_read_as_what_it_is(system: DigitModel) -> None:
    """Encoder, decoder and reader belong together: ten digits, ten labels."""
    if system == "vaegan":
        drawn = [inference.decode(inference.typical(digit, system)) for digit in range(10)]
    else:
        drawn = [inference.draw(inference.typical(digit, system), 28, system) for digit in range(10)]
    assert inference.classify_digits(np.stack([latent_walk.to_bytes(image) for image in drawn])).tolist() == list(
        range(10)
    )


def test_the_fast_evaluation_equals_that_of_the_network() -> None:
    """Drawing folds the latent into the weights and splits x from y; redrawing many digits at once does neither."""
    lr = data.downscale(written_digits(4)[0])
    together = inference.reconstruct(lr, "cppn-gan")
    for one, expected in zip(lr, together, strict=True):
        np.testing.assert_allclose(inference.draw(inference.encode(one, "cppn-gan"), 28), expected, atol=2e-5)


def test_zooming_in_evaluates_the_same_function(seven: inference.Gray) -> None:
    large = inference.draw(seven, 400)
    near = inference.draw(seven, 200, window=inference.Window(2.0, 0.5, -0.5))
    np.testing.assert_allclose(near, large[:200, 200:], atol=2e-5)
    crisp = inference.draw(seven, 200, window=inference.Window(2.0, 0.0, 0.0))
    upscaled = cv2.resize(inference.draw(seven, 200)[50:150, 50:150], (200, 200), interpolation=cv2.INTER_CUBIC)
    assert np.abs(np.diff(crisp, axis=1)).max() > 0 and crisp.shape == upscaled.shape


def test_zooming_stays_within_the_digit_and_has_a_limit() -> None:
    part = inference.WHOLE
    for _ in range(9):
        part = part.nearer(0.99, 0.01, 2.0)
    assert part.zoom == inference.CLOSEST
    assert part.x + 1 / part.zoom <= 1 and part.y - 1 / part.zoom >= -1


@pytest.mark.parametrize("size", [0, 1801])
def test_sizes_have_limits(seven: inference.Gray, size: int) -> None:
    with pytest.raises(BadInput, match="1 to 1800"):
        inference.draw(seven, size)


def test_drawing_obeys_stop(seven: inference.Gray) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        inference.draw(seven, 600, progress=Progress(stop=stop))


@pytest.mark.parametrize("stem", inference.NETWORKS)
def test_cards_are_complete_and_files_small(stem: str) -> None:
    written_down = weights.card(stem)
    assert (weights.EMBEDDED / written_down["file"]).stat().st_size == written_down["bytes"] < 1_000_000
    assert written_down["licence"] and written_down["data"]["licence"] and written_down["seconds"] > 30
    assert len(written_down["curves"]["iteration"]) == len(written_down["curves"]["loss"]) >= 15


def test_a_walk_begins_and_ends_at_its_digits(seven: inference.Gray, tmp_path: Path) -> None:
    three = inference.typical(3, "cppn-gan")
    frames = latent_walk.interpolate_latents(three, seven, 32, "cppn-gan")
    np.testing.assert_array_equal(frames[0], latent_walk.to_bytes(inference.draw(three, 32)))
    np.testing.assert_array_equal(frames[-1], latent_walk.to_bytes(inference.draw(seven, 32)))
    (tmp_path / "walk.gif").write_bytes(latent_walk.gif(frames))
    with Pillow.open(tmp_path / "walk.gif") as animation:
        assert getattr(animation, "n_frames", 0) == 2 * latent_walk.FRAMES - 2 and animation.info["loop"] == 0
    latent_walk.mp4(frames, tmp_path / "walk.mp4")
    film = cv2.VideoCapture(str(tmp_path / "walk.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 3 * (2 * latent_walk.FRAMES - 2)
    shown = film.read()[1].astype(int)
    assert shown.shape == (32, 32, 3) and np.abs(shown[..., 0] - frames[0]).mean() < 12


def test_one_latent_number_changes_and_the_others_stay(seven: inference.Gray) -> None:
    strip = latent_walk.vary_latent(seven, 2, 5, 28, "cppn-gan")
    assert strip.shape == (28, 5 * 28)
    alone = np.array(seven)
    alone[2] = 0.0
    np.testing.assert_array_equal(strip[:, 2 * 28 : 3 * 28], latent_walk.to_bytes(inference.draw(alone, 28)))


@pytest.mark.parametrize("activation", ["tanh", "sine", "bell"])
def test_random_images_are_reproduced_by_their_seed(activation: str) -> None:
    options = Art(size=64, width=16, activation=activation)
    image = paint(options)
    assert image.shape == (64, 64, 3) and image.min() >= 0 and image.max() <= 1 and image.std() > 0.05
    np.testing.assert_array_equal(paint(options), image)
    assert np.abs(paint(Art(size=64, width=16, activation=activation, seed=8)) - image).mean() > 0.02
    gray = paint(Art(size=64, width=16, activation=activation, colour=False))
    assert (gray[..., 0] == gray[..., 2]).all() and (image[..., 0] != image[..., 2]).any()


def test_random_images_do_not_depend_on_their_size() -> None:
    """A image as a function: every second point of the one with twice the size lies between those of the other."""
    lr, large = paint(Art(size=100)), paint(Art(size=300))
    np.testing.assert_allclose(large[1::3, 1::3], lr, atol=2e-3)


def test_a_photo_is_fitted_and_drawn_larger() -> None:
    y, x = np.mgrid[0:24, 0:36].astype(np.float32) / 36
    photo = np.stack([x, y, 0.5 + 0.4 * np.sin(8 * x)], axis=2).astype(np.float32)
    learner = siren.SirenFit(photo, Fit(width=32))
    before = learner.preview(0.0).psnr
    for _ in range(40):
        learner.step(1e-3)
    after = learner.preview(0.0)
    assert after.psnr > before + 8 and after.steps == 40
    assert after.image.shape == photo.shape and learner.draw(2.5).shape == (60, 90, 3)


def test_fitting_a_photo_obeys_stop() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        next(siren.SirenFit(noise(16, 16), Fit(width=32)).fit(Progress(stop=stop)))


def test_large_photos_are_downscaled_before_the_fit() -> None:
    assert siren.target(noise(300, 600)).shape == (96, 192, 3)
    assert siren.target(noise(20, 30)).shape == (20, 30, 3)


def test_evaluation_has_a_row_for_each_method() -> None:
    images, labels = written_digits(12)
    rows = list(evaluate(data.Digits(images, labels)))
    assert tuple(row["method"] for row in rows) == METHODS == ("bicubic", "vaegan", "cppn-gan", "cppn-l2")
    for row in rows:
        assert row["digits"] == 12 and row["psnr"] > 10 and 0.3 < row["ssim"] <= 1
        assert 0.5 < row["sharpness"] < 1.5 and 0 <= row["accuracy"] <= 1


def test_the_embedded_networks_keep_the_digit_and_the_discriminator_sharpens() -> None:
    digits = data.test_digits()
    if digits is None:
        pytest.skip("MNIST is not on this machine")
    some = data.Digits(digits.images[:300], digits.labels[:300])
    bicubic, vaegan, adversarial, plain = evaluate(some)
    assert vaegan["accuracy"] >= 0.98 and adversarial["accuracy"] >= 0.97
    assert adversarial["sharpness"] > plain["sharpness"] + 0.02
    assert vaegan["psnr"] > bicubic["psnr"] > plain["psnr"] > adversarial["psnr"]  # as the tab states
