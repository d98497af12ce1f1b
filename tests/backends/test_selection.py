"""Converted networks give the results of torch, open without importing it, and are used only where they are faster."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino")

from sr_demo.backends import openvino_backend, selection
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import BackendVerdict, ConvertedFiles, Preparer
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint, Tiling, WeightFile
from sr_demo.errors import Cancelled, WeightsUnavailable
from sr_demo.image import Image, readonly
from sr_demo.inference import compute_lock
from sr_demo.inference.jobs import Job, is_prepared
from sr_demo.inference.runner import Runner
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach, Precision, Request, Upscaler
from tests.conftest import flip_bit, image_of, noise

ROOT = Path(__file__).resolve().parents[2]


def small_network(request: Request) -> Upscaler:
    import torch

    from sr_demo.backends.torch_backend import NetworkUpscaler
    from sr_demo.networks.edsr import EDSR

    torch.manual_seed(0)
    return NetworkUpscaler(EDSR(1, 8, 4), request.precision if request.precision != "auto" else "fp32")


def made(name: str) -> Approach:
    """An approach of its own for each test, since verdicts stay on the disk."""
    file = WeightFile("edsr-x4.safetensors", name * 8, 1)
    checkpoint = Checkpoint("one", "one", (file,), bytes_per_pixel=100)
    return Approach(
        id=name, title=name, summary="", about="", family="convolutional", load=small_network,
        checkpoints=(checkpoint,), tiling=Tiling("tiles", halo=6),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:

    def fetch(checkpoint: Checkpoint, progress: Progress, agreed: bool) -> list[Path]:
        return [Path("edsr-x4.safetensors")]

    monkeypatch.setattr("sr_demo.hub.checkpoints.fetch", fetch)


@pytest.fixture(scope="module")
def converted() -> Path:
    """The network, converted once for all tests: that takes seconds."""
    which = which_of(job_of("first"))
    selection.prepare(FakePreparation(which, job_of("first")))
    return which.folder


def given(converted: Path, job: Job) -> ConvertedFiles:
    """The converted files of `job`, with the network in place."""
    which = which_of(job)
    which.folder.mkdir(parents=True)
    for file in converted.glob("model.*"):
        shutil.copy(file, which.folder)
    return which


def loaded(job: Job) -> Upscaler:
    return small_network(Request(job.checkpoint, [], job.options, "fp32", SILENT))


class FakePreparation:
    """A `selection.Preparation` of `job`, beside which nothing computes."""

    def __init__(self, files: ConvertedFiles, job: Job, upscaler: Upscaler | None = None) -> None:
        self.files, self.job = files, job
        self.upscaler = upscaler or loaded(job)

    def load_exact(self) -> Upscaler:
        return loaded(self.job)

    def computing(self, *, gives_way: bool) -> AbstractContextManager[Progress]:
        return nullcontext(SILENT)

    def decided(self, verdict: BackendVerdict) -> None:
        pass


def job_of(name: str) -> Job:
    approach = made(name)
    return Job(approach, approach.checkpoints[0], Options(), "fp32")


def which_of(job: Job) -> ConvertedFiles:
    found = selection.converted_files(job.identity)
    assert found is not None
    return found


def decide(which: ConvertedFiles, backend: str) -> None:
    """Store this backend as the faster one: which one really is depends on the CPU."""
    verdict = selection.stored_verdict(which)
    assert verdict is not None
    selection.store(which, replace(verdict, backend=backend, settled=True))


def test_a_converted_network_gives_the_results_of_torch_at_every_size_without_importing_it(converted: Path) -> None:
    job = job_of("first")
    which = which_of(job)
    torch_one, verdict = loaded(job), selection.stored_verdict(which)
    assert verdict is not None and verdict.precision == "fp32"
    assert verdict.agreement_db > 100
    assert verdict.seconds <= verdict.seconds_other
    decide(which, "OpenVINO")
    opened = selection.open_stored(which)
    assert opened is not None
    for size in ((1, 1), (1, 7), (33, 17), (64, 64), (7, 5)):
        image = noise(*size)
        ours = opened.upscale(image, Options(), SILENT)
        assert not ours.flags.writeable
        np.testing.assert_allclose(ours, torch_one.upscale(image, Options(), SILENT), atol=1e-5)
    code = (
        "import sys, numpy as np; from sr_demo.backends import selection; from sr_demo.options import Options;"
        "from sr_demo.progress import SILENT; which = selection.ConvertedFiles(*sys.argv[1:3], 4);"
        "image = np.zeros((8, 8, 3), np.float32); selection.open_stored(which).upscale(image, Options(), SILENT);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, which.key, "fp32"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_the_runner_uses_and_reports_the_faster_backend(converted: Path) -> None:
    job, image = job_of("second"), image_of(noise(40, 30))
    which = given(converted, job)
    preparer = Preparer()
    runner = Runner(preparer=preparer)
    first = runner.run(job, image)
    assert first.backend == "torch"
    preparer.wait()
    for backend in ("OpenVINO", "torch"):
        decide(which, backend)
        assert is_prepared(job) == (backend == "OpenVINO")
        later = Runner().run(job, image)
        assert later.backend == backend
        np.testing.assert_allclose(later.image.rgb, first.image.rgb, atol=1e-5)
    assert not Preparer().begin(FakePreparation(which, job)), "the verdict is stored already"


def test_a_damaged_file_is_converted_again(converted: Path) -> None:
    job = job_of("third")
    which = given(converted, job)
    verdict = selection.prepare(FakePreparation(which, job))
    decide(which, "OpenVINO")
    (which.folder / "model.xml").write_text("no model")
    assert selection.open_stored(which) is None
    assert selection.stored_verdict(which) is None
    which.folder.mkdir(parents=True, exist_ok=True)
    for text in ("{", json.dumps(verdict.__dict__)):  # the latter has no checksum
        which.verdict_file.write_text(text)
        assert selection.stored_verdict(which) is None


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "model.bin.sha256"])
def test_a_flipped_bit_is_found_and_the_network_converted_again(converted: Path, name: str) -> None:
    job = job_of(f"flipped {name}")
    which = given(converted, job)
    preparation = FakePreparation(which, job)
    selection.prepare(preparation)
    decide(which, "OpenVINO")
    flip_bit(which.folder / name)
    assert selection.open_stored(which) is None, "torch computes meanwhile"
    assert not which.folder.exists()
    if name != "model.bin":
        return
    assert selection.prepare(preparation).agreement_db > 100
    decide(which, "OpenVINO")
    opened, image = selection.open_stored(which), noise(20, 24)
    assert opened is not None
    exact = preparation.upscaler.upscale(image, Options(), SILENT)
    np.testing.assert_allclose(opened.upscale(image, Options(), SILENT), exact, atol=1e-5)


def test_a_flipped_bit_in_a_verdict_costs_only_the_verdict(converted: Path) -> None:
    job = job_of("flipped verdict")
    which = given(converted, job)
    selection.prepare(FakePreparation(which, job))
    flip_bit(which.verdict_file)
    assert selection.stored_verdict(which) is None
    assert selection.prepare(FakePreparation(which, job)) == selection.stored_verdict(which)


@pytest.mark.parametrize("left", [True, False])
def test_what_is_converted_of_a_users_file_stays_only_while_the_file_does(
    converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    """A page may be closed, and its model deleted, while that is being converted."""
    file = tmp_path / "mine.safetensors"
    file.touch()
    job = job_of(f"file {left}")
    weights = replace(job.checkpoint.files[0], name=file.name, path=file)
    which = which_of(replace(job, checkpoint=replace(job.checkpoint, files=(weights,))))

    def convert(network: object, folder: Path) -> None:
        shutil.copytree(converted, folder)
        if not left:
            file.unlink()

    monkeypatch.setattr(openvino_backend, "convert", convert)
    with nullcontext() if left else pytest.raises(WeightsUnavailable, match="changed or removed"):
        selection.convert(which, object)
    assert which.folder.exists() == left


def test_a_conversion_with_other_results_never_wins(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of("fourth")
    wrong = loaded(job)
    honest = wrong.upscale

    def darker(image: Image, options: Options, progress: Progress) -> Image:
        return readonly(honest(image, options, progress) * np.float32(0.9))

    monkeypatch.setattr(wrong, "upscale", darker)
    assert selection.prepare(FakePreparation(given(converted, job), job, wrong)).backend == "torch"


def test_unsteady_times_are_not_settled(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of("sixth")
    which, upscaler = given(converted, job), loaded(job)
    monkeypatch.setattr(selection, "_SETTLED", 0.0)  # no two times are that close
    verdict = selection.prepare(FakePreparation(which, job, upscaler))
    assert verdict.settled == (verdict.backend == "OpenVINO")
    selection.store(which, replace(verdict, backend="torch", settled=False))
    preparer = Preparer()
    monkeypatch.undo()
    assert preparer.begin(FakePreparation(which, job, upscaler)), "timed again"
    preparer.wait()


def test_a_timing_that_other_programs_disturb_is_repeated_in_the_same_process(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of("seventh")
    monkeypatch.setattr(selection, "_PAUSE", 0.01)
    monkeypatch.setattr(ConvertedNetwork, "upscale", slow(ConvertedNetwork.upscale))  # torch wins
    monkeypatch.setattr(selection, "_LOOK", 0.0)
    monkeypatch.setattr(selection, "_SETTLED", 1e9)  # only the loads below decide
    busy = [0.9] * 2 * selection._MOST_RACES  # more often than it is timed
    loads = iter([0.9, *busy, 0.0, 0.5, *busy, 0.0, 0.0])  # timed at the first; after each 0.0 it is timed again
    monkeypatch.setattr(selection.OtherLoad, "share", lambda _: next(loads))
    given(converted, job)
    settled, done = list[bool](), Event()

    class Watched(FakePreparation):
        def decided(self, verdict: BackendVerdict) -> None:
            settled.append(verdict.settled)
            if verdict.settled:
                done.set()

    assert Preparer().begin(Watched(which_of(job), job))
    assert done.wait(60)
    assert settled == [False, False, True]


def test_a_request_ends_the_timing_which_starts_again_after_it(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_lock, "_IDLE_SECONDS", 0.1)
    job, image, begun, ends = job_of("eighth"), image_of(noise(20, 24)), Event(), list[str]()
    which = given(converted, job)

    def timing(first: Upscaler, candidate: ConvertedNetwork, check: Callable[[], None]) -> BackendVerdict:
        begun.set()
        for _ in range(0 if ends else 100):  # the first takes ten seconds
            time.sleep(0.1)
            try:
                check()
            except Cancelled:
                ends.append("cancelled")
                raise
        ends.append("decided")
        return BackendVerdict("torch", "fp32", 1.0, 2.0, 100.0)

    monkeypatch.setattr(selection, "compare_speed", timing)
    preparer = Preparer()
    runner = Runner(preparer=preparer)
    runner.run(job, image)
    assert begun.wait(60)
    runner.run(job, image)
    preparer.wait()
    assert ends == ["cancelled", "decided"] and selection.stored_verdict(which) is not None


def test_requests_without_end_do_not_put_off_the_timing_for_ever(
    converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, attempts = job_of("ninth"), list[bool]()

    class Busy(FakePreparation):
        @contextmanager
        def computing(self, *, gives_way: bool) -> Generator[Progress]:
            attempts.append(gives_way)
            stop = Event()
            if gives_way:
                stop.set()
            yield Progress(stop=stop)

    def timing(first: Upscaler, candidate: ConvertedNetwork, check: Callable[[], None]) -> BackendVerdict:
        check()
        return BackendVerdict("torch", "fp32", 1.0, 2.0, 100.0)

    monkeypatch.setattr(selection, "compare_speed", timing)
    assert selection.prepare(Busy(given(converted, job), job)).backend == "torch"
    assert attempts == [True, True, True, True, False]


def slow(honest: Callable[..., Image]) -> Callable[..., Image]:
    def upscale(*given: Any) -> Image:
        time.sleep(0.02)
        return honest(*given)

    return upscale


@pytest.mark.parametrize(("enough", "settled", "turns"), [(0.0, 0.0, 3), (1e9, 1e9, 4), (1e9, 0.0, 13)])
def test_slow_networks_are_timed_in_fewer_rounds(
    converted: Path, monkeypatch: pytest.MonkeyPatch, enough: float, settled: float, turns: int
) -> None:
    upscaler, runs = loaded(job_of("first")), list[Image]()
    honest = upscaler.upscale

    def counted(image: Image, options: Options, progress: Progress) -> Image:
        runs.append(image)
        return honest(image, options, progress)

    monkeypatch.setattr(upscaler, "upscale", counted)
    monkeypatch.setattr(selection, "_ENOUGH", enough)
    monkeypatch.setattr(selection, "_SETTLED", settled)
    selection.compare_speed(upscaler, ConvertedNetwork(converted, "fp32", 4))
    assert len(runs) == turns, "the first warms up"


def test_fp16_other_options_and_networks_without_files_stay_in_torch() -> None:
    identity = job_of("fifth").identity
    assert selection.converted_files(identity) is not None
    assert selection.converted_files(replace(identity, precision="fp16")) is None
    assert selection.converted_files(replace(identity, checkpoint=replace(identity.checkpoint, files=()))) is None
    assert selection.converted_files(replace(identity, load_options=(("depth", 3),))) is None


@pytest.mark.parametrize("name", ["hat", "drct"])
def test_attention_networks_can_be_converted(name: str) -> None:
    assert selection.can_prepare(embedded(next(a for a in APPROACHES if a.id == name), "auto"))


def embedded(approach: Approach, precision: Precision) -> Upscaler:
    checkpoint = approach.checkpoints[0]
    files = [EMBEDDED / file.name for file in checkpoint.files]
    return approach.load(Request(checkpoint, files, approach.options(), precision, SILENT))
