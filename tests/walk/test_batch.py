"""`batch` over one folder with all files: each of them has a result, or a line that says why not."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo import image
from sr_demo.batch import run as batches
from sr_demo.cli import main
from tests.walk.conftest import Locate
from tests.walk.doors import LIMITS, walked
from tests.walk.table import CASES, MADE, Case
from tests.walk.verdict import SECONDS, Made, complaints

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]


@dataclass
class Walk:
    """One batch that is over."""

    out: Path
    seconds: float
    printed: str
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Name of a file -> its lines of the manifest, by page."""


@pytest.fixture(scope="module")
def walk(locate: Locate, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Walk]:
    """`walk(folder)`: the batch over a folder of `cases`, run once."""

    @cache
    def walked_over(folder: str) -> Walk:
        source = tmp_path_factory.mktemp("in") / folder
        source.mkdir()
        for case in (*CASES, *MADE):
            if case.folder == folder:
                shutil.copyfile(locate(case), source / case.name)
        out = tmp_path_factory.mktemp("out") / folder
        printed, begun = StringIO(), time.monotonic()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
            patch.setattr(image.read, "__defaults__", (LIMITS, None))
            patch.setattr(batches, "Limits", lambda: LIMITS)
            assert main.main(["batch", str(source), "--approach", "bicubic", "--out", str(out)]) == 2
        done = Walk(out, time.monotonic() - begun, printed.getvalue())
        manifest = (out / "manifest.jsonl").read_text(encoding="utf-8", errors="surrogateescape")
        for line in map(json.loads, manifest.splitlines()):
            done.lines.setdefault(line["source"], []).append(line)
        return done

    return walked_over


@walked()
def test_a_file_becomes_results_or_a_sentence(case: Case, walk: Callable[[str], Walk]) -> None:
    done = walk(case.folder)
    lines = done.lines.get(case.name, [])
    assert lines or case.outcome == "sentence" or case.name.startswith("."), "left out"
    for line in lines:
        result = done.out / line["result"] if line["result"] else None
        png = result.read_bytes() if result else None
        said = json.dumps(
            {key: value for key, value in line.items() if key not in ("source", "result")}, ensure_ascii=False
        )
        # One page of a stack is all that its line is about.
        expected = case if len(lines) == 1 else replace(case, said="")
        assert complaints(expected, Made(0.0, png, line.get("message", ""), said)) == []
    assert not lines or not lines[0]["result"] or len(lines) == case.pages


@pytest.mark.parametrize("folder", ["cases", "hostile", pytest.param("made", marks=pytest.mark.slow)])
def test_what_is_printed_is_short_and_names_each_file_once(folder: str, walk: Callable[[str], Walk]) -> None:
    done = walk(folder)
    rows = done.printed.splitlines()
    assert len(rows) <= 24 and "Traceback" not in done.printed
    for case in (*CASES, *MADE):
        assert all(row.count(case.name) <= 1 for row in rows if len(case.name) > 8), case.name
    assert done.seconds < SECONDS * len(done.lines)


def test_the_counts_add_up_to_the_files_that_were_found(walk: Callable[[str], Walk]) -> None:
    done = walk("cases")
    summary = done.printed.splitlines()[-1].partition(";")[0]
    left_out = sum(case.folder == "cases" and case.name not in done.lines for case in CASES)
    assert sum(map(int, re.findall(r"\b\d+\b", summary))) == sum(map(len, done.lines.values())) + left_out


def test_a_series_keeps_its_brightness(walk: Callable[[str], Walk]) -> None:
    done = walk("cases")
    means = [np.asarray(Pillow.open(done.out / line["result"])).mean() for line in done.lines["fading_float.tif"]]
    assert means[1] < 0.75 * means[0] and means[2] < 0.5 * means[1]
