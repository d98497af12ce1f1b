"""The functions of `import sr_demo`: they take what users have, return what can be saved, and load nothing early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import sr_demo
from sr_demo.catalogue import APPROACHES
from sr_demo.image import encode_png, quantize, read
from sr_demo.imaging.resize import downscale, resize
from sr_demo.options import controls
from tests.conftest import image_of, noise


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(encode_png(image_of(noise(20, 24))))
    return tmp_path / "photo.png"


def test_the_import_alone_loads_no_heavy_package() -> None:
    heavy = ["numpy", "torch", "gradio", "PIL", "cv2", "openvino"]
    code = f"import sys, sr_demo; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_and_its_array_give_the_same_result(photo: Path) -> None:
    from_file = sr_demo.upscale(photo, "bicubic")
    from_name = sr_demo.upscale(str(photo), "bicubic")
    from_bytes = sr_demo.upscale(quantize(read(photo).rgb), "bicubic")
    from_floats = sr_demo.upscale(read(photo).rgb.astype(np.float64), "bicubic")
    assert from_file.rgb.shape == (80, 96, 3)
    for other in (from_name, from_bytes, from_floats):
        assert np.array_equal(from_file.rgb, other.rgb)


@pytest.mark.parametrize(("dtype", "top", "bits"), [(np.uint8, 255, 8), (np.uint16, 65535, 16), (np.float32, 1, 16)])
def test_a_result_is_saved_with_the_depth_of_the_array(tmp_path: Path, dtype: type, top: int, bits: int) -> None:
    result = sr_demo.upscale((noise(5, 6) * top).astype(dtype), "lanczos")
    result.save(tmp_path / "large.png")
    saved = read(tmp_path / "large.png")
    assert saved.bits == bits
    assert np.abs(saved.rgb - result.rgb).max() <= 0.5 / (2**bits - 1) + 1e-6


def test_options_and_checkpoints_are_passed_on(photo: Path) -> None:
    assert sr_demo.upscale(photo, "mosaic:tiles-8", overlap=50).job.key == "mosaic:tiles-8"
    assert sr_demo.upscale(photo, "espcn", precision="fp32").precision == "fp32"


def test_no_option_has_the_name_of_another_argument() -> None:
    names = {control.name for approach in APPROACHES for control in controls(approach.options)}
    assert not names & {"image", "approach", "precision", "download", "size"}


def test_compare_scores_against_a_reference() -> None:
    hr = noise(64, 48)
    lr = hr.reshape(16, 4, 12, 4, 3).mean(axis=(1, 3))
    found = sr_demo.compare(lr, ["lanczos", "bicubic"], reference=hr)
    assert list(found) == ["lanczos", "bicubic"]
    assert all((result.scores.psnr_y or 0) > 15 for result in found.values())
    assert sr_demo.compare(lr, ["bicubic"])["bicubic"].scores.psnr_y is None


def test_a_reference_is_mapped_to_levels_like_the_image(tmp_path: Path) -> None:
    hr = resize(noise(8, 8), (48, 48))
    hot = hr[..., 0].copy()
    hot[9, 9] = 5  # without it, both files would happen to have nearly the same range
    for name, plane in (("lr", downscale(hr, 4)[..., 0]), ("hr", hot)):
        tifffile.imwrite(tmp_path / f"{name}.tif", plane * np.float32(784))
    found = sr_demo.compare(tmp_path / "lr.tif", ["bicubic"], reference=tmp_path / "hr.tif")
    assert (found["bicubic"].scores.psnr_y or 0) > 25


def test_evaluate_returns_the_rows_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "hr").mkdir()
    (tmp_path / "hr" / "a.png").write_bytes(encode_png(image_of(noise(48, 40))))
    rows = sr_demo.evaluate(tmp_path / "hr", names=["bicubic", "lanczos"])
    assert [(row["approach"], row["images"]) for row in rows] == [("bicubic", 1), ("lanczos", 1)]
    assert sr_demo.evaluate(tmp_path / "hr", names=[]) == []


def test_the_list_of_approaches_is_the_catalogue() -> None:
    assert [record["id"] for record in sr_demo.list_approaches()] == [approach.id for approach in APPROACHES]


@pytest.mark.parametrize(
    ("image", "approach", "sentence"),
    [
        ("nope.jpg", "bicubic", "nope.jpg is not there"),
        (np.zeros((4, 4)), "bicubic", r"shape \(height, width, 3\), not \(4, 4\)"),
        (np.zeros((0, 4, 3)), "bicubic", r"not \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), int), "bicubic", "not int64"),
        (np.full((4, 4, 3), 255.0), "bicubic", r"values in \[0, 1\] only"),
        (np.full((4, 4, 3), np.nan), "bicubic", r"values in \[0, 1\] only"),
        (np.zeros((4, 4, 3)), "nothing", "There is no approach 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(image: object, approach: str, sentence: str) -> None:
    with pytest.raises(sr_demo.SRError, match=sentence):
        sr_demo.upscale(image, approach)  # type: ignore[arg-type]


def test_results_are_saved_in_the_format_of_the_name(photo: Path, tmp_path: Path) -> None:
    result = sr_demo.upscale(photo, "bicubic")
    for name in ("large.jpg", "large.webp", "large.avif", "large.tif", "large.PNG"):
        result.save(tmp_path / name)
        assert read(tmp_path / name).rgb.shape == (80, 96, 3)
    result.save(tmp_path / "small.jpg", quality=20)
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "large.jpg").stat().st_size / 2
    with pytest.raises(sr_demo.SRError, match=r"Name a \.png, .* file, not 'large\.gif'"):
        result.save(tmp_path / "large.gif")
    with pytest.raises(sr_demo.SRError, match="PNG has no quality"):
        result.save(tmp_path / "large.png", quality=20)
    with pytest.raises(sr_demo.SRError, match="could not be written"):
        result.save(tmp_path / "missing" / "large.png")


def test_any_size_can_be_requested(photo: Path) -> None:
    assert sr_demo.upscale(photo, "bicubic", size=2).rgb.shape == (40, 48, 3)
    assert sr_demo.upscale(photo, "bicubic", size="30 wide").rgb.shape == (25, 30, 3)
    both = sr_demo.compare(photo, ["bicubic", "espcn"], size="3x")
    assert {name: (found.rgb.shape, found.sizing) for name, found in both.items()} == {
        "bicubic": ((60, 72, 3), "x3"), "espcn": ((60, 72, 3), "x4, then resampled to 3x"),
    }  # fmt: skip
    hr = noise(60, 72)
    scored = sr_demo.compare(hr.reshape(20, 3, 24, 3, 3).mean(axis=(1, 3)), ["bicubic"], reference=hr, size=3)
    assert (scored["bicubic"].scores.psnr_y or 0) > 10
    with pytest.raises(sr_demo.SRError, match="'huge' is no size"):
        sr_demo.upscale(photo, "bicubic", size="huge")
