"""The context that tiles need is measured on the embedded networks, and the declared halos are large enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sr_demo.approaches import liif
from sr_demo.benchmarks.halos import blended_halo, exact_halo, halos
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import TILE_ERROR, Tiling
from sr_demo.cli.main import main
from sr_demo.errors import BadInput
from sr_demo.inference.halos import black_or_white
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT


def test_the_halo_of_espcn_is_its_receptive_field() -> None:
    """5x5, 3x3, 3x3: 2 + 1 + 1 pixels."""
    found = exact_halo(job_for(APPROACHES, "espcn"))
    assert (found.declared, found.needed) == (4, 4)
    errors = dict(found.errors)
    assert errors[2] > 0.1 and errors[4] < 1e-5


def test_a_halo_that_is_too_small_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["bench", "halos", "espcn"]) == 0
    espcn = next(approach for approach in APPROACHES if approach.id == "espcn")
    small = replace(espcn, tiling=Tiling("tiles", halo=2))
    monkeypatch.setattr("sr_demo.benchmarks.halos.APPROACHES", (small,))
    assert main(["bench", "halos"]) == 2
    declared, needed = capsys.readouterr().out.splitlines()[-1].split()[1:3]
    assert (declared, needed) == ("2", "4")


def test_methods_without_tiles_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="There is no embedded method with tiles called 'bicubic'"):
        next(halos(["bicubic"]))


@pytest.mark.slow
def test_blended_tiles_need_whole_windows_as_halo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 16 lie on a grid from the corner of the network's input: half a window more shifts all of them."""
    for name, value in {"_PHOTOS": ("astronaut",), "_PHOTO_SIDE": 64, "_TILE": 32}.items():
        monkeypatch.setattr(f"sr_demo.benchmarks.halos.{name}", value)
    found = blended_halo(job_for(APPROACHES, "drct"))
    decibels = dict(found.decibels)
    assert (found.declared, list(decibels)) == (16, [8, 16, 24, 32])
    assert decibels[16] > 70 and decibels[32] > 70
    assert decibels[8] < 60 and decibels[24] < 60


def test_speed_is_measured_by_tile_size(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_demo.benchmarks.tiles.SIDES", (8, 24, 48))
    assert main(["bench", "tiles", "espcn", "--rounds", "1"]) == 0
    method, in_tiles = capsys.readouterr().out.splitlines()[-2:]
    assert method.startswith("espcn") and in_tiles.startswith("  in ")
    tiles, results = ([float(value) for value in line.split()[-3:]] for line in (method, in_tiles))
    assert results[0] == float("inf"), "a halo of 4 leaves nothing of 8"
    for side, tile, result in zip((24, 48), tiles[1:], results[1:], strict=True):
        assert result == pytest.approx(tile * side**2 / (side - 8) ** 2, rel=0.01)


def test_the_tiles_of_liif_have_enough_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cuts the image itself: the same tolerance, on its embedded weights."""
    job = replace(job_for(APPROACHES, "liif"), precision="fp32")
    image = black_or_white(60, 65)
    with Runner().loaded(job) as model:
        upscaler = model.upscaler
        whole = upscaler.upscale(image, job.options, SILENT)
        monkeypatch.setattr(liif, "_SIDE", 32)
        tiled = upscaler.upscale(image, job.options, SILENT)
    np.testing.assert_allclose(tiled, whole, atol=TILE_ERROR, rtol=0)
