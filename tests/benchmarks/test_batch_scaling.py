"""The rate of a batch is measured over its second half, for each number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.batch.manifest import Record
from sr_demo.batch.run import Batch, Task
from sr_demo.batch.workers import perform_here
from sr_demo.benchmarks import batch_scaling
from sr_demo.cli.main import main
from sr_demo.image import ImageData, write_png
from tests.conftest import noise
from tests.fakes import fake_clock, job


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Number of workers and of pictures of each batch that was run."""
    found: list[tuple[int, int]] = []

    def on_ray(workers: int) -> object:
        def perform(batch: Batch, tasks: list[Task]) -> Iterator[Record]:
            found.append((workers, len(tasks)))
            yield from perform_here(batch, tasks)

        return perform

    monkeypatch.setattr(batch_scaling, "OnRay", on_ray)
    clock = fake_clock(0.5)
    monkeypatch.setattr(batch_scaling, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    return found


def test_the_rate_is_that_of_the_second_half(tmp_path: Path, counts: list[tuple[int, int]]) -> None:
    for number in range(6):
        write_png(ImageData(noise(4, 4, number)), tmp_path / f"{number}.png")
    rates = list(batch_scaling.rates(job(BICUBIC), tmp_path, (1, 3)))
    assert counts == [(1, 6), (3, 6)]
    assert [workers for workers, _ in rates] == [1, 3]
    assert [rate for _, rate in rates] == [pytest.approx(2.0)] * 2, "half a second passes from one picture to the next"


@pytest.mark.slow
def test_without_a_folder_images_are_made_for_it(
    counts: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch_scaling, "_SIDE", 8)
    assert main(["bench", "batch-scaling", "--approach", "bicubic", "--workers", "4"]) == 0
    assert counts == [(1, 24), (4, 24)]
    one, four, cores = capsys.readouterr().out.splitlines()
    assert one == "bicubic: 2.00 pictures/s with 1 workers, 1.00 times"
    assert four == "bicubic: 2.00 pictures/s with 4 workers, 1.00 times"
    assert cores.endswith("each worker has one core and one thread")
