"""A student trains on a teacher's results, which are computed once."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sr_demo.cli import train
from sr_demo.errors import BadInput
from sr_demo.image import readonly
from sr_demo.training import distillation
from sr_demo.training.data import Pairs
from sr_demo.training.distillation import Teacher, teacher_pairs
from sr_demo.training.loop import Trainer
from sr_demo.training.losses import gradient
from sr_demo.training.recipes import find
from tests.training.test_loop import CPU, _arguments, tiny

SCALE = 4


@pytest.fixture(autouse=True)
def _small_crops(monkeypatch):
    monkeypatch.setattr(distillation, "CROP", 8)
    monkeypatch.setattr(distillation, "PER_FILE", 4)


@pytest.fixture
def photos():
    hr = tuple(np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8) for i in range(2))
    return Pairs(("a", "b"), hr, tuple(image[::4, ::4] for image in hr), ())


class Enlarger:
    """A teacher that repeats pixels and counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, lr):
        self.calls += 1
        return readonly(np.repeat(np.repeat(lr, SCALE, 0), SCALE, 1))


def test_pairs_hold_the_teachers_results_and_are_computed_once(tmp_path, photos):
    upscale = Enlarger()
    teacher = Teacher("enlarger:plain", "CC0", upscale)
    first = teacher_pairs(tmp_path, teacher, photos, 8, SCALE, report=lambda line: None)
    assert upscale.calls == 8 == len(first.hr)
    for lr, hr in zip(first.lr, first.hr, strict=True):
        np.testing.assert_array_equal(hr, np.repeat(np.repeat(lr, SCALE, 0), SCALE, 1))
    (tmp_path / "00001.npz").unlink()
    again = teacher_pairs(tmp_path, teacher, photos, 12, SCALE, report=lambda line: None)
    assert upscale.calls == 16 and len(again.hr) == 12, "what was there is kept, what is missing computed"
    np.testing.assert_array_equal(again.lr[:8], first.lr)


def test_results_of_another_teacher_are_refused(tmp_path, photos):
    teacher_pairs(tmp_path, Teacher("a:b", "CC0", Enlarger()), photos, 4, SCALE, report=lambda line: None)
    with pytest.raises(BadInput, match="a:b, not of c:d"):
        teacher_pairs(tmp_path, Teacher("c:d", "CC0", Enlarger()), photos, 4, SCALE)


def test_results_for_other_photos_or_another_seed_are_refused_and_replaced_on_request(tmp_path, photos):
    teacher, other = Teacher("a:b", "CC0", Enlarger()), replace(photos, hr=photos.hr[::-1])
    first = teacher_pairs(tmp_path, teacher, photos, 4, SCALE)
    for changed, seed in ((other, 0), (photos, 1)):
        with pytest.raises(BadInput, match="other pictures"):
            teacher_pairs(tmp_path, teacher, changed, 4, SCALE, seed)
    again = teacher_pairs(tmp_path, teacher, other, 4, SCALE, overwrite=True)
    assert not np.array_equal(again.lr, first.lr)
    np.testing.assert_array_equal(teacher_pairs(tmp_path, teacher, other, 4, SCALE).lr, again.lr)
    with pytest.raises(BadInput, match="other pictures"):
        teacher_pairs(tmp_path, teacher, photos, 4, SCALE)


def test_photos_smaller_than_a_crop_are_refused(tmp_path, photos, monkeypatch):
    monkeypatch.setattr(distillation, "CROP", 17)
    with pytest.raises(BadInput, match="68 pixels"):
        teacher_pairs(tmp_path, Teacher("a:b", "CC0", Enlarger()), photos, 4, SCALE)


def test_few_crops_leave_some_to_validate_and_a_teacher_of_another_scale_is_refused(
    tmp_path, photos, monkeypatch, capsys
):
    from PIL import Image

    for i, image in enumerate(photos.hr):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    recipe = tiny(find("edsr"))
    monkeypatch.setattr(train, "find", lambda name: recipe)
    out = tmp_path / "out" / "student.safetensors"
    more = ("--teacher", "espcn", "--crops", "8", "--iterations", "1", "--val", str(tmp_path))
    assert train.run_train(_arguments(tmp_path, out, *more)) == 0, capsys.readouterr().err
    assert [len(list((out.parent / "student.teacher" / part).glob("*.npz"))) for part in ("train", "val")] == [2, 1]
    assert train.run_train(_arguments(tmp_path, tmp_path / "x2.safetensors", "--teacher", "dat:x2")) == 2
    assert "dat:x2 upscales 2 times and edsr 4 times" in capsys.readouterr().err


def test_the_gradient_loss_ignores_brightness_and_sees_edges():
    import torch

    flat, edge = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1.0
    assert gradient(flat + 0.3, flat) == 0
    assert gradient(edge, flat) == pytest.approx(1 / 7)


def test_a_recipe_that_begins_with_embedded_weights_has_them():
    trainer_of = find("real-esrgan")
    pairs = Pairs(("a",), (np.zeros((128, 128, 3), np.uint8),), (np.zeros((32, 32, 3), np.uint8),), ())
    from sr_demo import checkpoint
    from sr_demo.backends.torch_backend import load_safetensors

    embedded = load_safetensors(checkpoint.EMBEDDED / f"{trainer_of.begin}.safetensors", trainer_of.build())
    trainer = Trainer(trainer_of, pairs, pairs, CPU)
    assert trainer.began_as == trainer_of.begin
    np.testing.assert_array_equal(
        trainer.network.state_dict()["head.weight"].numpy(), embedded.state_dict()["head.weight"].numpy()
    )


def stopped(*_):
    raise KeyboardInterrupt


def test_the_command_imitates_a_checkpoint_and_its_card_names_it(tmp_path, photos, monkeypatch, capsys):
    from PIL import Image

    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        for i, image in enumerate(photos.hr):
            Image.fromarray(image).save(tmp_path / folder / f"{i}.png")
    recipe = tiny(find("edsr"))
    monkeypatch.setattr(train, "find", lambda name: recipe)
    out = tmp_path / "student.safetensors"
    more = ("--teacher", "espcn", "--crops", "64", "--iterations", "4")
    assert train.run_train(_arguments(tmp_path / "train", out, *more)) == 0, capsys.readouterr().err
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["data"]["teacher"] == "espcn:rgb" and card["data"]["teacher_licence"] == "Apache-2.0"
    assert card["recipe"]["degradation"] == "teacher"
    pairs = tmp_path / "student.teacher" / "val" / "00000.npz"
    before = pairs.read_bytes()
    Image.fromarray(photos.hr[0]).rotate(90).save(tmp_path / "val" / "0.png")
    own = ("--precompute", str(tmp_path / "student.teacher"))
    assert train.run_train(_arguments(tmp_path / "train", out, *more, "--overwrite", *own)) == 2
    assert "val holds results of the teacher espcn:rgb, but for other pictures" in capsys.readouterr().err
    monkeypatch.setattr(train, "make_trainer", stopped)
    assert train.run_train(_arguments(tmp_path / "train", out, *more, "--overwrite")) == 130
    assert pairs.read_bytes() != before
    capsys.readouterr()


def test_pairs_of_a_version_that_did_not_record_the_photos_are_used(tmp_path):
    record = tmp_path / "teacher.txt"
    record.write_text("espcn:rgb\n")
    (tmp_path / "00000.npz").touch()
    with pytest.raises(BadInput, match="not of edsr"):
        distillation._check_origin(tmp_path, "edsr", "key", overwrite=False)
    distillation._check_origin(tmp_path, "espcn:rgb", "key", overwrite=False)
    assert record.read_text() == "espcn:rgb\nkey\n" and (tmp_path / "00000.npz").exists()
    with pytest.raises(BadInput, match="other pictures"):
        distillation._check_origin(tmp_path, "espcn:rgb", "another", overwrite=False)
