"""How much context tiles need is measured on the shipped networks, and what is declared is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sr_demo.approaches import liif
from sr_demo.benchmarks.halos import black_or_white, reach, reaches, trace
from sr_demo.catalogue import APPROACHES
from sr_demo.cli.main import main
from sr_demo.errors import BadInput
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT
from sr_demo.spec import TILE_ERROR, Tiling


def test_espcn_looks_at_no_more_than_its_convolutions_reach() -> None:
    """5x5, 3x3, 3x3: four pixels, one after the other."""
    found = reach(job_for(APPROACHES, "espcn"))
    assert (found.declared, found.needed) == (4, 4)
    errors = dict(found.errors)
    assert errors[2] > 0.1 and errors[4] < 1e-5


def test_a_halo_that_is_too_small_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["bench", "--halos", "--case", "espcn"]) == 0
    espcn = next(approach for approach in APPROACHES if approach.id == "espcn")
    small = replace(espcn, tiling=Tiling("tiles", halo=2))
    monkeypatch.setattr("sr_demo.benchmarks.halos.APPROACHES", (small,))
    assert main(["bench", "--halos"]) == 2
    declared, needed = capsys.readouterr().out.splitlines()[-1].split()[1:3]
    assert (declared, needed) == ("2", "4")


def test_methods_that_are_not_cut_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="There is no embedded method with tiles called 'bicubic'"):
        next(reaches(["bicubic"]))


def test_blended_tiles_want_whole_windows_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 16 lie on a grid from the corner of what the network is given: half a window more shifts all of them."""
    for name, value in {"_PHOTOS": ("astronaut",), "_PHOTO_SIDE": 64, "_TILE": 32}.items():
        monkeypatch.setattr(f"sr_demo.benchmarks.halos.{name}", value)
    found = trace(job_for(APPROACHES, "drct"))
    decibels = dict(found.decibels)
    assert (found.declared, list(decibels)) == (16, [8, 16, 24, 32])
    assert decibels[16] > 70 and decibels[32] > 70
    assert decibels[8] < 60 and decibels[24] < 60


def test_speed_is_measured_by_size_of_tile(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_demo.benchmarks.tiles.SIDES", (8, 24, 48))
    assert main(["bench", "--tiles", "--case", "espcn", "--rounds", "1"]) == 0
    method, sides = capsys.readouterr().out.splitlines()[-2:]
    assert method.startswith("espcn") and sides.startswith("  in ")
    pieces, tiles = ([float(value) for value in line.split()[-3:]] for line in (method, sides))
    assert tiles[0] == float("inf"), "a halo of 4 leaves nothing of 8"
    for side, piece, tile in zip((24, 48), pieces[1:], tiles[1:], strict=True):
        assert tile == pytest.approx(piece * side**2 / (side - 8) ** 2, rel=0.01)


def test_the_tiles_of_liif_see_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cuts the picture itself: the same measure on its shipped weights."""
    job = replace(job_for(APPROACHES, "liif"), precision="fp32")
    picture = black_or_white(60, 65)
    with Runner().loaded(job) as model:
        upscaler = model.upscaler
        whole = upscaler.upscale(picture, job.options, SILENT)
        monkeypatch.setattr(liif, "_SIDE", 32)
        tiled = upscaler.upscale(picture, job.options, SILENT)
    np.testing.assert_allclose(tiled, whole, atol=TILE_ERROR, rtol=0)
