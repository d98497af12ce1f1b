"""Anchored regression: dihedral transforms, regressors, training at small size, and the scores of the embedded file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches import mosaic
from sr_demo.approaches.mosaic import anchors, dihedral, photos, refinement, windows
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.patch_database import as_floats
from sr_demo.checkpoint import EMBEDDED, card
from sr_demo.cli.main import main
from sr_demo.errors import BadInput, WeightsUnavailable
from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.progress import SILENT
from sr_demo.spec import Request, Upscaler
from sr_demo.training import mosaic_anchors as training

SMALL = training.Recipe(per_picture=1500, sizes=(1.0,), anchors=32, dimension=20, neighbours=512, rounds=5)


@pytest.fixture(scope="module")
def learned() -> anchors.AnchoredRegression:
    """Trained on four bundled photos; the cat is held out."""
    wanted = {"astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"}
    files = [path for path in photos.bundled() if path.name in wanted]
    return training.fit(training.gather(files, SMALL, print), SMALL, lambda text: None)


@pytest.fixture(scope="module")
def cat() -> Image:
    return as_floats(np.ascontiguousarray(data.chelsea()[60:220, 100:300]))


def sixteen(square: np.ndarray) -> list[np.ndarray]:
    """All mirrored, turned and inverted versions of a square."""
    turned = [np.rot90(side, turns) for side in (square, square.T) for turns in range(4)]
    return [sign * side for side in turned for sign in (1, -1)]


def test_the_sixteen_versions_of_a_window_have_one_canonical_version() -> None:
    square = np.random.default_rng(0).random((7, 7), np.float32)
    canonical, transforms = dihedral.to_canonical(np.stack([side.ravel() for side in sixteen(square)]))
    np.testing.assert_allclose(canonical - canonical[0], 0, atol=1e-6)
    assert len(set(zip(transforms.bits.tolist(), transforms.sign[:, 0].tolist(), strict=True))) == 16


def test_residuals_are_transformed_with_their_window_and_back() -> None:
    """A residual that repeats the pixels of its window must be transformed exactly as the window."""
    square = np.random.default_rng(0).random((7, 7), np.float32)
    square -= square.mean()
    group = sixteen(square)
    canonical, transforms = dihedral.to_canonical(np.stack([side.ravel() for side in group]))
    residuals = np.stack([np.kron(side[2:5, 2:5], np.ones((4, 4), np.float32)).ravel() for side in group])
    turned = transforms.apply(residuals)
    expected = np.kron(canonical[0].reshape(7, 7)[2:5, 2:5], np.ones((4, 4)))
    np.testing.assert_allclose(turned, np.broadcast_to(expected.ravel(), turned.shape), atol=1e-6)
    np.testing.assert_array_equal(transforms.undo(turned), residuals)


def test_each_window_is_predicted_by_the_regressor_of_its_nearest_anchor() -> None:
    rng = np.random.default_rng(0)
    samples = rng.random((50, 49), np.float32)
    project = rng.standard_normal((6, 49)).astype(np.float32)
    unit = rng.standard_normal((5, 6)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    regressors = rng.standard_normal((5, 6, 144)).astype(np.float32)
    predicted = anchors.AnchoredRegression(project, unit, regressors).predict(samples).residuals
    for i in range(50):
        canonical, transforms = dihedral.to_canonical(samples[i : i + 1])
        feature = project @ canonical[0]
        residual = feature @ regressors[int(np.argmax(unit @ feature))]
        np.testing.assert_allclose(predicted[i], transforms.undo(residual[None])[0], atol=1e-4)


def test_a_held_out_photo_is_closer_to_the_original_than_bicubic(
    learned: anchors.AnchoredRegression, cat: Image
) -> None:
    lr = downscale(cat, 4)
    result = refinement.refine(lr, learned, 4, SILENT)
    assert psnr_y(result, cat) > psnr_y(resize(lr, cat.shape[:2]), cat) + 0.4


def test_a_turned_or_inverted_image_gives_the_turned_or_inverted_result(
    learned: anchors.AnchoredRegression, cat: Image
) -> None:  # fmt: skip
    lr = readonly(np.ascontiguousarray(downscale(cat, 4) * np.float32(0.6) + np.float32(0.2)))
    result = refinement.refine(lr, learned, 0, SILENT)
    turned = refinement.refine(readonly(np.rot90(lr).copy()), learned, 0, SILENT)
    negative = refinement.refine(readonly(1 - lr), learned, 0, SILENT)
    assert np.quantile(np.abs(turned - np.rot90(result)), 0.999) < 1e-4
    assert np.quantile(np.abs(1 - negative - result), 0.999) < 1e-4


def test_tiles_give_the_result_of_the_whole_image(learned: anchors.AnchoredRegression, cat: Image) -> None:
    lr = downscale(cat, 4)
    whole = refinement.refine(lr, learned, 3, SILENT)
    np.testing.assert_allclose(refinement.refine(lr, learned, 3, SILENT, largest=19), whole, atol=2e-5)


def test_flat_images_and_single_pixels_stay_flat(learned: anchors.AnchoredRegression) -> None:
    for size in ((1, 1), (1, 5), (9, 9)):
        flat = readonly(np.full((*size, 3), 0.3, np.float32))
        result = refinement.refine(flat, learned, 2, SILENT)
        np.testing.assert_allclose(result, 0.3, atol=1e-5)
        assert result.shape == (4 * size[0], 4 * size[1], 3)


def test_training_writes_weights_and_a_card_that_agree(tmp_path: Path) -> None:
    recipe = training.Recipe(per_picture=200, sizes=(1.0, 0.5), anchors=4, dimension=8, neighbours=64, rounds=2)
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        Pillow.fromarray(data.astronaut()[:200, 100:300]).save(tmp_path / folder / "a.png")
    (tmp_path / "train" / "notes.png").write_text("not a picture")
    out = tmp_path / "small.safetensors"
    training.train(tmp_path / "train", out, tmp_path / "val", None, "CC0-1.0", recipe)
    card = json.loads(out.with_suffix(".json").read_text())
    model = anchors.load(out)
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert card["bytes"] == out.stat().st_size
    assert card["parameters"] == 8 * 49 + 4 * 8 + 4 * 8 * 144
    assert model.regressors.shape == (4, 8, 144)
    again = tmp_path / "again.safetensors"
    training.train(tmp_path / "train", again, tmp_path / "val", None, "CC0-1.0", recipe)
    assert again.read_bytes() == out.read_bytes()


@pytest.fixture
def small_photos(tmp_path: Path) -> Path:
    """A folder of two photos, beside which there is no folder for validation."""
    (tmp_path / "in").mkdir()
    for name, left in (("a", 100), ("b", 200)):
        Pillow.fromarray(data.astronaut()[:200, left : left + 200]).save(tmp_path / "in" / f"{name}.png")
    return tmp_path / "in"


def test_without_photos_for_validation_a_tenth_is_held_out(small_photos: Path, tmp_path: Path) -> None:
    recipe = training.Recipe(per_picture=200, sizes=(1.0,), anchors=4, dimension=8, neighbours=64, rounds=2)
    training.train(small_photos, tmp_path / "small.safetensors", None, None, "", recipe)
    card = json.loads((tmp_path / "small.json").read_text())
    assert card["data"]["count"] == 1 and card["scores"]["val"]["psnr_y"] > 20


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--val", "nowhere"), "no folder nowhere"),
        (("--test-sets", "nowhere"), "no test set in nowhere"),
        (("--data", "nowhere"), "no folder nowhere"),
        (("--seed", "-1"), "--seed takes a number"),
        (("--out", "memory.json"), "must name a .safetensors file"),
    ],
)
def test_the_command_refuses_before_it_writes(
    wrong: tuple[str, str], message: str, small_photos: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(training, "gather", None)
    monkeypatch.chdir(tmp_path)
    assert main(["memory", "train", "--data", "in", "--out", "small.safetensors", *wrong]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [small_photos]


def test_training_photos_do_not_validate_themselves(
    small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder `val` lies beside the folder of photos, however that is named, and is another one."""
    beside = tmp_path / "val"
    small_photos.rename(beside)
    trained, held_out = training._photos(beside, None)
    assert len(trained) == len(held_out) == 1 and trained != held_out
    (tmp_path / "train").mkdir()
    Pillow.new("RGB", (8, 8)).save(tmp_path / "train" / "c.png")
    (tmp_path / "train" / "val").mkdir()
    monkeypatch.chdir(tmp_path / "train")
    trained, held_out = training._photos(Path(), None)
    assert [path.name for path in trained] == ["c.png"]
    assert [path.parent for path in held_out] == [beside, beside]


def test_a_training_that_is_interrupted_while_it_scores_leaves_nothing_and_can_be_repeated(
    small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = training.Recipe(per_picture=200, sizes=(1.0,), anchors=4, dimension=8, neighbours=64, rounds=2)
    monkeypatch.setattr(training, "Recipe", lambda seed: small)
    command = ["memory", "train", "--data", str(small_photos), "--out", str(tmp_path / "small.safetensors")]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "score", interrupted)
        assert main(command) == 130
    assert list(tmp_path.iterdir()) == [small_photos]
    monkeypatch.chdir(small_photos)
    command[3] = "."
    assert main(command) == 0
    card = json.loads((tmp_path / "small.json").read_text())
    assert card["data"]["what"] == f"{tmp_path.name}/in" and card["scores"]["val"]["psnr_y"] > 20


def test_training_refuses_too_few_windows_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no pictures"):
        training.train(tmp_path, tmp_path / "x.safetensors", tmp_path, None, "", SMALL)
    few = training.Samples(np.random.default_rng(0).random((10, 49), np.float32), np.zeros((10, 144), np.float16))
    with pytest.raises(BadInput, match="too few"):
        training.fit(few, SMALL, print)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_without_a_learned_memory_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "memory.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"memory\.safetensors"):
        anchors.load(path)


def test_the_full_projection_keeps_the_distances_of_gradients() -> None:
    samples = np.random.default_rng(0).random((500, 49), np.float32)
    project = windows.fit_projection(samples, most=48, kept=1.0)
    distances = np.linalg.norm((samples[:50] - samples[50:100]) @ project.T, axis=1)
    gradients = np.linalg.norm((samples[:50] - samples[50:100]) @ windows.gradient_matrix().T, axis=1)
    np.testing.assert_allclose(distances, gradients, rtol=1e-3)


@pytest.fixture(scope="module")
def embedded() -> Upscaler:
    checkpoint = mosaic.APPROACH.checkpoint("refined")
    (file,) = checkpoint.files
    path = EMBEDDED / file.name
    assert path.stat().st_size == file.bytes <= 10_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    return mosaic.APPROACH.load(Request(checkpoint, (path,), MosaicOptions(), "auto", SILENT))


@pytest.mark.parametrize(("name", "least"), [("Set5", 30.3), ("Set14", 27.4)])
def test_the_embedded_memory_scores_what_its_card_says(
    embedded: Upscaler, shared_data: Path, name: str, least: float
) -> None:  # fmt: skip
    scores: list[float] = []
    for path in sorted((shared_data / "testsets" / name / "HR").iterdir()):
        hr, lr = (as_floats(photos.read_photo(file).pixels) for file in (path, path.parent.parent / "LRx4" / path.name))
        result = embedded.upscale(lr, MosaicOptions(), SILENT)[: hr.shape[0], : hr.shape[1]]
        bicubic = resize(lr, (lr.shape[0] * 4, lr.shape[1] * 4))[: hr.shape[0], : hr.shape[1]]
        scores.append(psnr_y(result, hr))
        assert scores[-1] > psnr_y(bicubic, hr)
    assert np.mean(scores) >= least
    assert np.mean(scores) == pytest.approx(card("mosaic-memory-x4")["scores"][name]["psnr_y"], abs=0.01)


def test_the_embedded_memory_improves_a_photo(embedded: Upscaler, cat: Image) -> None:
    lr = downscale(cat, 4)
    assert psnr_y(embedded.upscale(lr, MosaicOptions(), SILENT), cat) > psnr_y(resize(lr, cat.shape[:2]), cat) + 0.5


def test_only_tile_mosaics_invent_detail() -> None:
    invents = {c.name: mosaic.APPROACH.invents_with(c) for c in mosaic.APPROACH.checkpoints}
    assert invents == {"tiles": True, "refined": False, "refined-photos": False, "tiles-8": True, "tiles-64": True}
