"""Time estimates: the curve of the card, and the factor measured on this hardware."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo.backends import selection, shipped_int8
from sr_demo.backends.selection import BackendVerdict, ConvertedFiles, Preparation, Preparer
from sr_demo.benchmarks import costs
from sr_demo.benchmarks.growth import measurements
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint, Tiling, WeightFile, card, embedded
from sr_demo.errors import BadInput
from sr_demo.hub import checkpoints
from sr_demo.image import Limits, readonly
from sr_demo.inference import time_estimates as module
from sr_demo.inference import timing_store
from sr_demo.inference.jobs import Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.inference.upscale import passes
from sr_demo.system import contention, integrity
from sr_demo.timing import Timing, from_card, plain, to_card
from sr_demo.ui import method_choices
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes
from tests.conftest import image_of, noise

SIZE = (100, 100)
TORCH = Timing("torch", 0, (100, 200), first=(3.0, 6.0), again=(2.0, 5.0))
"""At 100 x 100 as much for being there as for 10,000 pixels; a second more where the size is new."""
OPENVINO = Timing("OpenVINO", 0, (100, 200), first=(1.0, 4.0), again=(1.0, 4.0))


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def by_operations(name: str = "good", **options: object) -> Job:
    """100 s for 10,000 pixels at the rate that is assumed."""
    made = replace(fakes.good(name), checkpoints=(Checkpoint("default", "", flops_per_pixel=4e9),))
    return fakes.job(made, **options)


def timed(name: str = "good", *timings: Timing, tiling: Tiling | None = None) -> Job:
    checkpoint = Checkpoint("default", "", timings=timings or (TORCH,), tiling=tiling)
    return fakes.job(replace(fakes.good(name), checkpoints=(checkpoint,)))


def again(estimates: TimeEstimates, job: Job, size: tuple[int, int] = SIZE) -> float:
    return estimates.seconds(job, size, again=True)


# --- the curve ------------------------------------------------------------------------------------------------------


def test_between_measured_sizes_time_is_a_straight_line_and_beyond_them_keeps_its_rate() -> None:
    seconds = [TORCH.seconds(pixels, again=True) for pixels in (5_000, 10_000, 25_000, 40_000, 80_000)]
    assert seconds == pytest.approx([1.5, 2.0, 3.5, 5.0, 10.0])
    assert TORCH.seconds(10_000, again=False) == pytest.approx(3)
    growing = replace(TORCH, again=(1.0, 9.0))
    assert growing.seconds(2_500, again=True) == pytest.approx(0.25), "never less than nothing"


def test_a_card_stores_timings() -> None:
    written = json.loads(json.dumps(to_card((TORCH, OPENVINO))))
    assert from_card(written) == (TORCH, OPENVINO)
    assert from_card({"bytes_per_pixel": 900}) == ()


def test_every_card_with_costs_can_be_read() -> None:
    for path in sorted(EMBEDDED.glob("*.json")):
        found = card(path.stem).get("costs")
        if not found:
            continue
        made = embedded("x", path.stem, "", bytes_per_pixel=0)
        for timing in made.timings:
            assert timing.sides == tuple(sorted(set(timing.sides))) and timing.sides
            assert all(least > 0 for least in (*timing.again, *timing.first)), path


def test_one_small_run_calibrates_the_estimate_of_a_large_one() -> None:
    estimates, job = TimeEstimates(), timed()
    assert again(estimates, job) == pytest.approx(2), "before any run, what the card has"
    estimates.learn(job, SIZE, 7.0, backend="torch")  # new at that size: three times the card's 2 s, and one more
    assert again(estimates, job, (200, 200)) == pytest.approx(15)
    assert estimates.seconds(job, (200, 200), again=False) == pytest.approx(16), "what is new takes no longer here"


def test_on_faster_hardware_a_first_run_is_faster_in_all_its_parts() -> None:
    estimates, job = TimeEstimates(), timed()
    estimates.learn(job, SIZE, 1.5, backend="torch")  # half of the card's 3 s
    assert again(estimates, job, (200, 200)) == pytest.approx(2.5)
    assert estimates.seconds(job, (200, 200), again=False) == pytest.approx(3)


def test_a_size_run_before_is_faster_until_the_model_is_loaded_again() -> None:
    estimates, job = TimeEstimates(), timed()
    assert estimates.seconds(job, SIZE) == pytest.approx(3)
    estimates.learn(job, SIZE, 3.0, backend="torch")
    assert estimates.seconds(job, SIZE) == pytest.approx(2)
    assert estimates.seconds(job, (100, 50)) == pytest.approx(1.5)
    assert estimates.seconds(job, (200, 200)) == pytest.approx(6)
    estimates.learn(job, SIZE, 2.0, backend="torch")
    assert again(estimates, job) == pytest.approx(2), "both runs say the same"
    estimates.learn(job, (16, 16), 60.0, backend="torch", cold=True)
    assert estimates.seconds(job, SIZE) == pytest.approx(3), "what is loaded now has not seen it"


def test_estimates_count_tiles_with_their_halos() -> None:
    flat = plain("torch", 1e-3)
    tiled = Tiling("tiles", halo=10, multiple_of=8, largest=64)
    job = timed("good", flat, tiling=tiled)
    upscaler = fakes.upscaler_of(job.approach)
    Runner().run(job, image_of(noise(150, 90)))
    assert len(upscaler.seen) == 6
    computed = sum(height * width for height, width in upscaler.seen)
    assert computed > 1.3 * 150 * 90
    assert TimeEstimates().seconds(job, (150, 90)) == pytest.approx(computed * 1e-3)


def test_only_one_of_several_tiles_counts_as_a_first_run() -> None:
    job = timed("good", TORCH, tiling=Tiling("tiles", largest=100))
    assert TimeEstimates().seconds(job, (200, 300)) == pytest.approx(3 + 5 * 2)
    assert again(TimeEstimates(), job, (200, 300)) == pytest.approx(6 * 2)


# --- the factor of this hardware --------------------------------------------------------------------------------------


def test_estimates_learn_from_runs_and_are_kept_between_processes(tmp_path: Path) -> None:
    file, job = tmp_path / "deep" / "estimates.json", by_operations()
    first = TimeEstimates(file)
    assert first.seconds(job, SIZE) == pytest.approx(100)
    first.learn(job, SIZE, 2.0)
    assert first.seconds(job, SIZE) == pytest.approx(2)
    first.learn(job, SIZE, 4.0)
    assert first.seconds(job, SIZE) == pytest.approx(3), "a slower run counts for half"
    first.learn(job, SIZE, 1.0)
    assert first.seconds(job, SIZE) == pytest.approx(1), "other programs only ever slow a run down"
    first.learn(job, SIZE, 9.0, anew=True)
    assert first.seconds(job, SIZE) == pytest.approx(9)
    first.learn(job, SIZE, 3.0, anew=True)
    assert TimeEstimates(file).seconds(job, SIZE) == pytest.approx(3)
    assert TimeEstimates(file).seconds(job, (200, 100)) == pytest.approx(6)


def test_a_slow_run_that_had_to_load_first_does_not_raise_the_estimate() -> None:
    estimates, job = TimeEstimates(), by_operations()
    estimates.learn(job, SIZE, 8.0, cold=True)
    assert estimates.seconds(job, SIZE) == pytest.approx(8), "better than nothing"
    estimates.learn(job, SIZE, 2.0)
    estimates.learn(job, SIZE, 8.0, cold=True)
    assert estimates.seconds(job, SIZE) == pytest.approx(2)


def test_each_size_has_its_own_factor_and_others_take_that_of_the_nearest() -> None:
    estimates, job, large = TimeEstimates(), by_operations(), (1000, 1000)
    estimates.learn(job, SIZE, 10.0)
    estimates.learn(job, large, 100.0)  # a tenth of what the small run promised: a GPU, say
    assert estimates.seconds(job, SIZE) == pytest.approx(10)
    assert estimates.seconds(job, large) == pytest.approx(100)
    assert estimates.seconds(job, (2000, 1000)) == pytest.approx(200)


def test_each_backend_has_its_own_curve_and_factor() -> None:
    estimates, job = TimeEstimates(), timed("good", TORCH, OPENVINO)
    estimates.learn(job, SIZE, 21.0, backend="torch")
    estimates.learn(job, SIZE, 2.0, backend="OpenVINO", anew=True)
    assert again(estimates, job, (200, 200)) == pytest.approx(8), "twice the seconds of the card for OpenVINO"
    estimates.learn(job, SIZE, 21.0, backend="torch")
    assert again(estimates, job, (200, 200)) == pytest.approx(50), "the backend that ran last, unchanged"


def test_the_verdict_on_a_backend_sets_the_time_estimate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[Preparation] = []

    class Preparing(Preparer):
        def begin(self, preparation: Preparation) -> bool:
            begun.append(preparation)
            return True

    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setattr(selection, "converted_files", lambda model: ConvertedFiles("network", "auto", 4))
    runs, job = Runner(preparer=Preparing()), timed("good", TORCH, OPENVINO)
    runs.run(job, image_of(noise(96, 96)))
    begun[0].decided(BackendVerdict("OpenVINO", "bf16", 1.0, 3.0, 60.0))
    assert again(runs.estimates, job, (96, 96)) == pytest.approx(1)
    begun[0].decided(BackendVerdict("torch", "bf16", 0.5, 1.0, 60.0))
    assert again(runs.estimates, job, (96, 96)) == pytest.approx(1), "nothing changed: torch stays in use"


def test_a_method_never_run_gets_the_median_factor_of_the_others() -> None:
    estimates = TimeEstimates()
    for name, seconds in (("a", 4.0), ("b", 6.0), ("c", 20.0)):
        estimates.learn(timed(name), SIZE, seconds + 1, backend="torch")
    estimates.learn(timed("d", OPENVINO), SIZE, 100.0, backend="OpenVINO")
    estimates.learn(by_operations("e"), SIZE, 1.0)
    assert again(estimates, timed("new")) == pytest.approx(6), (
        "the median with the same backend: three times the card's"
    )
    assert again(estimates, by_operations("new")) == pytest.approx(1), (
        "one rate for all whose seconds were never measured"
    )
    assert again(estimates, timed("own", replace(TORCH, backend=""))) == pytest.approx(13), "of 2, 3, 10 and 100 times"


def test_seconds_of_a_card_count_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread = timed("good", replace(TORCH, threads=1))
    assert again(TimeEstimates(), one_thread) == pytest.approx(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert again(TimeEstimates(), one_thread) == pytest.approx(2)


def test_a_checkpoint_without_seconds_is_compared_with_its_sibling_by_operations() -> None:
    own = Checkpoint("own", "", timings=(TORCH,), flops_per_pixel=1e6)
    published = Checkpoint("published", "", flops_per_pixel=7e6)
    made = replace(fakes.good(), checkpoints=(own, published))
    assert again(TimeEstimates(), Job(made, published, made.options())) == pytest.approx(14)


def test_a_new_card_voids_what_was_learned() -> None:
    estimates = TimeEstimates()
    estimates.learn(timed(), SIZE, 30.0, backend="torch")
    changed = timed("good", TORCH.scaled(0.5))
    assert again(estimates, changed) == pytest.approx(1)
    estimates.learn(changed, SIZE, 2.0, backend="torch")
    assert again(estimates, changed) == pytest.approx(2), "and is not averaged with it"


def test_options_and_precision_have_their_own_estimate() -> None:
    estimates, defaults, other = TimeEstimates(), by_operations(), by_operations(steps=7)
    assert defaults.timing_key == "good"
    assert other.timing_key == "good steps=7"
    assert replace(other, precision="fp32").timing_key == "good fp32 steps=7"
    estimates.learn(defaults, SIZE, 2.0)
    assert [estimates.seconds(j, SIZE) for j in (defaults, other)] == pytest.approx([2, 2]), "until it was tried"
    estimates.learn(other, SIZE, 8.0)
    assert [estimates.seconds(j, SIZE) for j in (defaults, other)] == pytest.approx([2, 8])


def test_what_is_known_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", 3)
    estimates, file = TimeEstimates(tmp_path / "times.json"), tmp_path / "times.json"
    for steps in (3, 4, 5, 6, 7, 4):
        estimates.learn(by_operations(steps=steps), SIZE, 1.0)
    assert list(timing_store.read(file)) == ["good steps=6", "good steps=7", "good steps=4"], "those measured last"


def test_a_seed_has_no_time_of_its_own() -> None:
    made = next(one for one in APPROACHES if one.id == "diffusion")
    assert job_for([made], "diffusion", {"seed": 7}).timing_key == "diffusion"


def test_files_of_users_are_not_named_in_the_file_of_estimates(tmp_path: Path) -> None:
    weights = WeightFile("secret.safetensors", "0" * 64, 0, path=tmp_path / "secret.safetensors")
    own = fakes.job(
        replace(fakes.good("own"), checkpoints=(Checkpoint("secret", "", (weights,), flops_per_pixel=4e9),))
    )
    estimates, file = TimeEstimates(tmp_path / "times.json"), tmp_path / "times.json"
    estimates.learn(own, SIZE, 2.0)
    estimates.learn(by_operations(), SIZE, 1.0)
    assert list(timing_store.read(file)) == ["good"] and again(estimates, own) == pytest.approx(2)


def test_tiny_images_do_not_change_the_estimate() -> None:
    estimates = TimeEstimates()
    estimates.learn(by_operations(), (10, 10), 5.0)
    assert estimates.seconds(by_operations(), SIZE) == pytest.approx(100)


def test_a_run_improves_the_estimate() -> None:
    shared, job = Runner(), by_operations()
    shared.run(job, image_of(noise(64, 64)))
    assert shared.estimates.seconds(job, SIZE) < 10


def test_time_spent_waiting_for_a_core_is_no_time_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(estimates := TimeEstimates())
    job, image = by_operations(), image_of(noise(*SIZE))
    runner.run(job, image)
    before = estimates.seconds(job, SIZE)
    waited = iter([0.0, 1e6])
    monkeypatch.setattr(contention, "core_wait_seconds", lambda: next(waited, 1e6))
    runner.run(job, image)
    assert estimates.is_busy and estimates.seconds(job, SIZE) <= before
    runner.run(job, image)
    assert not estimates.is_busy


def test_opacity_costs_a_second_run_and_is_learned_as_two(monkeypatch: pytest.MonkeyPatch) -> None:
    job = by_operations()
    inventive = replace(job, approach=replace(job.approach, invents=True))
    assert [passes(j.approach, j.checkpoint, opacity=True) for j in (job, inventive)] == [2, 1]
    learned: list[float] = []
    monkeypatch.setattr(TimeEstimates, "learn", lambda self, job, size, seconds, **_: learned.append(seconds))
    see_through = replace(image_of(noise(64, 64)), alpha=readonly(noise(64, 64)[..., 0].copy()))
    result = Runner().run(job, see_through)
    (seconds,) = learned
    assert 0.2 * result.seconds < seconds < 0.5 * result.seconds
    context = PageContext([job.approach], Runner(), Store(), Stops(), Limits())
    once, twice = (method_choices.seconds(context, job, SIZE, opacity=opacity) for opacity in (False, True))
    assert twice == pytest.approx(2 * once)


# --- the file -------------------------------------------------------------------------------------------------------

_GOOD = {"kind": "operations", "reference": 655.36, "factors": {"7": 0.02}}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1]", "null", "\x00", '{"good": 2e-4}',  # the last one is of the first format: seconds per pixel
        *(
            integrity.json_with_checksum({"format": 2, "learned": learned}).decode()
            for learned in (
                [], {"good": 1}, {"good": {"": {}}}, {"good": {"": {**_GOOD, "factors": {}}}},
                {"good": {"": {**_GOOD, "factors": {"7": -1}}}}, {"good": {"": {**_GOOD, "factors": {"7": float("nan")}}}},
                {"good": {"": {**_GOOD, "reference": "fast"}}},
            )
        ),
        integrity.json_with_checksum({"format": 3, "learned": {"good": {"": _GOOD}}}).decode(),
        json.dumps({"format": 2, "learned": {"good": {"": _GOOD}}}),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_of_estimates_is_ignored(tmp_path: Path, text: str) -> None:
    file, job = tmp_path / "estimates.json", by_operations()
    file.write_bytes(integrity.json_with_checksum({"format": 2, "learned": {"good": {"": _GOOD}}}))
    assert TimeEstimates(file).seconds(job, SIZE) == pytest.approx(2), "the same file, whole"
    file.write_text(text)
    estimates = TimeEstimates(file)
    assert estimates.seconds(job, SIZE) == pytest.approx(100)
    estimates.learn(job, SIZE, 2.0)
    assert TimeEstimates(file).seconds(job, SIZE) == pytest.approx(2)


def test_a_flipped_bit_in_the_file_of_estimates_is_found(tmp_path: Path) -> None:
    file, job = tmp_path / "estimates.json", by_operations()
    TimeEstimates(file).learn(job, SIZE, 2.0)
    assert TimeEstimates(file).seconds(job, SIZE) == pytest.approx(2)
    file.write_text(re.sub(r'("factors": {"\d+": 0\.)(\d)', lambda found: f"{found[1]}9", file.read_text()))
    assert TimeEstimates(file).seconds(job, SIZE) == pytest.approx(100)


def test_a_disk_that_refuses_costs_only_the_memory_of_estimates(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    estimates = TimeEstimates(tmp_path / "file" / "estimates.json")
    estimates.learn(by_operations(), SIZE, 2.0)
    assert estimates.seconds(by_operations(), SIZE) == pytest.approx(2)


# --- measuring ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_aspect", "side", "tile"), [(1, 128, (128, 128)), (2, 181, (256, 128))])
def test_costs_are_measured_without_tiling_at_ascending_sizes(
    max_aspect: int, side: int, tile: tuple[int, int]
) -> None:
    rule = Tiling("tiles", halo=4, largest=120, max_input_width=128, max_aspect=max_aspect)
    made = fakes.approach(fakes.upscaler_of(fakes.good()), tiling=rule)
    upscaler = fakes.upscaler_of(made)
    _, timing = costs.measure(fakes.job(made), "OpenVINO")
    assert timing is None, "nothing that OpenVINO could run"
    before = len(upscaler.seen)
    used, timing = costs.measure(fakes.job(made), "torch")
    assert timing is not None and used > 0
    assert timing.sides == (96, side) and timing.threads == 0 and min(*timing.first, *timing.again) > 0
    assert set(upscaler.seen[before:]) >= {(16, 16), (96, 96), tile}


@pytest.mark.usefixtures("int8_by_default")
def test_costs_of_a_network_that_ships_in_int8_are_measured_in_torch_and_openvino(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    job = job_for(APPROACHES, "espcn")
    form, converted = shipped_int8.of(job.checkpoint), tmp_path / "converted"
    assert form is not None
    shipped_int8.place(form, checkpoints.fetch(job.checkpoint), converted, lambda: None)  # a conversion takes seconds
    for way in ("torch", "OpenVINO"):
        upscaler = costs._loaded(job, way)
        assert upscaler is not None and (upscaler.backend, upscaler.loss_db) == (way, None)


def test_costs_of_a_method_that_is_not_here_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"'rdm'.* rdn, rdn:ssim"):
        next(costs.costs(["rdm"]))


def test_writing_costs_leaves_the_rest_of_a_card_alone(tmp_path: Path) -> None:
    path = tmp_path / "net-x4.json"
    before = {"file": "net-x4.safetensors", "costs": {"bytes_per_pixel": 9}, "scores": {"Set5": 1}}
    path.write_text(json.dumps(before))
    cost = costs.Cost("net", path, 1000, (TORCH, OPENVINO), 9)
    costs.write(cost, "bytes")
    assert json.loads(path.read_text())["costs"] == {"bytes_per_pixel": 1000}
    costs.write(cost, "all")
    after = json.loads(path.read_text())
    assert from_card(after["costs"]) == (TORCH, OPENVINO)
    assert after["costs"]["bytes_per_pixel"] == 1000
    assert {**after, "costs": None} == {**before, "costs": None}


def test_growth_compares_estimates_with_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fakes.good()
    monkeypatch.setattr(module, "_FLOOR_SECONDS", 1e-9)
    rows = list(measurements([fakes.job(made)], [0.25, 1], rounds=2))
    assert [row.megapixels for row in rows] == pytest.approx([0.25, 1])
    for row in rows:
        assert row.error is not None and row.error > -1 and row.error_again is not None and row.seconds > 0
    assert next(iter(measurements([fakes.job(made)], [0.25]))).error_again is None
