"""A full disk (a small one, mounted for the subprocess only) gives one sentence and leaves no incomplete file."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sr_demo.image import ImageData, write_png
from tests.conftest import noise

ROOT = Path(__file__).resolve().parents[2]
ON_A_SMALL_DISK = """
mount -t tmpfs -o size=$2 none "$1"; disk=$1; shift 2
status=0; "$@" || status=$?
find "$disk" -mindepth 1 -type f -printf '%f %s\\n' | sort; exit $status
"""


@functools.cache
def can_mount() -> bool:
    """Whether this user may mount in a namespace of its own: Linux, and not in every container."""
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


def run(disk: Path, size: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`sr_demo` with `disk` of that size, and after its output the files that lie on it."""
    if not can_mount():
        pytest.skip("no disk can be mounted here without being root")
    disk.mkdir()
    return subprocess.run(
        ["unshare", "-rm", "bash", "-c", ON_A_SMALL_DISK, "_", str(disk), size, sys.executable, "-m", "sr_demo", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=100, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_batch_ends_with_a_sentence_and_whole_results(tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        write_png(ImageData(noise(64, 64, number)), folder / f"{number}.png", level=1)
    disk = tmp_path / "disk"
    done = run(disk, "256k", "batch", str(folder), "--approach", "bicubic", "--out", str(disk))
    assert done.returncode == 2
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("sr_demo: ") and f"{disk}: No space left on device" in said
    assert "Traceback" not in done.stderr
    left = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.count(" ") == 1)
    assert any(name.endswith(".png") and int(size) > 0 for name, size in left.items())
    assert not [name for name in left if name.endswith(".part")]


def test_an_export_ends_with_a_sentence_and_nothing_else(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    target = disk / "net.safetensors"
    done = run(disk, "32k", "export", "espcn", "--format", "safetensors", "--out", str(target))
    assert done.returncode == 2
    said = f"sr_demo: {target} cannot be written: No space left on device. Choose another --out."
    assert done.stderr.strip().splitlines()[-1] == said
    assert done.stdout == "" and "Traceback" not in done.stderr
