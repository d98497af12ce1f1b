"""Values that are no levels: one mapping per file, pixels without data transparent, both recorded."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.batch.manifest import NAME
from sr_demo.batch.run import Batch, run
from sr_demo.batch.workers import perform_here
from sr_demo.codecs import tiff_series
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Limits, Values, read, same_mapping
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.options import Options
from sr_demo.reports.table import record

JOB = Job(BICUBIC, BICUBIC.checkpoints[0], Options())
PLANE = np.linspace(0, 200, 12 * 16, dtype=np.float32).reshape(12, 16)
FADING = np.stack([PLANE * np.float32(factor) for factor in (1.0, 0.5, 0.1)])
NO_DATA = [(42113, 2, 0, "-9999", True)]


def heights() -> np.ndarray:
    """Heights from 300 to 500 in which a corner has no data."""
    array = np.linspace(300, 500, 12 * 16).reshape(12, 16).astype(np.int16)
    array[:4, :4] = -9999
    return array


def test_a_series_that_fades_stays_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FADING, photometric="minisblack")
    for page, plane in enumerate(FADING):
        image = read(tmp_path / "a.tif", page=page)
        assert np.allclose(image.rgb[..., 0], plane / 200, atol=1e-6)
        assert image.values == Values(0.0, 200.0)
        assert image.notes == (
            "The values in the file, 0 to 200 over all its pages, were mapped linearly to black to white.",
        )


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("page", [None, 0, 1, 2])
def test_finding_the_range_of_all_pages_leaves_the_values_of_one_as_they_are(
    tmp_path: Path, page: int | None, compression: Any
) -> None:
    pages = np.random.default_rng(4).random((3, 90, 70), np.float32) * 200
    pages[:, 0, :2] = 0, 200
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack", compression=compression)
    assert np.allclose(read(tmp_path / "a.tif", page=page).rgb[..., 0], pages[page or 0] / 200, atol=1e-6)


def test_an_error_of_the_disk_leaves_no_page_out_of_the_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", FADING, photometric="minisblack")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(tiff_series, "range_of", fail)
        with pytest.raises(SRError, match="cannot be read: Input/output error"):
            read(tmp_path / "a.tif", page=1)
    assert read(tmp_path / "a.tif", page=1).values == Values(0.0, 200.0)


def test_a_changed_file_gets_a_mapping_of_its_own(tmp_path: Path) -> None:
    for factor in (1, 3):
        tifffile.imwrite(tmp_path / "a.tif", FADING * np.float32(factor), photometric="minisblack")
        assert read(tmp_path / "a.tif", page=1).values == Values(0.0, 200.0 * factor)


def test_pages_that_unpack_to_far_more_than_the_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_series, "_MOST_TIMES", 1)
    same = np.full((30, 64, 64), 2, np.float32)
    tifffile.imwrite(tmp_path / "a.tif", same, photometric="minisblack", compression="zlib")
    with pytest.raises(BadInput, match=r"^The pages of this TIFF unpack to far more than the file holds"):
        read(tmp_path / "a.tif", Limits(max_unpacked=20_000), page=0)


def test_pixels_without_data_have_no_part_in_the_range_and_are_transparent(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", heights(), extratags=NO_DATA)
    image = read(tmp_path / "a.tif")
    low = float(heights()[heights() > 0].min())
    assert image.values == Values(low, 500.0, -9999.0)
    assert image.alpha is not None
    assert np.array_equal(image.alpha == 0, heights() == -9999)
    visible = image.alpha == 1
    assert np.allclose(image.rgb[visible][:, 0], (heights()[visible] - low) / (500 - low), atol=1e-6)
    assert image.notes[1] == "16 pixels without data (the value -9999) are transparent in the result."
    result = Runner().run(JOB, image).image
    assert result.alpha is not None and (result.alpha[:8, :8] == 0).all()


def test_values_that_are_not_numbers_count_as_no_data(tmp_path: Path) -> None:
    array = PLANE.copy()
    array[0, :3] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", array)
    image = read(tmp_path / "a.tif")
    assert image.values is not None and image.values.white == 200
    assert image.alpha is not None and np.count_nonzero(image.alpha == 0) == 3


def test_levels_of_16_bits_keep_their_values_beside_no_data(tmp_path: Path) -> None:
    array = np.arange(1, 49, dtype=np.uint16).reshape(6, 8) * 1000
    array[0, 0] = 0
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(42113, 2, 0, "0", True)])
    image = read(tmp_path / "a.tif")
    assert image.values is None and image.alpha is not None
    assert image.alpha[0, 0] == 0 and np.count_nonzero(image.alpha) == 47
    assert np.array_equal(image.rgb[1:, :, 0], array[1:].astype(np.float32) / np.float32(65535))


def test_manifest_and_report_record_mapping_and_notes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "fading.tif", FADING, photometric="minisblack")
    tifffile.imwrite(tmp_path / "in" / "heights.tif", heights(), extratags=NO_DATA)
    summary = run(Batch(JOB, tmp_path / "in", tmp_path / "out"), perform_here)
    assert summary.done == 4 and sum(len(names) for names in summary.notes.values()) >= 4
    lines = [json.loads(line) for line in (tmp_path / "out" / NAME).read_text().splitlines()]
    assert [line["values"]["white"] for line in lines] == [200.0, 200.0, 200.0, 500.0]
    assert lines[3]["values"]["no_data"] == -9999.0
    assert "were mapped linearly" in lines[3]["notes"][0]
    report = record(Runner().run(JOB, read(tmp_path / "in" / "heights.tif")))
    assert (report["values"], report["notes"]) == (lines[3]["values"], lines[3]["notes"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (np.full((6, 5, 3), np.nan, np.float32), "holds no values"),
        (np.ones((6, 5), np.complex64), "complex numbers"),
    ],
)
def test_files_without_one_value_to_show_are_refused(tmp_path: Path, content: np.ndarray, sentence: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", content)
    with pytest.raises(BadInput, match=sentence):
        read(tmp_path / "a.tif")


def test_an_image_gets_the_mapping_of_the_one_it_is_compared_with(tmp_path: Path) -> None:
    for name, plane in (("a.tif", PLANE), ("b.tif", PLANE + 100), ("same.tif", PLANE / 200)):
        tifffile.imwrite(tmp_path / name, plane)
    one, other, levels = (read(tmp_path / name) for name in ("a.tif", "b.tif", "same.tif"))
    mapped = same_mapping(other, one)
    assert mapped.values == one.values == Values(0.0, 200.0)
    assert np.allclose(mapped.rgb[..., 0], np.minimum((PLANE + 100) / 200, 1), atol=1e-6)
    assert same_mapping(one, one) is one and same_mapping(levels, levels) is levels
    for pair in ((one, levels), (levels, one)):
        with pytest.raises(BadInput, match="from different ranges"):
            same_mapping(*pair)
