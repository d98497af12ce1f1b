"""HR and LR images are matched as published test sets name them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from sr_demo.errors import BadInput
from sr_demo.image import ImageData, write_png
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.reports.evaluation import Pair, load_pair, pairs
from sr_demo.reports.pairing import in_one_folder, matched
from tests.conftest import noise


def paths(folder: str, *names: str) -> list[Path]:
    return [Path(folder) / name for name in names]


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("baby.png", "baby.png"),
        ("baby.png", "babyx4.png"),
        ("baby.bmp", "baby_x4.PNG"),
        ("Baby.PNG", "babyX4.png"),
        ("0801.png", "0801x4.png"),
        ("0801.png", "0801x4m.png"),
        ("0801.png", "0801x4d.png"),
        ("img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png"),
        ("baby_HR_x4.png", "baby_LRBI_x4.png"),
        ("baby_HR_x4.png", "baby_LRDN_x4.png"),
        ("Canon_001_HR.png", "Canon_001_LR4.png"),
        ("fox_hr.png", "fox_hr.png"),
        ("a_GT.png", "a_LR.png"),
        ("x4.png", "x4.png"),
    ],
)
def test_published_names_match(hr: str, lr: str) -> None:
    large, small = paths("hr", hr, "other.png"), paths("lr", lr, "other.png", "unused.png", "babyx2.png")
    assert matched(large, small, 4)[0] == (large[0], small[0])


@pytest.mark.parametrize("lr", ["babyx2.png", "baby_SRF_2_LR.png", "babyx42.png", "baby_LRBI_x3.png", "babylon.png"])
def test_other_scales_and_other_names_do_not_match(lr: str) -> None:
    with pytest.raises(BadInput, match=r"^baby\.png has no small version of the same name in lr\.$"):
        matched(paths("hr", "baby.png"), paths("lr", lr), 4)


@pytest.mark.parametrize(
    ("hr", "lr", "sentence"),
    [
        (["baby.png"], ["baby.png", "babyx4.png"], "baby.png has more than one small version: baby.png and babyx4.png"),
        (["baby.png"], ["baby.png", "baby.jpg"], "baby.png has more than one small version"),
        (["0801.png"], ["0801x4w1.png", "0801x4w2.png"], "0801.png has more than one small version"),
        (["a.jpg", "a.png"], ["a.png"], "a.jpg and a.png both match the small version a.png"),
    ],
)
def test_ambiguous_names_are_refused_in_one_sentence(hr: list[str], lr: list[str], sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        matched(paths("hr", *hr), paths("lr", *lr), 4)
    assert str(raised.value).startswith(sentence) and str(raised.value).count("\n") == 0


def test_names_that_differ_in_case_only_match_their_own() -> None:
    large, small = paths("hr", "A.png", "a.png"), paths("lr", "Ax4.png", "ax4.png")
    assert matched(large, small, 4) == list(zip(large, small, strict=True))


def test_a_name_with_a_match_of_its_own_is_not_taken_for_another() -> None:
    large, small = paths("hr", "a.png", "ax4.png"), paths("lr", "a.png", "ax4.png")
    assert matched(large, small, 4) == list(zip(large, small, strict=True))


def test_a_folder_with_both_kinds_is_split() -> None:
    names = [f"img_00{n}_SRF_4_{what}.png" for n in (1, 2) for what in ("HR", "LR", "bicubic", "SCSR")]
    found = in_one_folder(paths("set", *names), 4)
    assert [(hr.name, lr.name) for hr, lr in found] == [
        (f"img_00{n}_SRF_4_HR.png", f"img_00{n}_SRF_4_LR.png") for n in (1, 2)
    ]
    assert in_one_folder(paths("set", "0801.png", "0801x4.png"), 4) == [(Path("set/0801.png"), Path("set/0801x4.png"))]
    assert in_one_folder(paths("set", "a.png", "photo_x4.png"), 4) == [], "an HR image that is called so"


def test_the_small_images_in_a_folder_are_used_once_and_not_scored_as_large_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    true = noise(32, 32)
    write_png(ImageData(true), tmp_path / "img_001_SRF_4_HR.png")
    write_png(ImageData(downscale(true, 4)), tmp_path / "img_001_SRF_4_LR.png")
    write_png(ImageData(true), tmp_path / "img_001_SRF_4_nearest.png")
    for lr in (None, tmp_path):
        (pair,) = pairs(tmp_path, lr, 4)
        assert pair.lr is not None and pair.lr.name == "img_001_SRF_4_LR.png"
        small, large = load_pair(pair, 4, None)
        assert small.rgb.shape == (8, 8, 3) and large.shape == (32, 32, 3)
    assert "1 other pictures left out" in caplog.text
    (pair,) = pairs(tmp_path, None, 4, keep_lr=False)
    assert pair.lr is None and pair.hr.name == "img_001_SRF_4_HR.png"


@pytest.mark.parametrize("keys", [[f"img_00{n}_SRF_4" for n in range(1, 6)], ["0801", "0802", "0803"], ["x2_old", "b"]])
def test_digits_in_a_name_do_not_make_it_a_small_image_of_another_scale(tmp_path: Path, keys: list[str]) -> None:
    for key in keys:
        for role in ("HR", "LR"):
            write_png(ImageData(noise(8, 8)), tmp_path / f"{key}_{role}.png")
    found = [(pair.hr.name, pair.lr and pair.lr.name) for pair in pairs(tmp_path, None, 4)]
    assert found == [(f"{key}_HR.png", f"{key}_LR.png") for key in sorted(keys)]


def test_small_images_of_other_scales_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("0801_HR", "0801_LR", "0801x2", "0801_x3", "0802_HR", "0802_LR4", "0802_LR3"):
        write_png(ImageData(noise(8, 8)), tmp_path / f"{name}.png")
    found = [(pair.hr.name, pair.lr and pair.lr.name) for pair in pairs(tmp_path, None, 4)]
    assert found == [("0801_HR.png", "0801_LR.png"), ("0802_HR.png", "0802_LR4.png")]
    assert "3 small versions for other scales than 4 left out" in caplog.text


def test_values_of_both_files_are_compared_as_values(tmp_path: Path) -> None:
    """A hot pixel alone makes the range of the HR file other than that of the LR file, which must not change the score."""
    true = noise(64, 64)[..., :1] * np.ones(3, np.float32)
    small = downscale(true, 4)
    pair, scores = Pair(tmp_path / "hr.tif", tmp_path / "lr.tif"), list[float]()
    for hot, scaled in ((1.0, 784), (3.0, 784), (3.0, 20_000)):
        large = true[..., 0].copy()
        large[20, 20] = hot
        for path, plane in ((pair.hr, large), (Path(str(pair.lr)), small[..., 0])):
            tifffile.imwrite(path, (plane * scaled - 100).astype(np.float32 if scaled < 10_000 else np.int16))
        lr, reference = load_pair(pair, 4, None)
        scores.append(psnr_y(resize(lr.rgb, (64, 64)), reference))
        assert lr.values is not None and any("mapped like those" in note for note in lr.notes)
    assert scores == pytest.approx([scores[0]] * 3, abs=0.3)
    write_png(ImageData(small), Path(str(pair.lr)))
    with pytest.raises(BadInput, match=r"^hr.tif and lr.tif are mapped to black and white from different ranges"):
        load_pair(pair, 4, None)
