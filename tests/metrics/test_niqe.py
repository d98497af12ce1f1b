"""NIQE (own fit): fits recover known parameters, degradations raise it, and images without texture have a reason."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.image import Image, quantize, readonly
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.metrics import niqe as module
from sr_demo.metrics.niqe import BLOCK, FEATURES, FIT, Blocks, blocks, distance, fit, fit_asymmetric, niqe, own_fit
from sr_demo.metrics.scores import COLUMNS, score
from sr_demo.training import niqe_fit
from sr_demo.training.niqe_fit import fit_folder, write
from tests.conftest import noise


@pytest.fixture(scope="module", params=["cat", "coffee", "rocket"])
def photo(request):
    image = next(sample for sample in SAMPLES if sample.id == request.param).make()
    return readonly(np.ascontiguousarray(image[:288, :384]))


@pytest.mark.parametrize("shape", [0.6, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("widths", [(1.0, 1.0), (0.5, 1.5)])
def test_the_fit_recovers_known_parameters(shape, widths):
    """|x / width|^shape of a generalised Gaussian follows the gamma distribution with 1 / shape; the sides are met in
    proportion to their widths."""
    rng = np.random.default_rng(0)
    size = rng.gamma(1 / shape, 1, 200_000) ** (1 / shape)
    left = rng.random(200_000) < widths[0] / sum(widths)
    values = np.where(left, -size * widths[0], size * widths[1]).astype(np.float32)
    found = [float(v[0]) for v in fit_asymmetric(values[None])]
    assert found == pytest.approx([shape, *widths], rel=0.03)


def value(image: Image) -> float:
    found = niqe(image).value
    assert found is not None
    return found


def test_each_degradation_raises_it(photo):
    clean = value(photo)
    soft = readonly(np.asarray(cv2.GaussianBlur(photo, (0, 0), 2.0), np.float32))
    grain = np.random.default_rng(0).normal(0, 20 / 255, photo.shape).astype(np.float32)
    damaged = {
        "blur": soft,
        "noise": readonly(np.clip(photo + grain, 0, 1)),
        "JPEG": degrade(photo, 1, Realistic(blur=0, noise=0, quality=12)),
        "bicubic enlargement": resize(downscale(photo, 4), photo.shape[:2]),
    }
    assert clean < 6
    for name, image in damaged.items():
        assert value(image) > clean + 0.3, name


def test_bands_do_not_change_the_score(photo, monkeypatch):
    max_aspect = readonly(np.concatenate([photo, photo[::-1], photo]))
    whole = blocks(max_aspect)
    monkeypatch.setattr(module, "_BAND", 1)
    single = blocks(max_aspect)
    assert whole.features.shape == (9 * 4, FEATURES)
    np.testing.assert_allclose(single.features, whole.features, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(single.sharpness, whole.sharpness, rtol=1e-4)


def test_evenly_spread_rows_of_large_images_are_measured(photo, monkeypatch):
    max_aspect = readonly(np.concatenate([photo, photo[::-1], photo]))
    monkeypatch.setattr(module, "_MOST", 12)
    some = blocks(max_aspect).features
    monkeypatch.undo()
    every = blocks(max_aspect).features.reshape(9, 4, FEATURES)
    np.testing.assert_allclose(some, every[[0, 4, 8]].reshape(-1, FEATURES), rtol=1e-3, atol=1e-4)


def test_features_belong_to_their_block(photo):
    """A change in one corner leaves the features of the far block alone."""
    changed = np.array(photo)
    changed[:40, :40] = 1 - changed[:40, :40]
    before, after = blocks(photo).features, blocks(readonly(changed)).features
    assert np.abs(before[0] - after[0]).max() > 1e-3
    np.testing.assert_array_equal(before[-1], after[-1])


def test_images_too_small_or_flat_have_a_reason():
    small = niqe(noise(95, 400))
    assert small.value is None and "95" in small.reason and str(BLOCK) in small.reason
    flat = niqe(readonly(np.full((200, 200, 3), 0.5, np.float32)))
    assert flat.value is None and "flat" in flat.reason
    assert niqe(noise(96, 96)).value is not None


def test_flat_parts_are_left_out(photo):
    half = np.array(photo)
    half[:192] = 0.25
    assert np.isfinite(value(readonly(half)))
    assert not np.isfinite(blocks(readonly(half)).features[0]).all()


def test_the_distance_is_the_one_of_the_paper():
    """With both covariances the identity: the plain distance of the means."""
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((200, FEATURES)) - 0.0)
    q -= q.mean(axis=0)
    white = q @ np.linalg.inv(np.linalg.cholesky(np.cov(q, rowvar=False)).T)
    natural = module.NssModel(np.zeros(FEATURES), np.eye(FEATURES))
    assert distance(white + 3.0, natural) == pytest.approx(3.0 * FEATURES**0.5)
    twice = module.NssModel(np.zeros(FEATURES), 3 * np.eye(FEATURES))
    assert distance(white + 3.0, twice) == pytest.approx(3.0 * FEATURES**0.5 / 2**0.5)


def test_only_sharp_blocks_are_fitted():
    rng = np.random.default_rng(2)
    features = rng.standard_normal((200, FEATURES))
    sharpness = np.where(np.arange(200) < 100, 10.0, 7.4)
    features[100:] += 50
    natural = fit([Blocks(features, sharpness)])
    np.testing.assert_allclose(natural.mean, features[:100].mean(axis=0))
    with pytest.raises(ValueError, match="too few"):
        fit([Blocks(features[:20], sharpness[:20])])


def test_the_embedded_fit_agrees_with_its_card():
    card = json.loads(FIT.with_suffix(".json").read_text())
    content = FIT.read_bytes()
    assert card["file"] == FIT.name and card["bytes"] == len(content) < 50_000
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert "own fit" in card["what"] and card["data"]["count"] == 1200
    assert card["checks"]["clean"] < min(v for k, v in card["checks"].items() if k != "clean")
    natural = own_fit()
    assert np.linalg.eigvalsh(natural.covariance).min() > 0


def test_a_folder_is_fitted_and_read_back(tmp_path, monkeypatch):
    for i in range(3):
        Pillow.fromarray(quantize(noise(384, 384, seed=i))).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    said: list[str] = []
    natural, photos, count = fit_folder(tmp_path, said.append)
    assert (photos, count) == (3, 48) and len(said) == 1 and "bad.png" in said[0]
    write(natural, tmp_path / "fit.npz")
    monkeypatch.setattr(module, "FIT", tmp_path / "fit.npz")
    own_fit.cache_clear()
    try:
        np.testing.assert_array_equal(own_fit().covariance, natural.covariance)
    finally:
        own_fit.cache_clear()


def test_photos_that_are_fitted_are_not_checked_and_no_file_appears_before_its_card(tmp_path, monkeypatch, capsys):
    """The folder `val` beside the fitted one is checked, unless it is the fitted one itself."""
    for i in range(3):
        for folder in ("val", "train"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Pillow.fromarray(quantize(noise(384, 384, seed=i))).save(tmp_path / folder / f"{i}.png")
    monkeypatch.chdir(tmp_path / "val")
    arguments = Namespace(data=Path(), val=None, out=tmp_path / "fit.npz", licence="")
    assert niqe_fit.run(arguments) == 0
    card = json.loads((tmp_path / "fit.json").read_text())
    assert card["data"]["what"] == f"{tmp_path.name}/val" and "checks" not in card
    monkeypatch.setattr(niqe_fit, "checks", None)
    arguments.data, arguments.out = tmp_path / "train", tmp_path / "other.npz"
    with pytest.raises(TypeError):
        niqe_fit.run(arguments)
    assert not arguments.out.exists()
    capsys.readouterr()


def test_it_is_a_column_that_needs_no_reference(photo):
    small = downscale(photo, 4)
    scores = score(resize(small, photo.shape[:2]), small, None, 4)
    assert scores.niqe is not None and scores.psnr_y is None
    (column,) = [c for c in COLUMNS if c.key == "niqe"]
    assert not column.higher_is_better and "own fit" in column.title
