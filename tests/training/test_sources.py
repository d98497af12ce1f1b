"""What `--data` may name: DIV2K's layout and paired `.npz` files, and one clear sentence for whatever is wrong there."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_demo.cli import train
from sr_demo.codecs.npz import find_stacks
from sr_demo.errors import BadInput
from sr_demo.image import quantize
from sr_demo.networks.edsr import EDSR
from sr_demo.training import data, sources
from sr_demo.training.cycle import with_unknown_degradation
from sr_demo.training.data import downscale_8bit
from sr_demo.training.recipes import find
from tests.conftest import noise


def photo(seed=0, height=64, width=96):
    return quantize(noise(height, width, seed=seed))


@pytest.fixture
def div2k(tmp_path):
    """Three training pairs and one for validation, with both tracks."""
    for part, numbers in (("train", (1, 2, 3)), ("valid", (801,))):
        for number in numbers:
            hr = photo(number, 66, 98)
            write(tmp_path / f"DIV2K_{part}_HR" / f"{number:04d}.png", hr)
            for track in ("bicubic", "unknown"):
                lr = downscale_8bit(hr, 4) if track == "bicubic" else 255 - downscale_8bit(hr, 4)
                write(tmp_path / f"DIV2K_{part}_LR_{track}" / "X4" / f"{number:04d}x4.png", lr)
    return tmp_path


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def quiet(_):
    """A report that is ignored."""


# --- DIV2K ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("track", ["bicubic", "unknown"])
def test_div2k_is_recognised_and_its_own_lr_images_are_used(div2k, track):
    reported = []
    pairs = sources.load(div2k, 4, 8, reported.append, track)
    assert pairs.names == ("0001.png", "0002.png", "0003.png")
    assert pairs.hr[0].shape == (64, 96, 3) and pairs.lr[0].shape == (16, 24, 3)
    stored = np.asarray(Image.open(div2k / f"DIV2K_train_LR_{track}" / "X4" / "0002x4.png"))
    np.testing.assert_array_equal(pairs.lr[1], stored)
    assert pairs.track == track and track in pairs.kind
    assert reported == [f"DIV2K, {track} track: 3 pairs (train), 0 skipped"]
    validation = sources.load_validation(div2k, 4, quiet, track)
    assert validation is not None and validation.names == ("0801.png",)


def test_images_of_the_unknown_track_are_not_degraded_again(div2k):
    given = sources.load(div2k, 4, 8, quiet, "unknown")
    assert with_unknown_degradation(given, 4).lr is given.lr
    plain = sources.load(div2k, 4, 8, quiet)
    assert (with_unknown_degradation(plain, 4).lr[0] != plain.lr[0]).any()


def test_lr_images_are_made_where_there_are_none(div2k):
    for path in (div2k / "DIV2K_train_LR_bicubic" / "X4").iterdir():
        path.unlink()
    (div2k / "DIV2K_train_LR_bicubic" / "X4").rmdir()
    pairs = sources.load(div2k, 4, 8, quiet)
    np.testing.assert_array_equal(pairs.lr[0], downscale_8bit(pairs.hr[0], 4))
    assert "downscaled here" in pairs.kind


def test_a_missing_lr_image_is_named_with_both_counts(div2k):
    (div2k / "DIV2K_train_LR_bicubic" / "X4" / "0002x4.png").unlink()
    with pytest.raises(BadInput, match=r"0002\.png has no small version 0002x4\.png.* 3 large .* 2 small"):
        sources.load(div2k, 4, 8, quiet)


def test_an_lr_image_without_its_hr_image_is_named(div2k):
    write(div2k / "DIV2K_train_LR_bicubic" / "X4" / "0009x4.png", photo(9, 16, 24))
    with pytest.raises(BadInput, match=r"0009x4\.png .* has no large picture"):
        sources.load(div2k, 4, 8, quiet)


def test_pairs_that_do_not_fit_or_cannot_be_read_are_skipped_and_counted(div2k):
    write(div2k / "DIV2K_train_LR_bicubic" / "X4" / "0001x4.png", photo(1, 15, 24))
    (div2k / "DIV2K_train_LR_bicubic" / "X4" / "0003x4.png").write_bytes(b"not a image")
    reported = []
    pairs = sources.load(div2k, 4, 8, reported.append)
    assert pairs.names == ("0002.png",) and len(pairs.skipped) == 2
    assert pairs.skipped[0] == "0001x4.png is 24 x 15 pixels, which is not 0001.png (98 x 66) downscaled 4 times."
    assert pairs.skipped[1].startswith("0003x4.png")
    assert reported[-1].endswith("1 pairs (train), 2 skipped")


def test_only_div2k_has_an_unknown_track(div2k, tmp_path):
    with pytest.raises(BadInput, match="unknown track"):
        sources.load(div2k / "DIV2K_train_HR", 4, 8, quiet, "unknown")
    with pytest.raises(BadInput, match="X2"):
        sources.load(div2k, 2, 8, quiet, "unknown")


@pytest.mark.parametrize("folder", ["", "DIV2K_train_HR"])
def test_images_that_would_not_fit_into_memory_are_refused_before_reading(div2k, folder, monkeypatch):
    """DIV2K, and the same photos as a plain folder; of those, no more are read than `limit` allows."""
    with monkeypatch.context() as full:
        full.setattr(data.memory, "available_bytes", lambda: 40_000)
        for module in (data, sources):
            full.setattr(module, "read_rgb", None)
        with pytest.raises(BadInput, match=r"--pictures 1\b"):
            sources.load(div2k / folder, 4, 8, quiet)
    read, calls = data.read_rgb, list[str]()
    for module in (data, sources):
        monkeypatch.setattr(module, "read_rgb", lambda path: calls.append(path.name) or read(path))
    assert sources.load(div2k / folder, 4, 8, quiet, limit=2).names == ("0001.png", "0003.png")
    assert "0002.png" not in calls


# --- npz --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stacks():
    large = np.stack([photo(i, 128, 128) for i in range(12)])
    return large, np.stack([downscale_8bit(p, 4) for p in large])


def as_unit(values):
    return (values / 255).astype(np.float32)


def as_signed(values):
    return (values / 127.5 - 1).astype(np.float32)


def channels_first(values):
    return np.moveaxis(values, -1, 1)


@pytest.mark.parametrize("change", [np.asarray, as_unit, as_signed, channels_first, np.float64])
def test_arrays_are_recognised_by_shape_and_become_the_same_images(tmp_path, stacks, change):
    large, lr = stacks
    np.savez(tmp_path / "hr_images.npz", something=change(large), labels=np.arange(12))
    np.savez_compressed(tmp_path / "hr_lr_images.npz", else_=change(lr))
    reported = []
    for path in (tmp_path, tmp_path / "hr_images.npz", tmp_path / "hr_lr_images.npz"):
        pairs = sources.load(path, 4, 48, reported.append)
        assert len(pairs.hr) == 12 and pairs.smallest == 32
        np.testing.assert_array_equal(pairs.hr[3], large[3])
        np.testing.assert_array_equal(pairs.lr[3], lr[3])
    assert "hr_images.npz: something, 12 of 128 x 128" in " ".join(reported)
    assert pairs.kind == "npz, 128 x 128 and 32 x 32"


def test_both_arrays_may_lie_in_one_file_and_gray_becomes_three_channels(tmp_path, stacks):
    large, lr = stacks
    np.savez(tmp_path / "both.npz", a=lr[..., 0], b=large[..., 0])
    pairs = sources.load(tmp_path / "both.npz", 4, 48, quiet)
    assert pairs.hr[0].shape == (128, 128, 3)
    np.testing.assert_array_equal(pairs.hr[5][..., 2], large[5, ..., 0])


def test_hr_images_alone_are_downscaled_here(tmp_path, stacks):
    np.savez(tmp_path / "hr_images.npz", stacks[0])
    pairs = sources.load(tmp_path, 4, 8, quiet)
    np.testing.assert_array_equal(pairs.lr[7], stacks[1][7])


def test_mismatched_counts_are_refused_with_both_numbers(tmp_path, stacks):
    np.savez(tmp_path / "hr_images.npz", stacks[0])
    np.savez(tmp_path / "hr_lr_images.npz", stacks[1][:11])
    with pytest.raises(BadInput, match=r"hr_images\.npz holds 12 .* hr_lr_images\.npz 11"):
        sources.load(tmp_path, 4, 8, quiet)


def test_arrays_in_different_order_are_refused(tmp_path, stacks):
    np.savez(tmp_path / "hr_images.npz", stacks[0])
    np.savez(tmp_path / "hr_lr_images.npz", stacks[1][::-1])
    with pytest.raises(BadInput, match="same order"):
        sources.load(tmp_path, 4, 8, quiet)


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({"a": np.zeros((2, 128, 128, 3)), "b": np.zeros((2, 40, 40, 3))}, "4 times"),
        ({"labels": np.arange(3)}, "no arrays of pictures"),
        ({"a": np.full((2, 32, 32, 3), 9000, np.int32)}, "9000"),
        ({"a": np.full((2, 30, 32, 3), 1.0)}, "divided"),
    ],
)
def test_unusable_arrays_are_reported_in_one_sentence(tmp_path, arrays, word):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(BadInput, match=word) as caught:
        sources.load(tmp_path, 4, 8, quiet)
    assert "x.npz" in str(caught.value) or str(tmp_path) in str(caught.value)


def test_files_that_are_no_npz_and_python_objects_are_not_read(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"something else")
    with pytest.raises(BadInput, match=r"bad\.npz"):
        sources.load(tmp_path, 4, 8, quiet)
    with pytest.raises(BadInput, match=r"no file .*gone\.npz"):
        sources.load(tmp_path / "gone.npz", 4, 8, quiet)
    np.savez(tmp_path / "objects.npz", np.array([{"a": 1}] * 4, dtype=object).reshape(1, 2, 2))
    assert find_stacks(tmp_path / "objects.npz") == []


# --- splitting --------------------------------------------------------------------------------------------------------


def test_some_images_are_held_out_from_training(tmp_path, stacks):
    np.savez(tmp_path / "hr_images.npz", stacks[0])
    pairs, held = sources.split(sources.load(tmp_path, 4, 8, quiet))
    assert len(held.hr) == 2 and len(pairs.hr) == 10 and not set(held.names) & set(pairs.names)
    with pytest.raises(BadInput, match="One picture"):
        sources.split(pairs.subset([0]))


# --- the command ------------------------------------------------------------------------------------------------------


def _train(tmp_path, monkeypatch, *more):
    """`train edsr --iterations 2` on a tiny network with its real patches; returns status and card."""
    recipe = replace(
        find("edsr"), build=lambda: EDSR(1, 4, 4), phases=tuple(replace(p, batch=2) for p in find("edsr").phases)
    )
    monkeypatch.setattr(train, "find", lambda name: recipe)
    monkeypatch.setenv("SR_DEMO_SHARED_DATA", str(tmp_path / "none"))
    out = tmp_path / "out" / "edsr-x4.safetensors"
    parser = argparse.ArgumentParser()
    train.add_train_arguments(parser)
    arguments = ["edsr", "--out", str(out), "--iterations", "2", "--device", "cpu", *more]
    status = train.run_train(parser.parse_args(arguments))
    return status, json.loads(out.with_suffix(".json").read_text()) if status == 0 else {}


def test_training_takes_npz_pairs_and_synthetic_images_and_records_them_on_the_card(
    tmp_path, stacks, monkeypatch, capsys
):
    np.savez(tmp_path / "hr_images.npz", stacks[0])
    np.savez(tmp_path / "hr_lr_images.npz", stacks[1])
    status, card = _train(tmp_path, monkeypatch, "--data", str(tmp_path / "hr_images.npz"), "--synthetic", "2")
    reported = capsys.readouterr()
    assert status == 0, reported.err
    assert card["data"]["count"] == 10 and card["data"]["synthetic"] == 2
    assert "npz, 128 x 128 and 32 x 32" in card["data"]["kind"] and "2 drawn" in card["data"]["kind"]
    assert {phase["patch"] for phase in card["recipe"]["phases"]} == {32}
    assert "hr_lr_images.npz: arr_0, 12 of 32 x 32" in reported.out and "cut to 32" in reported.out


def test_training_takes_div2k_with_its_own_validation(div2k, tmp_path, monkeypatch, capsys):
    for path in div2k.rglob("*.png"):  # large enough for the patches of the recipe
        side = 50 if "LR" in str(path) else 200
        Image.open(path).resize((side, side)).save(path)
    (div2k / "DIV2K_train_HR" / "0002.png").write_bytes(b"broken")
    status, card = _train(tmp_path, monkeypatch, "--data", str(div2k), "--track", "unknown")
    reported = capsys.readouterr()
    assert status == 0, reported.err
    assert card["data"]["count"] == 2 and card["data"]["kind"] == "DIV2K, unknown track"
    assert "1 pairs (valid)" in reported.out and reported.out.rstrip().endswith("1 pictures were skipped.")


# --- test sets --------------------------------------------------------------------------------------------------------


@pytest.fixture
def test_set(tmp_path):
    """Two pairs, of which the second name is written first, and a hidden file among HR and LR."""
    folder = tmp_path / "sets" / "Set5"
    for number, name in enumerate(("b", "a")):
        write(folder / "HR" / f"{name}.png", np.full((6, 8, 3), number, np.uint8))
        write(folder / "LRx2" / f"{name}x2.png", np.full((3, 4, 3), number + 100, np.uint8))
    for part in ("HR", "LRx2"):
        (folder / part / ".DS_Store").write_bytes(b"Bud1")
    return folder


def test_a_test_set_pairs_its_own_files_in_the_order_of_their_names(test_set):
    found = sources.load_test_sets(test_set.parent, 2)
    assert list(found) == ["Set5"] and found["Set5"].names == ("a.png", "b.png")
    assert [int(image[0, 0, 0]) for image in found["Set5"].hr] == [1, 0]
    assert [int(image[0, 0, 0]) for image in found["Set5"].lr] == [101, 100]
    assert sources.load_test_sets(None, 2) == {}


def test_test_sets_that_are_not_complete_are_refused(test_set):
    with pytest.raises(BadInput, match=r"There is no test set in .*Set5 or Set14"):
        sources.load_test_sets(test_set, 2)
    with pytest.raises(BadInput, match=r"no folder .*LRx4"):
        sources.load_test_sets(test_set.parent, 4)
    (test_set / "LRx2" / "ax2.png").unlink()
    with pytest.raises(BadInput, match="2 pictures in HR and 1 in LRx2"):
        sources.load_test_sets(test_set.parent, 2)


def test_the_command_refuses_test_sets_before_it_trains(test_set, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "make_trainer", None)
    write(tmp_path / "photos" / "a.png", photo())
    parser = argparse.ArgumentParser()
    train.add_train_arguments(parser)
    named = ("edsr", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "e.safetensors"))
    assert train.run_train(parser.parse_args([*named, "--test-sets", str(test_set.parent)])) == 2
    assert "Set5/LRx4" in capsys.readouterr().err


@pytest.mark.parametrize("track", ["bicubic", "unknown"])
def test_div2k_named_for_validation_gives_its_validation_images_in_the_track_of_the_run(div2k, track):
    arguments = argparse.Namespace(data=div2k, val=div2k, track=track, pictures=None)  # words: ok
    pairs, validation = train._load_pairs(arguments, 4, 8)
    assert (len(pairs.hr), validation.names) == (3, ("0801.png",))
    assert pairs.track == validation.track == track


def test_validation_images_lie_beside_the_folder_however_its_path_is_written(tmp_path, monkeypatch):
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(tmp_path / name / f"{name}.png")
    monkeypatch.chdir(tmp_path / "train")
    beside = sources.load_validation(Path("."), 4)
    assert beside is not None and beside.names == ("val.png",)
    assert sources.load_validation(Path("../val"), 4) is None, "training images do not validate themselves"
