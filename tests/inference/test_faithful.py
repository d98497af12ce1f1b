"""Less detail of a generative method: a blend with its faithful partner, run only where it is needed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from sr_demo.approaches import baselines
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.faces.detail_limit import FaceDetailLimit
from sr_demo.faces.detection import Face
from sr_demo.image import Image, ImageData, Size, from_array, quantize, readonly, unit
from sr_demo.imaging.back_projection import difference, distance
from sr_demo.imaging.output_size import by_factor
from sr_demo.imaging.resize import downscale, resize
from sr_demo.inference import faithful, memory_need
from sr_demo.inference import runner as runner_module
from sr_demo.inference.jobs import Done, Job, LoadedModel, job_for
from sr_demo.inference.runner import Runner
from sr_demo.inference.shared_work import SharedWork
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.inference.upscale import Upscaled
from sr_demo.options import GenerativeOptions, as_dict
from sr_demo.progress import Progress
from sr_demo.reports.table import record
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system import large_array
from tests import fakes
from tests.conftest import image_of, noise
from tests.fakes import upscaled

UNSEEN, ROUNDED = 0.03 / 255, 0.08 / 255
"""How much may differ from the photo unseen: what clipping leaves of float results, and what rounding adds to 8 bits."""
SMALL = image_of(noise(12, 10))
GRAIN = np.random.default_rng(0).normal(0, 0.1, (48, 40, 3)).astype(np.float32)


def grainy(image: Image) -> Image:
    """Enlarge, with invented grain."""
    return readonly(np.clip(upscaled(image) + GRAIN, 0, 1))


GENERATIVE = replace(fakes.returning(grainy, "grainy"), options=GenerativeOptions, invents=True)


@pytest.fixture
def partners(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Bicubic as the partner; the list has an entry for each time it was loaded."""
    loaded: list[str] = []

    def load(request: Request) -> Upscaler:
        loaded.append("partner")
        return baselines.BICUBIC.load(request)

    monkeypatch.setattr(faithful, "APPROACH", replace(baselines.BICUBIC, id="partner", load=load))
    return loaded


def run(approach: Approach, detail: float) -> Image:
    return Runner().run(job_for([approach], approach.id, {"detail": detail}), SMALL).rgb


def partners_result() -> Image:
    """What the partner of `partners` contributes: bicubic, corrected for LR consistency."""
    return faithful.with_lr_consistency(image_of(resize(SMALL.rgb, (48, 40))), SMALL).rgb


def test_all_of_the_detail_is_the_result_itself_without_a_run_of_the_partner(partners: list[str]) -> None:
    np.testing.assert_array_equal(run(GENERATIVE, 1), np.clip(upscaled(SMALL.rgb) + GRAIN, 0, 1))
    assert not partners


def found(monkeypatch: pytest.MonkeyPatch, *faces: Face) -> list[str]:
    """What is found in every image; the list has an entry for each time it is looked for."""
    looked: list[str] = []

    def detect(image: Image) -> tuple[Face, ...]:
        looked.append("faces")
        return faces

    monkeypatch.setattr(faithful, "detect", detect)
    return looked


def test_one_comparison_looks_for_faces_and_runs_the_partner_once(
    partners: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, ran = found(monkeypatch, Face(2, 2, 5, 5, 1.0)), list[str]()
    real = runner_module.upscale_image

    def upscale(model: LoadedModel, image: ImageData, progress: Progress, *, exact: bool) -> Upscaled:
        ran.append(model.job.approach.id)
        return real(model, image, progress, exact=exact)

    monkeypatch.setattr(runner_module, "upscale_image", upscale)
    methods = [replace(GENERATIVE, id=name) for name in ("one", "two", "three")]
    jobs = [job_for([made], made.id, {"detail": 0.8, "face_detail": 0.3}) for made in methods]
    runner = Runner()
    together = [event.result for event in runner.compare(jobs, SMALL) if isinstance(event, Done)]
    assert looked == ["faces"] and sorted(ran) == ["one", "partner", "three", "two"]
    alone = [runner.run(job, SMALL) for job in jobs]
    assert len(looked) == 4 and ran.count("partner") == 4
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    turned = image_of(readonly(SMALL.rgb[::-1].copy()))
    (event,) = (event for event in runner.compare(jobs[:1], turned) if isinstance(event, Done))
    np.testing.assert_array_equal(event.result.rgb, runner.run(jobs[0], turned).rgb)


def test_where_a_generative_method_meets_fine_text_a_note_says_that_letters_may_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def remarks(approach: Approach, detail: float = 1) -> tuple[str, ...]:
        job = Job(approach, approach.checkpoint(), GenerativeOptions(detail))
        return Runner().run(job, SMALL).remarks

    def text(image: Image) -> bool:
        return True

    assert remarks(GENERATIVE) == ()
    monkeypatch.setattr(faithful, "has_fine_text", text)
    assert remarks(GENERATIVE) == ("letters may change: read them in your photo",)
    assert remarks(GENERATIVE, detail=0) == () and remarks(replace(GENERATIVE, invents=False)) == ()


def test_faces_show_less_detail_than_the_rest(partners: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[float] = []

    def keep(faces: tuple[Face, ...], size: Size, share: float) -> FaceDetailLimit:
        wanted.append(share)
        allowed = np.ones(size, np.float32)
        allowed[:, :5] = share
        return FaceDetailLimit(allowed, len(faces))

    found(monkeypatch, Face(0, 0, 5, 5, 1.0))
    monkeypatch.setattr(faithful, "face_detail_limit", keep)
    made = Runner().run(job_for([GENERATIVE], "grainy", {"detail": 0.5, "face_detail": 0.25}), SMALL)
    half = run(GENERATIVE, 0.5)
    assert wanted == [0.25] and made.kept_faces == 1
    assert made.faces_sentence == "faces kept faithful in 1 place" and record(made)["kept_faces"] == 1
    plain = partners_result()
    face, rest = np.s_[:, :10], np.s_[:, 32:]
    np.testing.assert_allclose(made.rgb[rest], half[rest], atol=2e-3)
    np.testing.assert_allclose((made.rgb - plain)[face], (half - plain)[face] / 2, atol=1e-2)
    assert np.abs(made.rgb - half)[face].max() > 0.01


def test_without_a_face_nothing_is_blended(partners: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)
    made = Runner().run(job_for([GENERATIVE], "grainy", {"face_detail": 0.3}), SMALL)
    np.testing.assert_array_equal(made.rgb, run(GENERATIVE, 1))
    assert made.kept_faces == 0 and made.faces_sentence == "" and not partners


def test_less_detail_is_nearer_to_the_partner_and_none_is_the_partner(partners: list[str]) -> None:
    plain = partners_result()
    np.testing.assert_array_equal(run(GENERATIVE, 0), plain)
    distances = [float(np.abs(run(GENERATIVE, detail) - plain).mean()) for detail in (0.25, 0.5, 0.75)]
    assert distances == sorted(distances) and distances[0] > 0
    assert len(partners) == 4


@pytest.mark.parametrize("size", [1.5, 2, 8])
def test_the_partner_reaches_the_size_that_is_requested(partners: list[str], size: float) -> None:
    made = Runner().run(job_for([of_any_size()], "any", {"detail": 0.5}, size=by_factor(size)), SMALL)
    assert made.size == (12 * size, 10 * size) and partners


def of_any_size() -> Approach:
    """A method that is said to invent."""
    return replace(fakes.good("any"), options=GenerativeOptions, invents=True)


def test_a_result_says_its_detail_and_costs_both_runs(partners: list[str]) -> None:
    from sr_demo.reports import formatting

    job = job_for([GENERATIVE], "grainy", {"detail": 0.6})
    result = Runner().run(job, SMALL)
    assert record(result)["options"]["detail"] == 0.6
    assert "detail 0.6" in formatting.how(result)
    whole, blended = (memory_need.traits_of(one, SMALL) for one in (replace(job, options=GenerativeOptions()), job))
    more = memory_need.need_of(blended, 12, 10).memory - memory_need.need_of(whole, 12, 10).memory
    assert more == 2 * result.rgb.nbytes
    estimates = TimeEstimates()
    other = faithful.partner(job)
    assert other is not None
    both = estimates.seconds(replace(job, options=GenerativeOptions()), (256, 256)) + estimates.seconds(
        other, (256, 256)
    )
    assert estimates.seconds(job, (256, 256)) == pytest.approx(both)


def test_every_method_that_draws_detail_has_the_option_and_no_faithful_one_uses_it() -> None:
    for approach in APPROACHES:
        for checkpoint in approach.checkpoints:
            job = Job(approach, checkpoint, approach.options())
            invents = approach.invents_with(checkpoint) and approach.family != "retrieval"
            if invents:
                job = replace(job, options=replace(job.options, detail=0.5))  # type: ignore[call-arg]
            assert (faithful.partner(job) is not None) == invents, job.key
            assert as_dict(approach.options()).get("detail", 1) == 1


ADJUSTABLE = [
    pytest.param(job, id=job.key)
    for approach in APPROACHES
    for checkpoint in approach.checkpoints
    if checkpoint.kind != "hub" and checkpoint.needs is None
    if faithful.is_adjustable(job := Job(approach, checkpoint, approach.options()))
]


@pytest.mark.parametrize("job", ADJUSTABLE)
def test_a_result_agrees_better_with_the_photo_the_less_detail_it_shows_and_has_its_colours(job: Job) -> None:
    lr = image_of(downscale(from_array(data.astronaut()[300:428, 100:228]).rgb, 4))
    runner, shared = Runner(), SharedWork()
    jobs = [faithful.with_detail(job, detail) for detail in (1.0, 0.75, 0.5, 0.25, 0.0)]
    made = [runner.run(one, lr, shared=shared).rgb for one in jobs]
    for results, floor in ((made, UNSEEN), ([unit(quantize(one)) for one in made], ROUNDED)):
        far = [max(distance(difference(lr.rgb, one)), floor) for one in results]
        assert far == sorted(far, reverse=True) and far[-1] == floor
    shifts = [abs(one.mean(axis=(0, 1)) - lr.rgb.mean(axis=(0, 1))).max() for one in made]
    assert max(shifts[1:]) < 0.05 / 255


@pytest.mark.parametrize("detail", [0.2, 0.6, 1.0])
def test_the_lowest_limit_holds_at_each_place(detail: float) -> None:
    gray = np.broadcast_to(np.array([0, 0.5, 1], np.float32)[None, :, None], (3, 3, 3)).repeat(20, axis=1)
    limits = [faithful.allowed_detail(gray), np.full((6, 30), 0.7, np.float32)]
    found = np.asarray(faithful.detail_map(limits, detail, Size(24, 240), 4))[12, [40, 120, 200]]
    np.testing.assert_allclose(found, [min(detail, 0.7), min(detail, 0.5), 0], atol=1e-5)


@pytest.mark.parametrize(("size", "scale"), [(Size(240, 200), 4), (Size(75, 61), 1.5), (Size(30, 25), 0.5)])
def test_a_large_map_lies_in_a_file_and_is_made_in_bands(
    size: Size, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values are those of a Gaussian of the whole enlarged limit."""
    limits = [noise(60, 50)[..., 0], noise(7, 9)[..., 1]]
    expected = np.full(size, 0.8, np.float32)
    for limit in limits:
        large = cv2.resize(limit, size[::-1], interpolation=cv2.INTER_LINEAR)
        np.minimum(expected, cv2.GaussianBlur(large, (0, 0), scale), out=expected)
    monkeypatch.setattr(large_array, "IN_MEMORY", 0)
    monkeypatch.setattr(large_array, "BAND", 20 * 4 * size.width)
    found = faithful.detail_map(limits, 0.8, size, scale)
    assert isinstance(found, np.memmap)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_memory_of_the_map_is_counted_before_anything_runs(
    partners: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list[memory_need.Traits]()
    monkeypatch.setattr(memory_need, "check", lambda traits, image: found.append(traits))
    job = Job(GENERATIVE, GENERATIVE.checkpoints[0], GenerativeOptions(0.5))
    for allowed in (None, np.ones((12, 10), np.float32)):
        Runner().run(job, SMALL, allowed=allowed)
    assert [(traits.blended, traits.limited) for traits in found] == [(True, False), (True, True)]


def test_where_no_detail_is_allowed_the_result_is_the_partners_and_elsewhere_its_own(partners: list[str]) -> None:
    allowed = np.ones((12, 10), np.float32)
    allowed[:6] = 0
    job = Job(GENERATIVE, GENERATIVE.checkpoints[0], GenerativeOptions())
    made = Runner().run(job, SMALL, allowed=allowed).rgb
    plain, whole = partners_result(), run(GENERATIVE, 0.999)
    assert np.abs(made[:8] - plain[:8]).max() < 1e-3 and np.abs(made[40:] - whole[40:]).max() < 1e-3
    middle = [float(np.abs(made[rows] - plain[rows]).mean()) for rows in (slice(16, 20), slice(22, 26), slice(28, 32))]
    assert middle == sorted(middle)
    with pytest.raises(BadInput, match="invents detail"):
        Runner().run(fakes.job(fakes.good("faithful")), SMALL, allowed=allowed)
