"""Needs of large methods and the messages where they are not met; downloads of gigabytes only by agreement."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import psutil
import pytest

from sr_demo.checkpoint import Checkpoint, Repository
from sr_demo.errors import CannotRunHere, WeightsUnavailable
from sr_demo.hub import checkpoints, repositories
from sr_demo.inference.jobs import Job
from sr_demo.options import Options, controls, text
from sr_demo.progress import SILENT
from sr_demo.reports import formatting
from sr_demo.reports.catalogue_listing import describe
from sr_demo.system import hardware
from sr_demo.system.hardware import HardwareRequirements
from sr_demo.ui import method_choices
from tests import fakes
from tests.hub_server import Fault, HubServer

FILES = {
    "model_index.json": b'{"a": 1}',
    "unet/config.json": b"{}",
    "unet/weights.fp16.safetensors": bytes(range(256)) * 500,
    "unet/weights.safetensors": b"twice as large",
    "unet/weights.bin": b"a pickle",
}
REPOSITORY = Repository("owner/pipeline", ("*.json", "unet/*.fp16.safetensors"), 130_000)
NEEDS = HardwareRequirements(
    12 * 10**9, 16 * 10**9, "a minute", packages=("json", "no_such_package"), variables=("SR_DEMO_NOWHERE",)
)
LARGE = Checkpoint("large", "Large", repositories=(REPOSITORY,))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with HubServer({"owner/pipeline": dict(FILES)}) as server:
        server.serve_client(monkeypatch, tmp_path)
        yield server


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """`here(gpu GB, ram GB)`: a machine."""

    def make(gpu: float, ram: float) -> None:
        monkeypatch.setattr(hardware, "_gpu_bytes", lambda: int(gpu * 1e9))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=int(ram * 1e9)))

    return make


def test_all_missing_needs_are_in_one_sentence(here) -> None:
    here(0, 8)
    lacking = hardware.obstacle(replace(LARGE, needs=NEEDS).needs)
    assert lacking == (
        "needs a GPU with 12 GB (here: none), 16 GB of RAM (here: 8 GB), `pip install -r requirements-diffusion.txt` "
        "and your own copy, set by SR_DEMO_NOWHERE"
    )
    with pytest.raises(CannotRunHere, match=r"^SUPIR needs a GPU .* SR_DEMO_NOWHERE\. Nothing was downloaded\.$"):
        hardware.check("SUPIR", replace(LARGE, needs=NEEDS).needs)


def test_there_is_no_obstacle_where_all_needs_are_met(here, monkeypatch) -> None:
    needs = replace(NEEDS, packages=("json",))
    monkeypatch.setenv("SR_DEMO_NOWHERE", "/somewhere")
    here(11.6, 15.5)  # sold as 12 and 16
    assert hardware.obstacle(replace(LARGE, needs=needs).needs) == ""
    here(8, 15.5)
    assert hardware.obstacle(replace(LARGE, needs=needs).needs) == "needs a GPU with 12 GB (here: 8 GB)"
    assert hardware.obstacle(LARGE.needs) == ""


def test_a_zero_gpu_space_counts_as_having_a_gpu(here, monkeypatch) -> None:
    here(0, 64)
    monkeypatch.setitem(sys.modules, "spaces", ModuleType("spaces"))
    assert hardware.gpu_bytes() == 0
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert hardware.gpu_bytes() == hardware.ZERO_GPU_BYTES
    monkeypatch.setenv("SR_DEMO_NOWHERE", "/somewhere")
    needs = replace(NEEDS, packages=())
    assert hardware.obstacle(replace(needs, variables=())) == ""
    # A person's own copy runs in a process of its own, which cannot borrow.
    assert hardware.obstacle(replace(LARGE, needs=needs).needs) == "needs a GPU with 12 GB (here: none)"


def test_what_cannot_run_is_listed_with_its_reason_and_not_offered(here) -> None:
    here(0, 64)
    large = replace(
        fakes.good("large"), checkpoints=(replace(LARGE, needs=replace(NEEDS, packages=())),), preselected=False
    )
    good = fakes.good("good")
    first, more = method_choices.offered([good, large])
    assert [job.key for job in (*first, *more)] == ["good"]
    ((label, key),) = method_choices.unavailable_choices([good, large])
    assert key == "large" and "needs a GPU with 12 GB (here: none)" in label
    assert "NOWHERE · about 130 kB to download" in label
    assert "only on request" in label and label.endswith("a minute")
    (listed,) = describe([large])[0]["checkpoints"]
    assert listed["cannot_run_here"].startswith("needs a GPU") and listed["needs"] == "GPU 12 GB, RAM 16 GB"
    label = formatting.method_label(Job(large, large.checkpoint(), large.options()), 90, here=False)
    assert "· 90 s\n" in label and label.endswith("your own copy · Apache-2.0 · GPU 12 GB, RAM 16 GB")
    assert method_choices.downloads([good, large]) == ""


def test_the_size_of_a_download_is_shown_before_the_user_agrees(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    gigabytes = replace(LARGE, repositories=(replace(REPOSITORY, bytes=17_700_000_000),))
    large = replace(fakes.good("large"), title="Large", checkpoints=(gigabytes,))
    assert method_choices.downloads([large]) == "Large about 17.7 GB"
    with pytest.raises(WeightsUnavailable, match=r"about 17.7 GB must be downloaded .* fetched unasked"):
        checkpoints.fetch(gigabytes)
    assert not list(tmp_path.iterdir())


def test_licences_state_whether_business_use_is_allowed() -> None:
    said = [
        formatting.licence(replace(LARGE, licence=name)) for name in ("MIT", "OpenRAIL++-M", "SUPIR, non-commercial")
    ]
    assert said == ["MIT", "OpenRAIL++-M (check before commercial use)", "SUPIR, non-commercial (no commercial use)"]


@pytest.mark.hub
def test_a_repository_is_fetched_once_and_only_what_is_wanted(hub: HubServer) -> None:
    assert not checkpoints.is_available(LARGE)
    notes: list[str] = []
    from sr_demo.progress import Progress

    (folder,) = checkpoints.fetch(LARGE, Progress(lambda fraction, note: notes.append(note)), agreed=True)
    wanted = {"model_index.json", "unet/config.json", "unet/weights.fp16.safetensors"}
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name[0] != "."} == wanted
    assert all((folder / name).read_bytes() == FILES[name] for name in wanted)
    assert checkpoints.is_available(LARGE) and any(note.startswith("downloading") for note in notes)
    asked = len(hub.requests)
    assert checkpoints.fetch(LARGE) == (folder,) and len(hub.requests) == asked


@pytest.mark.hub
def test_wrong_bytes_are_not_kept_and_the_rest_is_not_fetched_again(hub: HubServer) -> None:
    name = "owner/pipeline:unet/weights.fp16.safetensors"
    hub.faults[name] = Fault(wrong_bytes=True)
    with pytest.raises(WeightsUnavailable, match="owner/pipeline could not be fetched from the Hub"):
        checkpoints.fetch(LARGE, SILENT, agreed=True)
    folder = repositories.folder(REPOSITORY)
    assert (folder / "model_index.json").is_file() and not (folder / "unet/weights.fp16.safetensors").exists()
    assert not checkpoints.is_available(LARGE) and not list(folder.glob(".part-*"))
    hub.faults.clear()
    hub.requests.clear()
    checkpoints.fetch(LARGE, SILENT, agreed=True)
    assert "GET owner/pipeline:model_index.json" not in hub.requests and checkpoints.is_available(LARGE)


@pytest.mark.hub
def test_more_than_was_agreed_to_is_refused(hub: HubServer) -> None:
    small = replace(REPOSITORY, bytes=1000)
    with pytest.raises(WeightsUnavailable, match="agreed to"):
        repositories.fetch(small, SILENT)
    assert not [request for request in hub.requests if request.startswith("GET owner/pipeline:")]


@pytest.mark.hub
@pytest.mark.parametrize(
    ("change", "said"), [({"name": "owner/gone"}, "repository"), ({"patterns": ("*.onnx",)}, "file")]
)
def test_missing_files_on_the_hub_are_named(hub: HubServer, change, said: str) -> None:
    with pytest.raises(WeightsUnavailable, match=said):
        repositories.fetch(replace(REPOSITORY, **change), SILENT)


def test_offline_nothing_is_requested(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match=r"could not be fetched from the Hub \(offline\)"):
        checkpoints.fetch(LARGE, SILENT, agreed=True)


def test_the_prompt_does_not_change_the_time_estimate() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Worded(Options):
        prompt: str = text("", "Prompt", "Words.", lines=3, longest=10)

    approach = replace(fakes.good("worded"), options=Worded)
    assert Job(approach, approach.checkpoint(), Worded("a cat")).timing_key == "worded"
    assert Worded("two\nlines").prompt == "two lines"
    assert controls(Worded)[0].lines == 3


def test_other_programs_are_busy_where_this_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def spent(busy: float, idle: float, own: float) -> None:
        monkeypatch.setattr(hardware, "_processor_seconds", lambda: (busy, idle, own))

    spent(10, 10, 1)
    load = hardware.OtherLoad()
    spent(14, 10, 5)
    assert load.share() == 0, "only this process was busy"
    spent(18, 10, 5)
    assert load.share() == 0.5
