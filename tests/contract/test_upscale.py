"""Every approach with every checkpoint that is always there, with its real weights: the contract of an upscaler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import TILE_ERROR, Tiling
from sr_demo.errors import BadInput, Cancelled
from sr_demo.image import Image, ImageData, readonly
from sr_demo.inference.halos import black_or_white
from sr_demo.inference.jobs import ImageResult, Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.options import Control, Options, controls
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Precision, Request, Upscaler
from tests.conftest import image_of, noise


def rule_of(job: Job) -> Tiling:
    return job.approach.tiling_of(job.checkpoint)


def made_of_others(job: Job) -> bool:
    """Whether the result is a mosaic of other images, which resembles the input only from a distance."""
    return job.approach.family == "retrieval" and job.approach.invents_with(job.checkpoint)


SIZES = [(1, 1), (1, 7), (7, 5), (3, 50), (33, 17)]
JOBS = [
    Job(a, c, a.options())
    for a in APPROACHES
    for c in a.checkpoints
    if c.kind != "hub" and c.needs is None  # what needs a GPU is not there on every machine
]
TILED_JOBS = [job for job in JOBS if rule_of(job).mode == "tiles"]


def params(jobs: Iterable[Job]) -> list[ParameterSet]:
    return [pytest.param(job, id=f"{job.approach.id}:{job.checkpoint.name}") for job in jobs]


def option_params(approaches: Iterable[Approach]) -> list[ParameterSet]:
    return [
        pytest.param(a, control, id=f"{a.id}-{control.name}") for a in approaches for control in controls(a.options)
    ]


OFFLINE = params(JOBS)
TILED = params(TILED_JOBS)
EXACT = params(job for job in TILED_JOBS if rule_of(job).blend == 0)
BLENDED = params(job for job in TILED_JOBS if rule_of(job).blend > 0)
FAITHFUL = params(job for job in JOBS if not made_of_others(job))
OPTIONS = option_params(APPROACHES)
HERE = option_params(approach for approach in APPROACHES if approach.checkpoints[0].kind in ("none", "embedded"))
each_job = pytest.mark.parametrize("job", OFFLINE)


@pytest.fixture(scope="module")
def runner() -> Runner:
    """One for all: every checkpoint is loaded once."""
    return Runner()


def run(runner: Runner, job: Job, lr: ImageData, precision: Precision = "auto") -> ImageResult:
    return runner.run(replace(job, precision=precision), lr)


def with_small_tiles(job: Job, side: int = 32) -> Job:
    """The same job in square tiles of `side`: for small images, as a large image would be treated."""
    rule = replace(job.approach.tiling_of(job.checkpoint), largest=side, max_aspect=1)
    return replace(job, approach=replace(job.approach, tiling=rule), checkpoint=replace(job.checkpoint, tiling=rule))


@each_job
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_result_keeps_the_contract(runner: Runner, job: Job, size: tuple[int, int]) -> None:
    image = noise(*size)
    before = image.copy()
    result = run(runner, job, image_of(image))
    rgb = result.image.rgb
    scale = job.approach.scale
    assert rgb.shape == (size[0] * scale, size[1] * scale, 3)
    assert rgb.dtype == np.float32
    assert np.isfinite(rgb).all() and rgb.min() >= 0 and rgb.max() <= 1
    assert not rgb.flags.writeable
    np.testing.assert_array_equal(image, before)
    assert not image.flags.writeable
    assert not result.image.gray and result.image.alpha is None
    assert result.precision in {"fp32", "bf16", "fp16"}
    assert bool(result.backend) == (job.approach.family not in {"baseline", "retrieval"})


@each_job
def test_the_same_input_gives_the_same_result(runner: Runner, job: Job) -> None:
    lr = image_of(noise(21, 30))
    first, second = run(runner, job, lr), run(runner, job, lr)
    np.testing.assert_array_equal(first.image.rgb, second.image.rgb)


@pytest.mark.parametrize("job", FAITHFUL)
def test_the_result_downscaled_resembles_the_input(runner: Runner, job: Job) -> None:
    """Downscaled again it is close to the input: nothing is shifted, mirrored, or the wrong colour."""
    least = (
        22 if job.approach.invents_with(job.checkpoint) else 27
    )  # dB; shifted by one pixel of the input it would be 20
    image = noise(40, 36)
    for shown in (image, readonly(image[:, ::-1].copy())):
        found = run(runner, job, image_of(shown)).scores.lr_consistency
        assert found is not None and found > least


@each_job
def test_gray_stays_gray(runner: Runner, job: Job) -> None:
    gray = readonly(np.repeat(noise(9, 11)[..., :1], 3, axis=2))
    lr = run(runner, job, image_of(gray, gray=True)).image
    assert lr.gray
    np.testing.assert_array_equal(lr.rgb, lr.rgb[..., :1].repeat(3, axis=2))


@each_job
def test_gray_stored_as_rgb_gets_no_colours(runner: Runner, job: Job) -> None:
    gray = readonly(np.repeat(noise(9, 11)[..., :1], 3, axis=2))
    result = run(runner, job, image_of(gray)).image
    assert not result.gray, "the result is an RGB file again"
    np.testing.assert_array_equal(result.rgb, result.rgb[..., :1].repeat(3, axis=2))


_COARSE = {"srresnet:baseline": 1.1, "hat:tiny": 0.7, "drct:tiny": 1.1}
"""Levels of 255 by which small networks miss an even area of gray, in fp32 too (docs/formats.md)."""


@pytest.mark.parametrize("job", FAITHFUL)
def test_even_areas_keep_their_level(runner: Runner, job: Job) -> None:
    if job.approach.invents_with(job.checkpoint):
        pytest.skip("generative: it may add texture")
    most = _COARSE.get(f"{job.approach.id}:{job.checkpoint.name}", 0.51)
    even = readonly(np.full((20, 20, 3), 0.5, np.float32))
    inner = run(runner, job, image_of(even)).image.rgb[32:-32, 32:-32]  # networks see a border beyond the edges
    assert np.abs(inner - 0.5).max() * 255 <= most


@pytest.mark.parametrize("job", FAITHFUL)
@pytest.mark.parametrize("level", [0.0, 1.0], ids=["black", "white"])
def test_black_and_white_stay_so_to_the_border(runner: Runner, job: Job, level: float) -> None:
    if job.approach.invents_with(job.checkpoint):
        pytest.skip("generative: it may add texture")
    even = readonly(np.full((20, 20, 3), level, np.float32))
    assert (run(runner, job, image_of(even)).image.rgb == level).all()


@each_job
def test_alpha_is_upscaled_too(runner: Runner, job: Job) -> None:
    alpha = np.zeros((12, 10), np.float32)
    alpha[:6] = 1
    alpha[6] = 0.5
    found = run(runner, job, image_of(noise(12, 10), alpha=readonly(alpha))).image.alpha
    assert found is not None and found.shape == (48, 40) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1 and not found.flags.writeable
    assert (found[:12] == 1).all() and (found[-12:] == 0).all()
    assert 0.2 < found[24:28].mean() < 0.8


@each_job
def test_progress_never_decreases_and_reaches_one(runner: Runner, job: Job) -> None:
    runner.warm(job)
    seen: list[float] = []
    runner.run(with_small_tiles(job), image_of(noise(33, 34)), progress=Progress(lambda f, _: seen.append(f)))
    assert seen == sorted(seen)
    assert seen[0] >= 0 and seen[-1] == 1


@dataclass
class CallCounter:
    """An upscaler that counts its calls."""

    inner: Upscaler
    calls: int = 0

    @property
    def precision(self) -> str:
        return self.inner.precision

    @property
    def backend(self) -> str:
        return self.inner.backend

    @property
    def loss_db(self) -> float | None:
        return self.inner.loss_db

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        self.calls += 1
        return self.inner.upscale(image, options, progress)


@each_job
def test_stop_takes_effect_within_a_tile(job: Job) -> None:
    counted: list[CallCounter] = []

    def load(request: Request) -> Upscaler:
        counted.append(CallCounter(job.approach.load(request)))
        return counted[0]

    small = with_small_tiles(job, 16)
    small = replace(small, approach=replace(small.approach, load=load))
    runner, stop = Runner(), Event()
    runner.warm(small)
    tiled = small.approach.tiling.mode == "tiles"

    def report(fraction: float, note: str) -> None:
        if not tiled or note.startswith("tile 2 "):
            stop.set()

    with pytest.raises(Cancelled):
        runner.run(small, image_of(noise(20, 30)), progress=Progress(report, stop))
    assert counted[0].calls == (2 if tiled else 1)


@pytest.mark.parametrize("job", EXACT)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", TILE_ERROR), ("bf16", 2 / 255)])
def test_tiles_give_the_whole_result(runner: Runner, job: Job, precision: Precision, tolerance: float) -> None:
    # What networks react to most, and in bf16 what they are for.
    lr = image_of(black_or_white(60, 65) if precision == "fp32" else noise(60, 65))
    whole = run(runner, job, lr, precision)
    tiled = run(runner, with_small_tiles(job), lr, precision)
    assert (whole.tiles, tiled.tiles) == (1, 6)
    assert (tiled.tile, tiled.halo) == (32, job.approach.tiling_of(job.checkpoint).halo)
    np.testing.assert_allclose(tiled.image.rgb, whole.image.rgb, atol=tolerance, rtol=0)


@pytest.mark.parametrize("job", BLENDED)
def test_blended_tiles_stay_close_to_the_whole_result(runner: Runner, job: Job) -> None:
    lr = image_of(noise(34, 40))
    whole = run(runner, job, lr, "fp32")
    tiled = run(runner, with_small_tiles(job), lr, "fp32")
    assert tiled.tiles == 4
    assert psnr_rgb(tiled.image.rgb, whole.image.rgb) > 40


@each_job
def test_fp32_is_used_on_request_and_bf16_is_close_to_it(runner: Runner, job: Job) -> None:
    lr = image_of(noise(40, 36))
    exact = run(runner, job, lr, "fp32")
    assert exact.precision == "fp32"
    half = run(runner, job, lr, "bf16")
    assert half.precision in {"bf16", "fp32"}
    assert psnr_rgb(exact.image.rgb, half.image.rgb, border=0) > 45


def bad_values(control: Control) -> list[object]:
    """Values that `control` must refuse."""
    if isinstance(control.default, bool):
        return ["perhaps"]
    if control.lines:
        assert control.maximum is not None
        return ["x" * (int(control.maximum) + 1), "a\0b"]
    if isinstance(control.default, str):
        return ["\0 nothing of the kind"] if control.choices else []
    assert control.minimum is not None and control.maximum is not None
    return [control.minimum - 1, control.maximum + 1, float("nan"), "many", None]


@pytest.mark.parametrize(("approach", "control"), OPTIONS)
def test_options_outside_their_range_are_refused_by_name(approach: Approach, control: Control) -> None:
    for value in bad_values(control):
        with pytest.raises(BadInput, match=f"^{control.label} "):
            job_for(APPROACHES, approach.id, {control.name: value})


@pytest.mark.parametrize("approach", APPROACHES, ids=lambda a: a.id)
def test_options_that_do_not_exist_are_refused(approach: Approach) -> None:
    with pytest.raises(BadInput, match="There is no option 'magic'"):
        job_for(APPROACHES, approach.id, {"magic": 1})


def edges(control: Control) -> list[object]:
    """The ends of the range."""
    if isinstance(control.default, bool):
        return [False, True]
    if isinstance(control.default, str):
        return list(control.choices)
    return [control.minimum, control.maximum]


@pytest.mark.parametrize(("approach", "control"), HERE)
def test_the_ends_of_every_range_work(runner: Runner, approach: Approach, control: Control) -> None:
    made: Callable[[object], Job] = lambda value: job_for(APPROACHES, approach.id, {control.name: value})  # noqa: E731
    for value in edges(control):
        job = made(value)
        expected = (*job.approach.size_with(job.options, 12, 10), 3)
        assert runner.run(job, image_of(noise(12, 10))).image.rgb.shape == expected
