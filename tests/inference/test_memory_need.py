"""The need of a job is computed before it starts, and a refusal names a size that fits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import OutOfMemory, StorageError
from sr_demo.image import ImageData, readonly, write_png
from sr_demo.imaging.output_size import by_factor
from sr_demo.inference import memory_need
from sr_demo.inference.jobs import job_for
from sr_demo.inference.memory_need import AvailableResources, Need, Traits, need_of, refuse
from sr_demo.inference.runner import Runner
from sr_demo.system import large_array, memory, storage
from tests.conftest import image_of, noise

ROOT = Path(__file__).resolve().parents[2]
AMPLE = AvailableResources(10**10, 10**12, sys.maxsize)
HUNDRED_MP = (9999, 9999)


def traits(name: str, **more: object) -> Traits:
    job = job_for(APPROACHES, name)
    return Traits(job.approach, job.checkpoint, job.options, **more)  # type: ignore[arg-type]


def test_a_small_result_needs_no_disk_and_a_large_one_no_memory() -> None:
    assert need_of(traits("bicubic"), 100, 100) == Need(12 * 160_000, 0, 12 * 160_000, 160_000)
    large = need_of(traits("bicubic"), *HUNDRED_MP)
    assert (large.memory, large.pixels) == (0, 39996**2)
    assert large.disk == 39996**2 * (3 + 3)


def test_alpha_gray_and_bit_depth_count() -> None:
    pixels = 39996**2
    assert need_of(traits("bicubic", opacity=True, bits=16), *HUNDRED_MP).disk == pixels * (12 + 4 + 8)
    assert need_of(traits("bicubic", gray=True), *HUNDRED_MP).disk == pixels * (3 + 1)
    assert need_of(traits("bicubic", opacity=True), *HUNDRED_MP).disk == pixels * (3 + 4 + 4)


def test_a_large_result_in_8_bits_is_held_twice_where_it_is_rounded_at_the_end() -> None:
    """Where tiles are blended or a resampling comes last, and where two results are blended into one."""
    pixels = 4000 * 4000 * 16
    assert need_of(traits("edsr"), 4000, 4000).disk == pixels * (3 + 3)
    assert need_of(traits("hat"), 4000, 4000).disk == pixels * (12 + 3)
    assert need_of(traits("edsr", bits=16), 4000, 4000).disk == pixels * (12 + 6)
    assert need_of(traits("srgan", blended=True), 4000, 4000).disk == pixels * (2 * 12 + 12 + 3)
    assert need_of(traits("srgan", blended=True, limited=True), 4000, 4000).disk == pixels * (2 * 12 + 4 + 12 + 3)
    smaller = need_of(traits("edsr", size=by_factor(2)), 4000, 4000)
    assert smaller.disk == pixels * 12 + pixels // 4 * 12, (
        "the result at four times, and that at twice, not yet rounded"
    )
    assert smaller.memory == pixels // 4 * 3


def test_the_largest_result_that_lies_in_memory_is_one_of_4096_by_4096() -> None:
    assert need_of(traits("bicubic"), 1024, 1024).memory == large_array.IN_MEMORY
    assert need_of(traits("bicubic"), 1024, 1025).memory == 0


@pytest.mark.parametrize("approach", APPROACHES, ids=lambda a: a.id)
def test_every_approach_is_tiled_or_declares_what_it_holds(approach: object) -> None:
    """No approach takes an image of 100 megapixels with more memory than is allowed."""
    for checkpoint in approach.checkpoints:  # type: ignore[attr-defined]
        job = Traits(approach, checkpoint, approach.options())  # type: ignore[attr-defined,arg-type]
        rule = approach.tiling_of(checkpoint)  # type: ignore[attr-defined]
        if rule.mode == "tiles":
            assert need_of(job, *HUNDRED_MP).memory == 0
        elif rule.bytes_per_result_pixel:
            with pytest.raises(OutOfMemory, match="of memory"):
                refuse(job, HUNDRED_MP, AvailableResources(memory_need._HELD, 10**12, sys.maxsize))


@pytest.mark.parametrize(
    ("there", "error", "scarce"),
    [
        (AvailableResources(10**10, 5_300_000_000, sys.maxsize), StorageError, "9.6 GB of disk; 5.3 GB are free"),
        (
            AvailableResources(10**10, 10**12, 4 * 10**9),
            OutOfMemory,
            "4.8 GB of address space; this process is limited to 4.0 GB",
        ),
    ],
)
def test_the_refusal_is_one_sentence_with_a_size_that_fits(
    there: AvailableResources, error: type[Exception], scarce: str
) -> None:
    with pytest.raises(error) as caught:
        refuse(traits("bicubic"), HUNDRED_MP, there)
    said = str(caught.value)
    assert said.startswith("The result would have 1600 megapixels and needs ") and scarce in said
    found = re.search(r"at most (\d+) x (\d+) pixels\.$", said)
    assert found
    side = int(found[1])
    refuse(traits("bicubic"), (side, side), there)
    with pytest.raises(error):
        refuse(traits("bicubic"), (side + 1, side + 1), there)
    refuse(traits("bicubic"), HUNDRED_MP, AMPLE)


def test_the_runner_refuses_before_it_loads_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    with pytest.raises(OutOfMemory, match=r"needs 0\.\d GB of memory; 0\.0 GB may be used: crop"):
        Runner().run(job_for(APPROACHES, "liif"), image_of(noise(200, 200)))


def test_limits_of_the_process_are_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    assert (
        memory_need._free_addresses() == sys.maxsize
        or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    )
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**50, 2**50))
    assert 2**49 < memory_need._free_addresses() < 2**50


def test_a_cache_folder_that_cannot_be_written_leaves_no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "file"))
    assert storage.cache_folder().is_file()
    assert memory_need.available_resources().disk == 0


LIMITED = """
import resource, sys
import sr_demo.inference.runner, sr_demo.catalogue, sr_demo.image, cv2
from pathlib import Path
from sr_demo.cli.main import main
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS works on Linux")
@pytest.mark.parametrize(("megabytes", "expected"), [(1500, 0), (300, 2), (40, 2)])
def test_with_little_memory_the_command_line_succeeds_or_says_why(
    megabytes: int, expected: int, tmp_path: Path
) -> None:
    file = tmp_path / "moderate.png"
    rgb = np.broadcast_to(np.linspace(0, 1, 1600, dtype=np.float32)[None, :, None], (1400, 1600, 3))
    write_png(ImageData(readonly(np.ascontiguousarray(rgb))), file, level=1)
    command = ["upscale", str(file), "--approach", "bicubic", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(megabytes * 2**20), *command],
        capture_output=True, text=True, cwd=ROOT, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr
    if expected:
        assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.strip().endswith("."), done.stderr
    else:
        assert "6400 x 5600" in done.stdout
