"""How much context tiles need is measured on the shipped networks, and what is declared is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sr_demo.approaches import liif
from sr_demo.catalogue import APPROACHES
from sr_demo.cli import main
from sr_demo.errors import BadInput
from sr_demo.jobs import job_for
from sr_demo.progress import SILENT
from sr_demo.reports.halos import black_or_white, reach, reaches
from sr_demo.runner import Runner
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
    monkeypatch.setattr("sr_demo.reports.halos.APPROACHES", (small,))
    assert main(["bench", "--halos"]) == 2
    declared, needed = capsys.readouterr().out.splitlines()[-1].split()[1:3]
    assert (declared, needed) == ("2", "4")


def test_methods_that_are_not_cut_so_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="'hat' has no tiles that are placed side by side"):
        next(reaches(["hat"]))


def test_the_tiles_of_liif_see_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cuts the picture itself: the same measure on its shipped weights."""
    job = replace(job_for(APPROACHES, "liif"), precision="fp32")
    picture = black_or_white(60, 65)
    with Runner().loaded(job) as upscaler:
        whole = upscaler.upscale(picture, job.options, SILENT)
        monkeypatch.setattr(liif, "_SIDE", 32)
        tiled = upscaler.upscale(picture, job.options, SILENT)
    np.testing.assert_allclose(tiled, whole, atol=TILE_ERROR, rtol=0)
