"""How each kind of method reaches a requested size, and that results, estimates and refusals agree on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.approaches.liif import APPROACH as LIIF
from sr_demo.checkpoint import OWN, WHOLE, Checkpoint
from sr_demo.codecs.colour_description import Chromaticities, ColourSpace, Curve, profile
from sr_demo.errors import BadInput, OutOfMemory
from sr_demo.hub import checkpoints
from sr_demo.image import Image, Size, readonly
from sr_demo.imaging.output_size import OutputSize, parse
from sr_demo.imaging.resize import downscale, resize
from sr_demo.inference.jobs import Job, job_for
from sr_demo.inference.memory_need import AvailableResources, Traits, need_of, refuse
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from tests import fakes
from tests.conftest import image_of, noise

REQUESTS = ("1x", "2x", "3x", "4x", "5.5x", "6x", "8x", "77 wide", "53 high", "2x1cm@150")
PHOTO = noise(12, 16)
SRGB = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
WIDE = Chromaticities((0.3127, 0.3290), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
"""The primaries of Display P3, whose curve is that of sRGB."""


def network(scale: int, seen: list[tuple[int, int]] | None = None) -> Approach:
    """A method of one scale, which repeats pixels; it appends the sizes of its inputs to `seen`."""

    def work(image: Image, progress: Progress) -> Image:
        if seen is not None:
            seen.append(image.shape[:2])
        return readonly(np.repeat(np.repeat(image, scale, axis=0), scale, axis=1))

    made = fakes.approach(fakes.Fake(work), checkpoint=Checkpoint("only", "only", scale=scale))
    return replace(made, scale=scale)


def job(approach: Approach, size: str | None) -> Job:
    return Job(approach, approach.checkpoints[0], approach.options(), size=None if size is None else parse(size))


def many_scales() -> Approach:
    """Three checkpoints, as DAT has them."""
    made = network(4)
    return replace(made, checkpoints=tuple(Checkpoint(f"x{scale}", "", scale=scale) for scale in (4, 3, 2)))


METHODS: dict[str, Callable[[], Approach]] = {
    "x1": lambda: network(1),
    "x2": lambda: network(2),
    "x3": lambda: network(3),
    "x4": lambda: network(4),
    "bicubic": lambda: BICUBIC,
    "liif": lambda: LIIF,
}


@pytest.mark.parametrize("method", METHODS)
def test_every_request_is_met_to_the_pixel_by_every_kind_of_method(method: str) -> None:
    runner, made = Runner(), METHODS[method]()
    requests = ("2x", "77 wide") if method == "liif" else REQUESTS
    for request in requests:
        wanted = job(made, request)
        size = parse(request).resolve(Size(12, 16))
        assert wanted.plan(Size(12, 16)).size == size
        result = runner.run(wanted, image_of(PHOTO))
        assert result.size == size and result.input_size == (12, 16), request
        assert result.sizing == wanted.plan(Size(12, 16)).words


@pytest.mark.parametrize(
    ("scale", "request_", "words", "runs"),
    [
        (4, "4x", "x4", [(12, 16)]),
        (4, "2x", "x4, then resampled to 2x", [(12, 16)]),
        (4, "8x", "x4, resampled to 2x, then x4", [(12, 16), (24, 32)]),
        (4, "6x", "x4, resampled to 1.5x, then x4", [(12, 16), (18, 24)]),
        (2, "4x", "x2, then x2", [(12, 16), (24, 32)]),
        (2, "8x", "x2, x2, then x2", [(12, 16), (24, 32), (48, 64)]),
        (2, "3x", "x2, resampled to 1.5x, then x2", [(12, 16), (18, 24)]),
        (8, "8x", "x8", [(12, 16)]),
        (1, "2x", "x1, then resampled to 2x", [(12, 16)]),
    ],
)
def test_the_plan_is_said_in_words_and_run(scale: int, request_: str, words: str, runs: list[tuple[int, int]]) -> None:
    seen: list[tuple[int, int]] = []
    wanted = job(network(scale, seen), request_)
    assert Runner().run(wanted, image_of(PHOTO)).sizing == words
    assert seen == runs


def test_without_a_request_nothing_changes() -> None:
    result = Runner().run(job(network(3), None), image_of(PHOTO))
    assert (result.size, result.sizing) == ((36, 48), "")
    assert np.array_equal(Runner().run(job(BICUBIC, "2x"), image_of(PHOTO)).rgb, resize(PHOTO, (24, 32)))


def test_a_smaller_size_is_averaged_in_light_and_opacity_apart() -> None:
    board = np.indices((16, 16)).sum(axis=0) % 2
    image = replace(image_of(readonly(np.repeat(board[..., None], 3, 2).astype(np.float32))), bits=16, icc=b"profile")
    image = replace(image, alpha=readonly(board.astype(np.float32)))
    result = Runner().run(job(network(1), "1x"), image).image
    assert np.array_equal(result.rgb, image.rgb), "nothing to resample"
    fine = replace(network(4), load=fakes.approach(fakes.Fake(lambda image, _: _board(image))).load)
    result = Runner().run(job(fine, "2x"), replace(image, pixels=readonly(np.full_like(image.rgb, 0.5))))
    middle = result.image.rgb[4:-4, 4:-4]
    assert np.allclose(middle, 0.7354, atol=2e-3), "half the light"
    assert result.image.alpha is not None and np.allclose(result.image.alpha[4:-4, 4:-4], 0.5, atol=2e-3)
    assert (result.image.bits, result.image.icc) == (16, b"profile")


@pytest.mark.parametrize(("curve", "value"), [(Curve(1.0), 0.5), (Curve(2.2), 0.7354), (SRGB, 0.7354)])
@pytest.mark.parametrize("gray", [True, False])
def test_half_the_light_is_a_value_of_the_profile_of_the_image(gray: bool, curve: Curve, value: float) -> None:
    fine = replace(network(4), load=fakes.approach(fakes.Fake(lambda image, _: _board(image))).load)
    image = replace(image_of(readonly(np.full((16, 16, 3), 0.5, np.float32))), gray=gray)
    result = Runner().run(job(fine, "2x"), replace(image, icc=profile(ColourSpace(WIDE, curve), gray=gray))).image
    assert np.allclose(result.rgb[4:-4, 4:-4], value, atol=2e-3)


def _board(image: Image) -> Image:
    board = np.indices((4 * image.shape[0], 4 * image.shape[1])).sum(axis=0) % 2
    return readonly(np.repeat(board[..., None], 3, axis=2).astype(np.float32))


def test_a_print_states_its_resolution_and_gray_stays_gray() -> None:
    gray = readonly(np.repeat(noise(12, 16)[..., :1], 3, axis=2))
    result = Runner().run(job(network(4), "2x1cm@150"), replace(image_of(gray), gray=True)).image
    assert result.metadata.dpi == (150, 150) and result.gray and np.ptp(result.rgb, axis=2).max() == 0


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_results_are_scored_at_any_whole_factor(scale: int) -> None:
    original = noise(16 * scale, 12 * scale)
    lr = downscale(original, scale)
    for made in (BICUBIC, network(4)):
        wanted = job(made, f"{scale}x")
        assert wanted.test_scale == scale
        assert (Runner().run(wanted, image_of(lr), original).scores.psnr_y or 0) > 5
    with pytest.raises(BadInput, match=r"is set to 2.5x, but the original is"):
        Runner().run(job(BICUBIC, "2.5x"), image_of(lr), original)


def test_a_name_without_checkpoint_takes_the_one_whose_scale_suits(monkeypatch: pytest.MonkeyPatch) -> None:
    made = many_scales()
    for factor, name in ((1, "x2"), (2, "x2"), (2.5, "x3"), (3, "x3"), (4, "x4"), (8, "x4")):
        assert job_for([made], "fake", size=parse(str(factor))).checkpoint.name == name
        assert job(made, None).sized(parse(str(factor))).checkpoint.name == name
    assert job_for([made], "fake:x4", size=parse("2")).checkpoint.name == "x4", "named is named"
    assert job(made, None).sized(None).checkpoint.name == "x4"
    monkeypatch.setattr(checkpoints, "is_available", lambda checkpoint: checkpoint.name == "x4")
    assert job_for([made], "fake", size=parse("2")).checkpoint.name == "x4", "x2 is not stored"


def test_a_size_that_is_given_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="The size is given twice: as 2x and by the option `scale`"):
        job_for([LIIF], "liif", {"scale": 3.0}, size=parse("2x"))


# --- what it costs --------------------------------------------------------------------------------------------------


def test_time_estimates_count_every_step() -> None:
    one = Checkpoint("only", "only", scale=4, flops_per_pixel=1e9)
    made = replace(network(4), checkpoints=(one,))
    own, small, large = (TimeEstimates().seconds(job(made, text), (64, 64)) for text in ("4x", "2x", "8x"))
    assert own < small < 1.1 * own, "a resampling costs a little"
    assert large == pytest.approx(5 * own, rel=0.05), "the second run has four times the pixels"


def test_a_run_at_any_scale_is_learned_as_one_at_the_own_scale() -> None:
    learned: list[float] = []

    class Recording(TimeEstimates):
        def learn(self, job: Job, size: tuple[int, int], seconds: float, **_: object) -> None:  # type: ignore[override]
            learned.append(seconds)

    estimates = Recording()
    result = Runner(estimates).run(job(BICUBIC, "2x"), image_of(PHOTO))
    (seconds,) = learned
    assert result.seconds * 2 < seconds < 4 * result.seconds, "a quarter of the pixels of 4x"


def traits(made: Approach, size: OutputSize | None) -> Traits:
    made = replace(made, tiling=replace(made.tiling, bytes_per_result_pixel=0)) if made.tiling is WHOLE else made
    return Traits(made, made.checkpoints[0], Options(), size=size)


def test_memory_counts_the_largest_step() -> None:
    bare = network(4)
    four = 12 * 400 * 400
    assert need_of(traits(bare, None), 100, 100).memory == four
    half = need_of(traits(bare, parse("2x")), 100, 100)
    assert half.memory == four + four // 4 and half.pixels == 200 * 200, "the x4 result and what is made of it"
    double = need_of(traits(bare, parse("8x")), 100, 100)
    assert double.memory == 4 * four + four // 4, "the result and the input of its last run"
    held = replace(bare, tiling=replace(OWN, bytes_per_result_pixel=100))
    assert need_of(traits(held, parse("2x")), 100, 100).memory == four + 100 * 400 * 400


def test_a_size_that_does_not_fit_is_refused_with_sizes_that_do() -> None:
    for request in ("8x", "4000 wide"):
        with pytest.raises(
            OutOfMemory, match=r"needs 0.3 GB of memory.*: ask for a smaller size, crop .* at most \d+ x"
        ):
            refuse(traits(network(4), parse(request)), (500, 500), AvailableResources(10**8, 10**12, sys.maxsize))
    with pytest.raises(OutOfMemory, match=r"would have 0.2 megapixels and needs 0.1 GB of memory"):
        refuse(traits(network(4), parse("1x")), (500, 500), AvailableResources(10**7, 10**12, sys.maxsize))
