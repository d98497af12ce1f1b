"""Tile plans cover the image exactly, and assembled tiles equal the result of the whole image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sr_demo.checkpoint import Tiling
from sr_demo.errors import Cancelled
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize
from sr_demo.imaging.tiling import TilePlan
from sr_demo.progress import SILENT, Progress
from sr_demo.system import storage
from tests.conftest import noise


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("multiple_of", [1, 8, 16])
@pytest.mark.parametrize("largest", [32, 50])
def test_spans_cover_every_length_without_gap_or_overlap(largest: int, multiple_of: int, even: bool) -> None:
    for length in range(1, 201):
        parts = tiling.spans(length, largest, 5, multiple_of, even=even)
        assert [p.start for p in parts] == [0, *(p.stop for p in parts[:-1])]
        assert parts[-1].stop == length
        for p in parts:
            assert 0 < p.stop - p.start <= largest
            assert p.start % multiple_of == 0
            assert (p.low, p.high) == (max(p.start - 5, 0), min(p.stop + 5, length)) or multiple_of > 1
            assert p.low <= p.start < p.stop <= p.high <= length


def test_the_split_is_even() -> None:
    assert [p.stop - p.start for p in tiling.spans(1200, 1024, 0)] == [600, 600]


def test_columns_take_the_largest_width_unless_blended_and_rows_may_be_higher() -> None:
    rule = Tiling("tiles", halo=5, max_aspect=2)
    plan = TilePlan((101, 70), rule, 30)
    rows, columns = plan.rows, plan.columns
    assert [c.stop - c.start for c in columns] == [30, 30, 10]
    assert [r.stop - r.start for r in rows] == [51, 50], "twice 40, less the halos: 70 would fit"
    assert max(r.high - r.low for r in rows) <= 80
    blended = TilePlan((101, 70), replace(rule, blend=4), 30)
    assert [c.stop - c.start for c in blended.columns] == [24, 24, 22] and blended.rows == rows
    assert plan.tiles == tuple(tiling.Tile(r, c) for r in rows for c in columns)


def blurred(image: Image, progress: Progress) -> Image:
    """A local operator with a receptive radius of 3 LR pixels."""
    soft = np.asarray(cv2.blur(np.asarray(image), (7, 7), borderType=cv2.BORDER_REPLICATE), np.float32)
    return readonly(np.repeat(np.repeat(soft, 2, axis=0), 2, axis=1))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 40), (33, 129), (200, 3), (97, 101)])
def test_tiled_equals_whole_when_the_halo_covers_the_receptive_field(size: tuple[int, int]) -> None:
    image = noise(*size)
    rule = Tiling("tiles", halo=3)
    plan = TilePlan(size, rule, 32)
    joined = tiling.run(image, plan, 2, blurred, Progress())
    np.testing.assert_allclose(joined, blurred(image, Progress()), atol=1e-6)
    higher = TilePlan(size, replace(rule, max_aspect=2), 32)
    assert len(higher.tiles) <= len(plan.tiles)
    np.testing.assert_array_equal(tiling.run(image, higher, 2, blurred, Progress()), joined)


@pytest.mark.parametrize("size", [(64, 64), (33, 129), (97, 101)])
def test_blended_tiles_of_an_unchanged_image_are_the_image(size: tuple[int, int]) -> None:
    """The weights of neighbouring tiles sum to one everywhere, corners included."""
    image = noise(*size)
    plan = TilePlan(size, Tiling("tiles", halo=8, blend=6), 32)
    joined = tiling.run(image, plan, 1, lambda part, progress: part, Progress())
    np.testing.assert_allclose(joined, image, atol=1e-6)


def test_a_blend_of_white_tiles_is_white() -> None:
    white = readonly(np.ones((200, 150, 3), np.float32))
    plan = TilePlan((200, 150), Tiling("tiles", halo=32, blend=16), 48)
    joined = tiling.run(white, plan, 4, lambda part, _: resize(part, (part.shape[0] * 4, part.shape[1] * 4)), SILENT)
    assert 1 - joined.min() < 1e-6 and joined.max() == 1


def test_a_blend_leaves_no_step_where_tiles_disagree() -> None:
    image = readonly(np.full((64, 128, 3), 0.5, np.float32))
    plan = TilePlan((64, 128), Tiling("tiles", halo=16, blend=16), 64)
    levels = iter([0.0, 1.0])

    def disagreeing(part: Image, progress: Progress) -> Image:
        return readonly(np.full(part.shape, next(levels), np.float32))

    row = tiling.run(image, plan, 1, disagreeing, Progress())[0, :, 0]
    assert row[0] == 0
    assert row[-1] == 1
    assert np.abs(np.diff(row)).max() < 0.06


def test_upscaled_tiles_are_checked_before_they_are_placed() -> None:
    image = noise(40, 70)
    for side in (100, 32):  # one tile, and several
        plan, asked = TilePlan((40, 70), Tiling("tiles", halo=3), side), []

        def negative(result: Image, seen: tuple[int, int], asked: list[object] = asked) -> Image:
            asked.append((result.shape[:2], seen))
            return readonly(-np.asarray(result))

        joined = tiling.run(image, plan, 2, blurred, SILENT, negative)
        np.testing.assert_allclose(joined, -np.asarray(blurred(image, SILENT)), atol=1e-6)
        assert asked == [((2 * tile.input_size[0], 2 * tile.input_size[1]), tile.input_size) for tile in plan.tiles]


def test_stop_takes_effect_before_the_next_tile() -> None:
    from threading import Event

    stop, seen = Event(), []

    def upscale(part: Image, progress: Progress) -> Image:
        seen.append(part.shape)
        stop.set()
        return resize(part, (part.shape[0] * 2, part.shape[1] * 2))

    with pytest.raises(Cancelled):
        tiling.run(noise(64, 64), TilePlan((64, 64), Tiling("tiles"), 32), 2, upscale, Progress(stop=stop))
    assert len(seen) == 1


LARGE = (5000, 4000)


@pytest.mark.parametrize(("budget", "side"), [(2**30, 174), (20 * 2**20, 63), (1, 32)])
def test_the_tile_side_follows_the_memory_budget(budget: int, side: int) -> None:
    assert tiling.tile_side(Tiling("tiles", halo=40), 1024, budget, LARGE) == side


@pytest.mark.parametrize("budget", [2**30, 200 * 2**20, 60 * 2**20])
@pytest.mark.parametrize("max_aspect", [1, 2, 3])
def test_no_tile_exceeds_the_budget_at_any_aspect_ratio(budget: int, max_aspect: int) -> None:
    rule = Tiling("tiles", halo=14, max_aspect=max_aspect)
    side = tiling.tile_side(rule, 1024, budget, LARGE)
    largest = max(height * width for height, width in (tile.input_size for tile in TilePlan(LARGE, rule, side).tiles))
    assert largest * 1024 <= budget
    assert largest * 1024 > 0.8 * budget or side == 254 - 28, "the budget is used"
    together = tiling.batch_size(rule, 1024, budget, side, 1000)
    assert together * largest * 1024 <= budget


def test_a_tile_is_never_larger_than_the_rule_allows() -> None:
    assert tiling.tile_side(Tiling("tiles", largest=8), 1024, 2**30, LARGE) == 8
    assert tiling.tile_side(Tiling("tiles", largest=24, multiple_of=16), 1024, 1, LARGE) == 16
    assert tiling.tile_side(Tiling("tiles", multiple_of=48), 1024, 1, LARGE) == 48


def test_the_network_input_of_a_large_image_stays_narrow() -> None:
    rule = Tiling("tiles", halo=12, multiple_of=8)
    side = tiling.tile_side(rule, 1024, 2**40, LARGE)
    assert max(max(tile.input_size) for tile in TilePlan(LARGE, rule, side).tiles) in range(255 - 8, 255)


@pytest.mark.parametrize("size", [(320, 320), (200, 512), (5, 4)])
def test_an_image_that_is_not_large_is_not_cut(size: tuple[int, int]) -> None:
    rule = Tiling("tiles", halo=12, multiple_of=16, blend=4)
    enough = 1024 * size[0] * size[1]
    assert len(tiling.plan_tiles(rule, 1024, enough, size).tiles) == 1
    if min(size) > tiling.MIN_SIDE:
        assert len(tiling.plan_tiles(rule, 1024, enough - 1, size).tiles) > 1
        assert len(tiling.plan_tiles(rule, 1, 2**40, (size[0] + 1, size[1])).tiles) > 1


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("size", [(97, 101), (20, 20), (33, 300)])
def test_batches_hold_every_tile_once_and_inputs_of_one_size(size: tuple[int, int], most: int) -> None:
    plan = TilePlan(size, Tiling("tiles", halo=4), 32, most)
    tiles, groups = plan.tiles, plan.batches
    assert sorted(tiles.index(tile) for group in groups for tile in group) == list(range(len(tiles)))
    assert all(len({tile.input_size for tile in group}) == 1 and len(group) <= most for group in groups)
    firsts = [tiles.index(group[0]) for group in groups]
    assert firsts == sorted(firsts)
    if most == 100:
        assert len(groups) == len({tile.input_size for tile in tiles})


def test_batches_that_are_returned_late_are_placed_correctly() -> None:
    image = noise(97, 101)
    plan = TilePlan((97, 101), Tiling("tiles", halo=3), 32, 3)

    def all_taken_first(batches: Iterator[tiling.Batch]) -> Iterator[list[Image]]:
        return iter([[blurred(tile, batch.progress) for tile in batch.images] for batch in batches])

    joined = tiling.run_in_batches(image, plan, 2, all_taken_first, SILENT)
    np.testing.assert_array_equal(joined, tiling.run(image, plan, 2, blurred, SILENT))


@pytest.mark.parametrize(("budget", "count"), [(1, 1), (2 * 1000 * 40**2, 2), (2**40, 8)])
def test_as_many_tiles_together_as_fit_the_budget(budget: int, count: int) -> None:
    assert tiling.batch_size(Tiling("tiles", halo=4), 1000, budget, 32, 8) == count


def test_a_large_result_is_written_to_disk_with_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(40, 50)
    plan = TilePlan((40, 50), Tiling("tiles", halo=2), 16)

    def upscaled(part: Image, progress: Progress) -> Image:
        return readonly(np.kron(part, np.ones((4, 4, 1), np.float32)).astype(np.float32))

    small = tiling.run(image, plan, 4, upscaled, SILENT)
    assert not isinstance(small, np.memmap)
    monkeypatch.setattr("sr_demo.system.large_array.IN_MEMORY", 1000)
    large = tiling.run(image, plan, 4, upscaled, SILENT)
    assert isinstance(large, np.memmap) and not large.flags.writeable
    np.testing.assert_array_equal(large, small)
    if Path("/sys/kernel/mm/transparent_hugepage").exists():
        mapped = Path("/proc/self/smaps").read_text().split(str(storage.cache_folder() / "results"), 1)[1]
        flags = next(line for line in mapped.splitlines() if line.startswith("VmFlags:"))
        assert "hg" in flags.split(), "in large pages"
    assert not list((storage.cache_folder() / "results").iterdir()), "nothing is left behind"


def test_an_error_while_tiles_are_copied_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(tiling, "_place", full)
    plan = TilePlan((64, 64), Tiling("tiles"), 32)
    with pytest.raises(OSError, match="no space left"):
        tiling.run(noise(64, 64), plan, 2, blurred, SILENT)


@pytest.mark.parametrize(("max_batch", "side"), [(8, 64), (1, 200), (3, 33)])
def test_smaller_plans_end_with_one_tile_of_the_smallest_side_together(max_batch: int, side: int) -> None:
    plan, plans = TilePlan((150, 130), Tiling("tiles", halo=4, multiple_of=8), side, max_batch), list[TilePlan]()
    while (smaller := plan.smaller()) is not None:
        assert max(map(len, smaller.batches)) < max(map(len, plan.batches)) or smaller.side < plan.side
        plan = smaller
        plans.append(plan)
    assert (plan.side, max(map(len, plan.batches))) == (32, 1) and len(plans) < 10
