"""A batch on Ray writes what a batch here writes, also when a worker is killed in the middle."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sr_demo.batch import ray_workers
from sr_demo.batch.manifest import NAME
from sr_demo.cli import main
from sr_demo.image import ImageData, write_png
from sr_demo.system import ray_cluster
from tests.conftest import noise

ROOT = Path(__file__).resolve().parents[2]
KILLS_A_WORKER = """
import json, os, signal, sys
from pathlib import Path
import psutil
from sr_demo.catalogue import APPROACHES
from sr_demo.batch.run import Batch, run
from sr_demo.batch.ray_workers import OnRay
from sr_demo.inference.jobs import job_for

seen, killed = set(), []

def tell(event):
    workers = [p for p in psutil.Process().children(recursive=True) if "_Worker" in p.name()]
    seen.update(p.pid for p in workers)
    if event.done == 5 and not killed:
        killed.append(workers[0].pid)
        workers[0].send_signal(signal.SIGKILL)

batch = Batch(job_for(APPROACHES, "edsr"), Path(sys.argv[1]), Path(sys.argv[2]))
summary = run(batch, OnRay(2), tell)
print(json.dumps({"done": summary.done, "failed": summary.failed, "seen": len(seen), "killed": len(killed)}))
"""


def images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        write_png(ImageData(noise(16, 24, number)), folder / f"{number:03d}.png", level=1)
    return folder


def lines(out: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in (out / NAME).read_text().splitlines()]
    assert len({line["source"] for line in found}) == len(found), "something was done twice"
    return {line["source"]: line for line in found}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (requirements-ray.txt)")
@pytest.mark.timeout(600)
def test_a_killed_worker_loses_no_result_and_changes_no_byte(tmp_path: Path) -> None:
    """Runs in a process of its own, so that Ray's workers and their warnings stay out of the test process."""
    source = images(tmp_path / "in", 12)
    (source / "003a.png").write_bytes(b"not a picture")
    # A busy machine starts Ray's helpers late; its own limit of 30 s is for quiet ones.
    patient = {**os.environ, "RAY_agent_register_timeout_ms": "300000"}
    child = subprocess.run(
        [sys.executable, "-c", KILLS_A_WORKER, source, tmp_path / "ray"],
        cwd=ROOT, env=patient, check=True, timeout=500, capture_output=True, text=True,
    )  # fmt: skip
    summary = json.loads(child.stdout.splitlines()[-1])
    assert summary["done"] == 12 and summary["killed"] == 1 and summary["seen"] >= 3, summary
    assert [name.partition(":")[0] for name in summary["failed"]] == ["003a.png"]
    assert main.main(["batch", str(source), "--approach", "edsr", "--out", str(tmp_path / "here")]) == 2
    there, here = lines(tmp_path / "ray"), lines(tmp_path / "here")
    for line in (*there.values(), *here.values()):
        line.pop("seconds", None)
    assert there == here
    for name in here:
        if here[name]["status"] == "done":
            assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert not list((tmp_path / "ray").glob(".*.part"))


def test_only_code_and_weights_are_sent_to_a_cluster(tmp_path: Path) -> None:
    for name in ("sr_demo", "weights", ".git", ".venv", "docs", "tests"):
        (tmp_path / name).mkdir()
    # Names only: after a pattern for everything, Ray sent an empty folder, whatever was excepted from it.
    assert ray_workers._excluded(tmp_path) == ["/.git", "/.venv", "/docs", "/tests", "__pycache__"]


def test_a_missing_ray_is_reported_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(ray_cluster, "import_module", missing)
    out = tmp_path / "out"
    arguments = ["batch", str(images(tmp_path / "in", 1)), "--approach", "bicubic", "--out", str(out)]
    assert main.main([*arguments, "--engine", "ray"]) == 2  # words: ok
    assert "pip install -r requirements-ray.txt" in capsys.readouterr().err
    assert not list(out.glob("*.png"))


def test_options_of_ray_need_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["batch", str(tmp_path), "--approach", "bicubic", "--out", str(tmp_path / "out")]
    assert main.main([*arguments, "--ray-address", "auto"]) == 2
    assert "--engine ray" in capsys.readouterr().err  # words: ok
