"""The runner keeps its contract whatever the approaches do."""

from __future__ import annotations

import logging
import re
import time
import weakref
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import OWN, Checkpoint, Tiling, WeightFile
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError
from sr_demo.hub import checkpoints
from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import resize
from sr_demo.inference import compute_lock, model_cache, runner
from sr_demo.inference.jobs import Done, Failed, Job, LoadedModel, Progressed, RunEvent, Started, Stopped, job_for
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.progress import SILENT, Progress
from sr_demo.system import memory
from tests import fakes
from tests.conftest import image_of, noise
from tests.fakes import job, upscaled

SMALL = image_of(noise(12, 10))


def outline(events: list[RunEvent]) -> list[tuple[str, str]]:
    """Return (type of event, public name) for every event but progress."""
    return [(type(h).__name__, h.job.key) for h in events if not isinstance(h, Progressed)]


def test_events_come_in_order_and_carry_the_result() -> None:
    jobs = [job(fakes.good("first")), job(fakes.good("second"))]
    events = list(Runner().compare(jobs, SMALL, upscaled(SMALL.rgb)))
    assert outline(events) == [
        ("Started", "first"), ("Done", "first"), ("Started", "second"), ("Done", "second"),
    ]  # fmt: skip
    done = events[-1]
    assert isinstance(done, Done)
    result = done.result
    np.testing.assert_array_equal(result.image.rgb, upscaled(SMALL.rgb))
    assert result.scores.psnr_y == float("inf")
    assert (result.tiles, result.tile, result.halo, result.precision) == (1, 0, 0, "fp32")
    assert result.seconds > 0


def test_memory_that_a_model_holds_for_its_next_run_counts_there_too() -> None:
    held: list[np.ndarray] = []

    def work(image: Image, progress: Progress) -> Image:
        if not held:
            held.append(np.ones(40_000_000, np.uint8))
        return upscaled(image)

    runner, made = Runner(), job(fakes.approach(fakes.Fake(work), name="holding"))
    first, second, third = (runner.run(made, SMALL).peak_memory_mb for _ in range(3))
    assert first > 30
    assert abs(second - first) < 10 and abs(third - first) < 10


def test_memory_that_others_take_during_runs_does_not_add_up() -> None:
    others: list[np.ndarray] = []

    def work(image: Image, progress: Progress) -> Image:
        others.append(np.ones(8_000_000, np.uint8))  # a visitor's photo
        return upscaled(image)

    runner, made = Runner(), job(fakes.approach(fakes.Fake(work), name="beside"))
    peaks = [runner.run(made, SMALL).peak_memory_mb for _ in range(8)]
    assert max(peaks) < 30


def test_the_alpha_channel_of_a_result_is_not_held_by_the_model() -> None:
    def work(image: Image, progress: Progress) -> Image:
        return resize(image, (image.shape[0] * 4, image.shape[1] * 4))

    opaque = image_of(noise(700, 700))
    image = replace(opaque, alpha=readonly(noise(700, 700)[..., 0].copy()))
    made = job(fakes.approach(fakes.Fake(work), name="clear"))
    runner, other = Runner(), Runner()
    assert runner.run(made, image).image.alpha is not None, "31 MB"
    # The minimum of 3 runs: what else the process frees or allocates meanwhile is part of a peak.
    held, expected = (min(one.run(made, opaque).peak_memory_mb for _ in range(3)) for one in (runner, other))
    assert held == pytest.approx(expected, abs=15)


def test_one_failing_approach_never_hides_the_others(caplog: pytest.LogCaptureFixture) -> None:
    made = [fakes.raising_sr_error(), fakes.good("a"), fakes.raising_bug(), fakes.good("b")]
    with caplog.at_level(logging.ERROR):
        events = list(Runner().compare([job(a) for a in made], SMALL))
    assert [entry for entry in outline(events) if entry[0] != "Started"] == [
        ("Failed", "refusing"), ("Done", "a"), ("Failed", "buggy"), ("Done", "b"),
    ]  # fmt: skip
    first = next(h for h in events if isinstance(h, Failed))
    assert first.message == "This picture is too green. Choose another."


def test_a_bug_is_shown_as_a_reference_and_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        failed = list(Runner().compare([job(fakes.raising_bug())], SMALL))[-1]
    assert isinstance(failed, Failed)
    found = re.search(r"unexpected error, reference ([0-9a-f]{4})", failed.message)
    assert found is not None
    assert "secret" not in failed.message
    (record,) = caplog.records
    assert found[1] in record.getMessage() and "running buggy" in record.getMessage()
    assert "the secret of the machine room" in (caplog.text or "")
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "result",
    [
        lambda image: image,
        lambda image: upscaled(image).astype(np.float64),
        lambda image: readonly(upscaled(image) * np.float32("nan")),
        lambda image: readonly(np.full((image.shape[0] * 4, image.shape[1] * 4, 3), np.inf, np.float32)),
    ],
    ids=["size", "float64", "nan", "inf"],
)
def test_a_result_against_the_contract_is_a_bug_of_the_approach(result) -> None:
    with pytest.raises(AssertionError, match="odd returned"):
        Runner().run(job(fakes.returning(result)), SMALL)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_of_a_users_network_that_are_not_numbers_are_no_bug(value: float) -> None:
    file = WeightFile("mine.onnx", "0" * 64, 1, path=Path("mine.onnx"))
    made = fakes.returning(lambda image: readonly(upscaled(image) + np.float32(value)))
    theirs = job(replace(made, checkpoints=(Checkpoint("mine", "mine", (file,)),)))
    with pytest.raises(SRError, match=r"that are not numbers\. Choose fp32"):
        upscale_image(LoadedModel(theirs, fakes.upscaler_of(made)), SMALL, SILENT)


def test_values_are_clipped_and_results_are_read_only() -> None:
    """Values outside the range are clipped, and a result cannot be changed afterwards."""
    wild = fakes.returning(lambda image: upscaled(image) * np.float32(4) - np.float32(1))
    rgb = Runner().run(job(wild), SMALL).image.rgb
    assert rgb.min() == 0 and rgb.max() == 1
    assert not rgb.flags.writeable


def test_stop_keeps_what_is_finished_and_marks_the_rest() -> None:
    stop = Event()
    jobs = [job(fakes.good()), job(fakes.slow()), job(fakes.good("late"))]
    seen: list[RunEvent] = []
    for event in Runner().compare(jobs, image_of(noise(64, 64)), stop=stop):
        seen.append(event)
        if isinstance(event, Progressed) and event.job.key == "slow" and event.fraction > 0:
            stop.set()
    assert outline(seen) == [
        ("Started", "good"), ("Done", "good"), ("Started", "slow"), ("Stopped", "slow"),
        ("Started", "late"), ("Stopped", "late"),
    ]  # fmt: skip
    assert len(fakes.upscaler_of(jobs[1].approach).seen) < 64


def test_stop_takes_effect_within_one_tile() -> None:
    stop = Event()
    made = fakes.slow()
    upscaler = fakes.upscaler_of(made)

    def report(fraction: float, note: str) -> None:
        if note.startswith("tile 3"):
            stop.set()

    with pytest.raises(Cancelled):
        Runner().run(job(made), image_of(noise(64, 64)), progress=Progress(report, stop))
    assert len(upscaler.seen) <= 3


def test_closing_the_iterator_stops_the_work() -> None:
    made = fakes.slow()
    upscaler = fakes.upscaler_of(made)
    events = Runner().compare([job(made), job(fakes.good())], image_of(noise(128, 128)))
    assert isinstance(next(events), Started)
    assert isinstance(events, Generator)
    events.close()
    time.sleep(0.1)
    done = len(upscaler.seen)
    assert done < 100
    time.sleep(0.15)
    assert len(upscaler.seen) == done


def test_waiting_for_the_compute_lock_can_be_stopped() -> None:
    shared, inside, go_on = Runner(), Event(), Event()

    def work(image: Image, progress: Progress) -> Image:
        inside.set()
        go_on.wait(10)
        return upscaled(image)

    busy = Thread(target=lambda: shared.run(job(fakes.approach(fakes.Fake(work))), SMALL))
    busy.start()
    inside.wait(10)
    stop = Event()
    events = shared.compare([job(fakes.good())], SMALL, stop=stop)
    assert isinstance(next(events), Started)
    stop.set()
    assert isinstance(next(events), Stopped)
    assert busy.is_alive(), "it was not stopped but had its turn"
    go_on.set()
    busy.join()


def test_only_one_job_computes_at_a_time() -> None:
    shared, running, most = Runner(), [0], [0]

    def work(image: Image, progress: Progress) -> Image:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        running[0] -= 1
        return upscaled(image)

    made = job(fakes.approach(fakes.Fake(work)))
    threads = [Thread(target=lambda: shared.run(made, SMALL)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.parametrize("error", [OutOfMemory, MemoryError])
def test_out_of_memory_plans_again_with_smaller_tiles(error: type[Exception]) -> None:
    made = fakes.out_of_memory(fits=70 * 70, error=error)
    lr = image_of(noise(150, 130))
    result = Runner().run(job(made), lr)
    np.testing.assert_array_equal(result.image.rgb, upscaled(lr.rgb))
    assert 32 <= result.tile <= 66
    assert result.halo == 2
    tried = fakes.upscaler_of(made).seen
    assert tried[0] == (150, 130)
    assert len(set(tried[:3])) == 3, "the same plan was tried twice"


def test_out_of_memory_with_the_smallest_tiles_is_final_and_says_what_to_do() -> None:
    made = fakes.out_of_memory(fits=4)
    failed = list(Runner().compare([job(made)], image_of(noise(100, 100))))[-1]
    assert isinstance(failed, Failed)
    assert failed.message.startswith("This picture needs more memory than is free.")
    assert fakes.upscaler_of(made).seen == [(100, 100), (52, 52), (27, 34)], (
        "sides of 100, 50 and 32, with halo, rows even"
    )


def test_out_of_memory_for_the_result_itself_is_final_whatever_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def full(height: int, width: int, channels: int) -> None:
        asked.append((height, width))
        raise MemoryError

    monkeypatch.setattr("sr_demo.system.large_array.zeros", full)
    made = fakes.approach(fakes.upscaler_of(fakes.good()), tiling=Tiling("tiles", largest=64))
    with pytest.raises(OutOfMemory, match="more memory"):
        Runner().run(job(made), image_of(noise(100, 100)))
    assert len(asked) == 1, "smaller tiles do not make it smaller"


def test_out_of_memory_of_an_approach_without_tiles_is_reported_in_a_sentence() -> None:
    def work(image: Image, progress: Progress) -> Image:
        raise MemoryError

    with pytest.raises(OutOfMemory, match="more memory"):
        Runner().run(job(fakes.approach(fakes.Fake(work), tiling=OWN)), SMALL)


def test_the_tile_follows_the_memory_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 50 * 2**20)
    made = fakes.out_of_memory(fits=10**9)
    result = Runner().run(job(made), image_of(noise(200, 150)))
    assert result.tile == 97, "sqrt(0.4 * 50 MiB / 2 KiB) - 2 * halo"
    assert result.tiles == 6


def test_progress_never_decreases_and_reaches_one() -> None:
    seen: list[float] = []
    lr = image_of(noise(64, 64), alpha=readonly(np.full((64, 64), 0.5, np.float32)))
    Runner().run(job(fakes.slow(seconds=0)), lr, progress=Progress(lambda fraction, _: seen.append(fraction)))
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(set(seen)) > 100


def test_progress_events_are_throttled_and_carry_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakes.fake_clock(0.05)
    monkeypatch.setattr(runner.time, "monotonic", lambda: next(clock))
    events: list[RunEvent] = []
    report = runner._throttled(job(fakes.good()), events.append)
    for step in range(41):
        report(step / 40, "upscaling")
    assert 15 <= len(events) <= 22, "every second one, at 0.05 s each"
    times = [h.seconds_left for h in events if isinstance(h, Progressed)]
    assert times[0] is None
    assert times[10] == pytest.approx(1.0, abs=0.2)


def test_the_time_left_counts_neither_loading_nor_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(runner.time, "monotonic", lambda: now)
    events: list[RunEvent] = []
    report = runner._throttled(job(fakes.good()), events.append)
    for step, note in enumerate(["loading", *(f"tile {number} of 4" for number in range(1, 5))]):
        now = 60.0 * (step > 0) + step  # a minute passes before the first tile, then a second for each
        report(max(step - 1, 0) / 4, note)
    assert [h.seconds_left for h in events if isinstance(h, Progressed)] == [None, None, 3, 2, 1]


def test_the_reported_width_is_that_of_the_tiles() -> None:
    """Blended tiles have equal widths below the largest one, and a narrow image has tiles of its own width."""
    for size, blend, width, tiles in (((90, 90), 4, 45, 4), ((300, 20), 0, 20, 5)):
        rule = Tiling("tiles", halo=8, blend=blend, largest=64)
        made = fakes.approach(fakes.upscaler_of(fakes.good()), tiling=rule)
        result = Runner().run(job(made), image_of(noise(*size)))
        assert (result.tile, result.tiles) == (width, tiles)


# --- transparency and gray ------------------------------------------------------------------------------------------


def alpha_of(height: int, width: int) -> Image:
    mask = np.zeros((height, width), np.float32)
    mask[: height // 2] = 1
    mask[height // 2] = 0.4
    return readonly(mask)


def test_alpha_is_upscaled_by_the_approach_and_stays_opaque_where_it_was() -> None:
    def work(image: Image, progress: Progress) -> Image:
        return readonly(np.clip(upscaled(image) * np.float32(0.98) + np.float32(0.01), 0, 1))

    alpha = alpha_of(12, 10)
    made = fakes.Fake(work)
    result = Runner().run(job(fakes.approach(made)), image_of(noise(12, 10), alpha=alpha))
    found = result.image.alpha
    assert found is not None and found.shape == (48, 40) and found.dtype == np.float32
    assert not found.flags.writeable
    assert (found[:12] == 1).all() and (found[-12:] == 0).all()
    assert found[26, 5] == pytest.approx(0.4 * 0.98 + 0.01)
    assert made.seen == [(12, 10), (12, 10)]


def test_alpha_of_an_inventing_approach_is_bicubic() -> None:
    alpha = alpha_of(12, 10)
    made = fakes.Fake(lambda image, progress: upscaled(image))
    result = Runner().run(job(fakes.approach(made, invents=True)), image_of(noise(12, 10), alpha=alpha))
    np.testing.assert_array_equal(result.image.alpha, resize(alpha, (48, 40)))
    assert made.seen == [(12, 10)]


def test_a_gray_image_stays_gray() -> None:
    def tinted(image: Image) -> Image:
        return readonly(upscaled(image) * np.array([0.9, 1.0, 0.8], np.float32))

    gray = readonly(np.repeat(noise(8, 8)[..., :1], 3, axis=2))
    rgb = Runner().run(job(fakes.returning(tinted)), image_of(gray, gray=True)).image.rgb
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 1])
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])


def test_background_work_starts_when_no_request_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_lock, "_IDLE_SECONDS", 0.3)
    order: list[str] = []
    computing, go_on = Event(), Event()

    def visited(image: Image) -> Image:
        computing.set()
        assert go_on.wait(10)
        order.append("visitor")
        return upscaled(image)

    def aside(image: Image) -> Image:
        order.append("background")
        return upscaled(image)

    shared = Runner()
    visitor = Thread(target=shared.run, args=(job(fakes.returning(visited)), SMALL))
    visitor.start()
    assert computing.wait(10)
    background = Thread(target=shared.attempt_when_idle, args=(job(fakes.returning(aside, "aside")), SMALL))
    background.start()
    assert not order
    go_on.set()
    visitor.join()
    ended = time.monotonic()
    shared.attempt(job(fakes.good()), SMALL)
    background.join()
    assert order == ["visitor", "background"] and time.monotonic() - ended >= 0.3


def test_background_work_gives_way_to_a_request_and_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_lock, "_IDLE_SECONDS", 0.1)
    order: list[str] = []
    begun = Event()

    def aside(image: Image, progress: Progress) -> Image:
        begun.set()
        until = time.monotonic() + 10
        while "visitor" not in order and time.monotonic() < until:
            progress.check()
            time.sleep(0.005)
        order.append("background")
        return upscaled(image)

    def visited(image: Image, progress: Progress) -> Image:
        order.append("visitor")
        return upscaled(image)

    shared = Runner()
    outcomes: list = []
    slow, quick = (
        job(fakes.approach(fakes.Fake(work), name=name)) for work, name in ((aside, "aside"), (visited, "quick"))
    )
    background = Thread(target=lambda: outcomes.append(shared.attempt_when_idle(slow, SMALL)))
    background.start()
    assert begun.wait(10)
    shared.run(quick, SMALL)
    assert order == ["visitor"], "the request did not wait for the end of the background work"
    background.join(10)
    assert order == ["visitor", "background"] and isinstance(outcomes[0], Done)


# --- what is loaded, and for how long -------------------------------------------------------------------------------


def test_a_model_is_loaded_once() -> None:
    loads: list = []
    made = fakes.approach(fakes.Fake(lambda image, progress: upscaled(image)), loads=loads)
    shared = Runner()
    shared.warm(job(made))
    first = shared.run(job(made), SMALL)
    second = shared.run(job(made, steps=7), SMALL)
    assert len(loads) == 1
    assert first.load_seconds == second.load_seconds == 0


def test_memory_of_an_evicted_model_is_freed_despite_reference_cycles() -> None:
    held = model_cache.ModelCache()
    network = fakes.Fake(lambda image, progress: upscaled(image))
    identity = job(fakes.good()).identity
    network.itself = network  # type: ignore[attr-defined]
    gone = weakref.ref(network)
    held.keep(identity, network, 1)
    del network
    memory.release()
    assert gone() is not None
    held.drop(identity)
    memory.release()
    assert gone() is None


def test_an_option_that_changes_what_is_loaded_loads_again() -> None:
    loads: list = []
    made = fakes.approach(fakes.Fake(lambda image, progress: upscaled(image)), loads=loads, load_options=("strength",))
    shared = Runner()
    for strength in (0.5, 0.25, 0.5):
        shared.run(job(made, strength=strength), SMALL)
    assert [request.options.strength for request in loads] == [0.5, 0.25]
    shared.run(replace(job(made), precision="fp32"), SMALL)
    assert [request.precision for request in loads] == ["auto", "auto", "fp32"]


@pytest.mark.parametrize("checkpoint", ["compact", "general-x4v3", "x4plus", "x4plus-anime", "animevideo"])
def test_only_a_checkpoint_of_two_files_is_loaded_for_its_denoise(checkpoint: str) -> None:
    identities = [job_for(APPROACHES, f"real-esrgan:{checkpoint}", {"denoise": d}).identity for d in (1.0, 0.5)]
    assert (identities[0] == identities[1]) == (len(identities[0].checkpoint.files) == 1)


def test_the_least_recently_used_weights_are_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cache, "budget", lambda held: 250)
    monkeypatch.setattr(checkpoints, "fetch", lambda checkpoint, progress, agreed: (Path("unread"),))
    loads: dict[str, list] = {name: [] for name in "abc"}

    def sized(name: str) -> Job:
        checkpoint = Checkpoint("default", "heavy", (WeightFile(f"{name}.pth", "0" * 64, 100),))
        upscaler = fakes.Fake(lambda image, progress: upscaled(image))
        return job(fakes.approach(upscaler, name=name, loads=loads[name], checkpoint=checkpoint))

    a, b, c = sized("a"), sized("b"), sized("c")
    shared = Runner()
    for each in (a, b, a, c):  # 300 bytes: b goes, used longest ago
        shared.run(each, SMALL)
    for each in (a, c):
        shared.run(each, SMALL)
    assert [len(loads[name]) for name in "abc"] == [1, 1, 1]
    shared.run(b, SMALL)
    assert len(loads["b"]) == 2


def test_loaded_weights_may_take_a_quarter_of_what_would_be_free_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 300)
    assert model_cache.budget(100) == 100
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**50)
    assert model_cache.budget(100) == 2 * 2**30
    file = WeightFile("half.safetensors", "0" * 64, 100)
    assert model_cache.footprint(Checkpoint("default", "fp16 on the disk", (file,), parameters=50)) == 200


def test_a_loader_that_failed_is_called_again() -> None:
    """A failed download is not cached."""
    asked: list[int] = []

    def load(request):
        asked.append(1)
        if len(asked) == 1:
            raise BadInput("not yet")
        return fakes.Fake(lambda image, progress: upscaled(image))

    made = replace(fakes.good(), load=load)
    shared = Runner()
    with pytest.raises(BadInput):
        shared.run(job(made), SMALL)
    shared.run(job(made), SMALL)
    assert len(asked) == 2


def test_a_download_does_not_block_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    downloading, arrived = Event(), Event()

    def fetch(checkpoint, progress, agreed=False):
        if checkpoint.files:
            downloading.set()
            arrived.wait(10)
        return ()

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    shared = Runner()
    far = Checkpoint("default", "far", (WeightFile("far.pth", "0" * 64, 1, ("a/b:far.pth",)),))
    waiting = Thread(
        target=lambda: shared.run(
            job(fakes.approach(fakes.Fake(lambda image, progress: upscaled(image)), name="far", checkpoint=far)), SMALL
        )
    )
    waiting.start()
    assert downloading.wait(10)
    begun = time.monotonic()
    shared.run(job(fakes.good()), SMALL)
    assert time.monotonic() - begun < 5
    arrived.set()
    waiting.join()


@pytest.mark.parametrize("dropped", [False, True])
def test_files_are_fetched_once_for_each_loading_and_never_under_the_compute_lock(
    monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    shared, fetched = Runner(), list[bool]()

    def fetch(checkpoint, progress, agreed=False):
        fetched.append(shared._compute_lock.is_held)
        return ()

    extra: list[bool] = []
    monkeypatch.setattr(checkpoints, "fetch", fetch)
    made = job(replace(fakes.good(), fetch=lambda progress: extra.append(shared._compute_lock.is_held)))
    shared.run(made, SMALL)
    assert (fetched, extra) == ([False], [False])
    waiting = Thread(target=lambda: shared.run(made, SMALL))
    with shared._compute_lock.held():
        waiting.start()
        time.sleep(0.1)  # by now the thread has found the model in the cache, and waits for the lock
        if dropped:
            shared._models.drop(made)
    waiting.join()
    assert (fetched, extra) == (([False] * 2, [False] * 2) if dropped else ([False], [False]))


def test_files_fetched_ahead_are_not_fetched_again_by_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, fetched = Runner(), list[Checkpoint]()

    def fetch(checkpoint, progress, agreed=False):
        fetched.append(checkpoint)
        return ()

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    made = job(fakes.good())
    assert shared.fetch(made) == ()
    shared.run(made, SMALL)
    assert len(fetched) == 1
    assert shared.fetch(made) is None, "it is loaded"


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("nothing", {}, "There is no approach 'nothing'. There are: good."),
        ("good:large", {}, "good has no checkpoint 'large'. It has: default."),
        ("good", {"speed": 1}, "There is no option 'speed' here. It takes: steps, strength."),
        ("good", {"steps": 99}, "Steps must be between 1 and 9, not 99."),
    ],
)
def test_a_wrong_name_or_value_is_refused_in_one_sentence(name: str, values: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        job_for([fakes.good()], name, values)
    assert str(caught.value) == sentence


def test_a_job_is_named_by_its_checkpoint_unless_it_is_the_default() -> None:
    made = replace(fakes.good(), checkpoints=(Checkpoint("one", "first"), Checkpoint("two", "second")))
    assert [job_for([made], name).key for name in ("good", "good:one", "good:two")] == ["good", "good", "good:two"]
    assert job_for([made], "good:two").title == "Good (second)"


# --- memory ---------------------------------------------------------------------------------------------------------


def test_peak_memory_is_that_of_the_approach() -> None:
    def work(image: Image, progress: Progress) -> Image:
        held = np.ones(200_000_000, np.uint8)
        time.sleep(0.05)
        assert held[-1] == 1
        return upscaled(image)

    shared = Runner()
    hungry = shared.run(job(fakes.approach(fakes.Fake(work))), SMALL)
    assert 195 <= hungry.peak_memory_mb <= 230
    modest = shared.run(job(fakes.good()), SMALL)
    assert modest.peak_memory_mb < 30


def _group(folder: Path, limit: str, used: int, cache: int = 0, version: int = 2) -> None:
    """Make `folder` look like a memory cgroup."""
    folder.mkdir(parents=True, exist_ok=True)
    limits, usage = (
        ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (folder / limits).write_text(f"{limit}\n")
    (folder / usage).write_text(f"{used}\n")
    total = "" if version == 2 else "total_"
    (folder / "memory.stat").write_text(f"anon 1\nfile {cache}\n{total}inactive_file {cache}\n{total}active_file 0\n")


def _member(folder: Path, patch: pytest.MonkeyPatch, lines: str) -> None:
    """Let this process be a member of the groups in `lines`, below `folder`."""
    (folder / "membership").write_text(lines)
    patch.setattr(memory, "_CGROUP", folder)
    patch.setattr(memory, "_MEMBERSHIP", folder / "membership")


@pytest.mark.parametrize(
    ("limit", "used", "cache", "available"),
    [
        ("1000000", 400_000, 0, 600_000),
        ("1000000", 990_000, 500_000, 510_000),
        ("1000000", 2_000_000, 0, 0),
    ],
    ids=["free", "filled by file cache", "over the limit"],
)
@pytest.mark.parametrize(
    ("lines", "where", "version"),
    [
        ("0::/\n", ".", 2),
        ("0::/system.slice/sr.service\n", "system.slice/sr.service", 2),
        ("0::/system.slice/sr.service\n", "system.slice", 2),
        ("4:memory:/docker/0f\n0::/\n", "memory", 1),
        ("9:name=x:/\n4:cpu,memory:/sr\n", "memory/sr", 1),
    ],
    ids=["container", "service", "slice above it", "container, version 1", "group, version 1"],
)
def test_memory_limits_of_containers_and_services_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: int, cache: int, available: int,
    lines: str, where: str, version: int,
) -> None:  # fmt: skip
    _group(tmp_path / where, limit, used, cache, version)
    _member(tmp_path, monkeypatch, lines)
    assert memory.available_bytes() == available


@pytest.mark.parametrize("limit", ["max", "9" * 18, None])
def test_without_a_limit_the_free_memory_of_the_system_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None
) -> None:
    if limit is not None:
        _group(tmp_path, limit, 1000)
    _member(tmp_path, monkeypatch, "0::/\n")
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Free", (), {"available": 12_345}))
    assert memory.available_bytes() == 12_345
