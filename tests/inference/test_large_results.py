"""Large results of images in 8 bits are held as levels: files are the same, byte for byte, and every reader takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from sr_demo.checkpoint import WHOLE, Tiling
from sr_demo.cli.main import main
from sr_demo.image import Image, ImageData, Size, encode_png, quantize, readonly, unit, write_png
from sr_demo.imaging.output_size import by_factor
from sr_demo.imaging.resize import resize
from sr_demo.inference import faithful, large_results
from sr_demo.inference.jobs import ImageResult, Job, Stopped
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import score
from sr_demo.metrics.sharpness import sharpness
from sr_demo.options import GenerativeOptions
from sr_demo.progress import Progress
from sr_demo.system import large_array
from sr_demo.ui.compare.view import difference_image
from tests import fakes
from tests.conftest import image_of, noise

SIDE_BY_SIDE, BLENDED = Tiling("tiles", halo=2, largest=16), Tiling("tiles", halo=8, blend=4, largest=16)


def soft(image: Image, progress: Progress) -> Image:
    """Enlarge to values between levels, which differ from tile to tile."""
    larger = resize(image, (4 * image.shape[0], 4 * image.shape[1]))
    return readonly(larger * np.float32(0.87) + np.float32(0.05))


def job(tiling: Tiling, *, invents: bool = False, **options: object) -> Job:
    made = fakes.approach(fakes.Fake(soft), tiling=tiling, invents=invents)
    return fakes.job(replace(made, options=GenerativeOptions) if invents else made, **options)


def photo(kind: str) -> ImageData:
    """Noise with a black and a white area."""
    rgb, alpha = noise(40, 36).copy(), noise(40, 36, 1)[..., 0].copy()
    rgb[:12, :10], rgb[20:32, 15:30] = 1, 0
    alpha[10:20], alpha[20:30] = 0, 1
    if kind == "gray":
        rgb = rgb[..., :1].repeat(3, axis=2)
    return image_of(readonly(rgb), alpha=readonly(alpha) if kind == "alpha" else None, gray=kind == "gray")


def both(wanted: Job, image: ImageData, monkeypatch: pytest.MonkeyPatch) -> tuple[ImageResult, ImageResult]:
    """The result in float32, and as a large one, in bands and in a file."""
    exact = Runner().run(wanted, image)
    monkeypatch.setattr(large_results, "FROM", 5000)
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "BAND", 30_000)
    return exact, Runner().run(wanted, image)


@pytest.mark.parametrize("kind", ["rgb", "gray", "alpha"])
@pytest.mark.parametrize(
    "wanted",
    [
        job(SIDE_BY_SIDE),
        job(BLENDED),
        job(WHOLE),
        replace(job(SIDE_BY_SIDE), size=by_factor(2.5)),
        replace(job(SIDE_BY_SIDE), size=by_factor(6)),
        job(SIDE_BY_SIDE, invents=True),
    ],
    ids=["side by side", "blended", "whole", "made smaller", "run twice", "invents"],
)
def test_files_of_large_results_are_the_same(wanted: Job, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, large = both(wanted, photo(kind), monkeypatch)
    assert exact.image.pixels.dtype == np.float32 and large.image.pixels.dtype == np.uint8
    assert not large.image.pixels.flags.writeable and exact.tiles == large.tiles
    assert encode_png(large.image) == encode_png(exact.image)
    assert large.rgb.dtype == np.float32 and not large.rgb.flags.writeable
    np.testing.assert_array_equal(large.rgb, quantize(exact.rgb) / np.float32(255))


@pytest.mark.parametrize("detail", [0, 0.4])
def test_results_with_less_detail_are_rounded_once_they_are_blended(
    detail: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = fakes.job(fakes.good("partner"))
    monkeypatch.setattr(faithful, "faithful_job", lambda job: partner)
    exact, large = both(job(SIDE_BY_SIDE, invents=True, detail=detail), photo("rgb"), monkeypatch)
    assert large.image.pixels.dtype == np.uint8
    assert encode_png(large.image) == encode_png(exact.image)


def test_images_in_16_bits_and_results_that_are_not_large_keep_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = replace(photo("rgb"), bits=16)
    assert both(job(SIDE_BY_SIDE), deep, monkeypatch)[1].image.pixels.dtype == np.float32
    monkeypatch.setattr(large_results, "FROM", 160 * 144)
    assert Runner().run(job(SIDE_BY_SIDE), photo("rgb")).image.pixels.dtype == np.float32


def test_stop_ends_a_large_result_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Event()

    def work(image: Image, progress: Progress) -> Image:
        stop.set()
        return soft(image, progress)

    monkeypatch.setattr(large_results, "FROM", 5000)
    wanted = fakes.job(fakes.approach(fakes.Fake(work), tiling=SIDE_BY_SIDE))
    assert isinstance([*Runner().compare([wanted], photo("rgb"), stop=stop)][-1], Stopped)


def test_everything_that_reads_a_result_takes_levels() -> None:
    reference, lr = noise(200, 192), noise(50, 48)
    levels = quantize(readonly(np.clip(reference * 0.8 + 0.1 * noise(200, 192, 1), 0, 1).astype(np.float32)))
    assert score(levels, lr, reference, 4) == score(unit(levels), lr, reference, 4)
    assert sharpness(levels) == sharpness(unit(levels))
    np.testing.assert_array_equal(difference_image(levels, reference), difference_image(unit(levels), reference))
    for size in ((60, 70), (300, 250)):
        np.testing.assert_array_equal(resize(levels, size, "area"), resize(unit(levels), size, "area"))
    image = ImageData(levels)
    assert image.size == Size(200, 192)
    np.testing.assert_array_equal(image.rgb, unit(levels))


@pytest.mark.parametrize("command", ["upscale", "batch"])
def test_files_of_16_bits_that_are_requested_of_8_hold_the_unrounded_result(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_png(photo("rgb"), photos / "a.png")
    given = photos / "a.png" if command == "upscale" else photos
    files: list[bytes] = []
    for number, limit in enumerate((10**9, 5000)):
        monkeypatch.setattr(large_results, "FROM", limit)
        out = tmp_path / str(number)
        assert main([command, str(given), "--approach", "bicubic", "--bits", "16", "--out", str(out)]) == 0
        files += [file.read_bytes() for file in sorted(out.rglob("*.png"))]
    assert len(files) == 2 and files[0] == files[1]
