"""A batch gives the same files whatever happens to it on the way."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from tifffile import TiffWriter

from sr_demo.approaches.baselines import BICUBIC, LANCZOS
from sr_demo.batch import workers
from sr_demo.batch.manifest import NAME, manifest_lock, temporary_path
from sr_demo.batch.run import Batch, Summary, run
from sr_demo.batch.workers import perform_here, perform_in
from sr_demo.cli.main import main
from sr_demo.codecs import decode
from sr_demo.errors import BadInput, OutOfMemory, StorageError
from sr_demo.image import ImageData, quantize, read, readonly, write_png
from sr_demo.imaging.output_size import parse
from sr_demo.imaging.resize import downscale, resize
from sr_demo.inference.jobs import Job
from sr_demo.options import Options
from tests.conftest import noise
from tests.fakes import job, raising_bug

JOB = Job(BICUBIC, BICUBIC.checkpoints[0], Options())
CHILD = """
import sys
from pathlib import Path
from sr_demo.approaches.baselines import BICUBIC
from sr_demo.options import Options
from sr_demo.batch.run import Batch, run
from sr_demo.batch.workers import perform_here
from sr_demo.inference.jobs import Job
job = Job(BICUBIC, BICUBIC.checkpoints[0], Options())
summary = run(Batch(job, Path(sys.argv[1]), Path(sys.argv[2]), resume=True), perform_here)
print(summary.done, summary.kept, len(summary.failed))
"""


def images(folder: Path, count: int, side: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_png(ImageData(noise(side, side, number)), folder / f"{number:03d}.png", level=1)
    return folder


def batch(source: Path, out: Path, **more: Any) -> Batch:
    return Batch(JOB, source, out, **more)


def do(wanted: Batch) -> Summary:
    return run(wanted, perform_here)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / NAME).read_text().splitlines()]


def results(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*.png"))}


@pytest.mark.slow
def test_a_batch_killed_three_times_gives_the_bytes_of_an_undisturbed_run(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 200), tmp_path / "out"
    subprocess.run([sys.executable, "-c", CHILD, source, tmp_path / "undisturbed"], check=True, capture_output=True)
    for enough in (40, 90, 150):
        child = subprocess.Popen([sys.executable, "-c", CHILD, source, out])
        deadline = time.monotonic() + 60
        while not (out / NAME).exists() or (out / NAME).read_bytes().count(b"\n") < enough:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait()
    last = subprocess.run([sys.executable, "-c", CHILD, source, out], capture_output=True, text=True, check=True)
    done, kept, failed = map(int, last.stdout.split())
    assert done + kept == 200 and kept >= 150 and failed == 0
    assert results(out) == results(tmp_path / "undisturbed")
    sources = [line["source"] for line in lines(out)]
    assert len(sources) == len(set(sources)) == 200, "something was done twice"
    assert not list(out.rglob(".*.part"))


def test_a_line_holds_everything_that_determines_the_result(tmp_path: Path) -> None:
    source = images(tmp_path / "in", 1)
    do(batch(source, tmp_path / "out"))
    (line,) = lines(tmp_path / "out")
    assert line["source"] == "000.png" and line["result"] == "000.png" and line["page"] is None
    assert line["approach"] == "bicubic" and line["options"] == {} and line["checkpoint_sha256"] == []
    assert line["precision"] == "fp32" and (line["width"], line["height"]) == (32, 32) and line["seconds"] > 0
    assert len(line["input_sha256"]) == len(line["result_sha256"]) == 64
    assert line["metrics"]["lr_consistency"] > 20 and line["metrics"]["psnr_y"] is None


def test_a_result_killed_before_its_renaming_is_finished_not_repeated(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 2), tmp_path / "out"
    do(batch(source, out))
    os.replace(out / "001.png", temporary_path(out / "001.png"))
    summary = do(batch(source, out, resume=True))
    assert (summary.done, summary.kept) == (0, 2)
    assert (out / "001.png").exists()


def test_changed_results_and_changed_inputs_are_computed_again(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 3), tmp_path / "out"
    do(batch(source, out))
    before = results(out)
    (out / "000.png").write_bytes(before["000.png"][:100])
    write_png(ImageData(noise(8, 8, 77)), source / "001.png")
    summary = do(batch(source, out, resume=True))
    assert (summary.done, summary.kept) == (2, 1)
    assert results(out)["000.png"] == before["000.png"] and results(out)["001.png"] != before["001.png"]


def test_a_torn_last_line_is_dropped_and_half_files_are_swept(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 2), tmp_path / "out"
    do(batch(source, out))
    whole = (out / NAME).read_text()
    (out / NAME).write_text(whole[:-30])
    (out / f".{'deadbeef' * 4}.part").write_bytes(b"half")
    (out / ".download.part").write_bytes(b"the user's own")
    summary = do(batch(source, out, resume=True))
    assert (summary.done, summary.kept) == (1, 1)
    assert len(lines(out)) == 2 and [path.name for path in out.glob(".*.part")] == [".download.part"]


def test_bad_files_are_recorded_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 2), tmp_path / "out"
    (source / "000a.jpg").write_text("not a picture")
    for summary in (do(batch(source, out)), do(batch(source, out, resume=True))):
        assert summary.failed == [lines(out)[1]["message"]] and summary.failed[0].startswith(
            "000a.jpg is not a picture"
        )
    assert [line["status"] for line in lines(out)] == ["done", "unreadable", "done"]
    assert summary.kept == 2


def test_the_size_belongs_to_the_batch_and_results_are_scored_at_it(tmp_path: Path) -> None:
    originals, out = images(tmp_path / "hr", 1, side=48), tmp_path / "out"
    small = downscale(read(originals / "000.png").rgb, 3)
    (tmp_path / "in").mkdir()
    write_png(ImageData(small), tmp_path / "in" / "000.png")
    sized = replace(batch(tmp_path / "in", out, references=originals), job=replace(JOB, size=parse("3x")))
    assert do(sized).done == 1
    (line,) = lines(out)
    assert (line["width"], line["size"], line["sizing"]) == (48, "3x", "x3") and line["metrics"]["psnr_y"] > 10
    with pytest.raises(BadInput, match="size was 3x, now it is 2x"):
        do(replace(sized, resume=True, job=replace(JOB, size=parse("2x"))))
    with pytest.raises(BadInput, match="at whole factors only"):
        do(replace(sized, out=tmp_path / "other", job=replace(JOB, size=parse("2.5x"))))


def test_a_batch_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    """It has no size in its lines."""
    source, out = images(tmp_path / "in", 1), tmp_path / "out"
    do(batch(source, out))
    (line,) = lines(out)
    del line["size"]
    (out / NAME).write_text(json.dumps(line) + "\n")
    assert do(batch(source, out, resume=True)).kept == 1


def test_a_bug_is_one_line_and_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, out = images(tmp_path / "in", 2), tmp_path / "out"
    for again in (False, True):
        summary = do(Batch(job(raising_bug()), source, out, resume=again))
        assert len(summary.failed) == 2 and "machine room" not in summary.failed[0]
    assert len(lines(out)) == 4 and caplog.records


def test_pages_of_a_stack_are_separate_tasks(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    deep = [np.rint(noise(12, 10, n)[..., 0] * 65535).astype(np.uint16) for n in range(3)]
    plain = [quantize(noise(9, 8, n)) for n in range(2)]
    with TiffWriter(source / "deep.tif") as stack:
        for page in deep:
            stack.write(page, photometric="minisblack")
    with TiffWriter(source / "plain.tiff") as stack:
        for page in plain:
            stack.write(page, photometric="rgb")
        stack.write(plain[0][::2, ::2], photometric="rgb", subfiletype=1)  # a preview is not a page
    assert do(batch(source, out)).done == 5
    assert set(results(out)) == {f"deep_p{n:04d}.png" for n in (1, 2, 3)} | {f"plain_p{n:04d}.png" for n in (1, 2)}
    second = read(out / "deep_p0002.png")
    assert second.gray and second.bits == 16
    expected = resize(readonly(np.asarray(deep[1] / 65535, np.float32)), (48, 40))
    assert np.abs(second.rgb[..., 0] - expected).max() < 2e-4
    colours = read(out / "plain_p0002.png").rgb
    assert np.abs(colours - resize(readonly(np.asarray(plain[1] / 255, np.float32)), (36, 32))).max() < 0.003


def test_a_corrupt_page_does_not_spoil_its_stack(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    with TiffWriter(source / "s.tif") as stack:
        for n in range(3):
            stack.write(quantize(noise(16, 16, n)), photometric="rgb", compression="zlib")
    from tifffile import TiffFile

    with TiffFile(source / "s.tif") as tif:
        offset = tif.pages.get(1, aspage=True).dataoffsets[0]
    content = bytearray((source / "s.tif").read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    (source / "s.tif").write_bytes(content)
    summary = do(batch(source, tmp_path / "out"))
    assert summary.done == 2 and len(summary.failed) == 1
    assert summary.failed[0].startswith("s.tif, page 2: ")


def test_names_never_collide_and_stay_when_files_are_added(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 1), tmp_path / "out"
    (source / "000.PNG").write_bytes((source / "000.png").read_bytes())
    images(source / "sub", 1)
    do(batch(source, out, recursive=True))
    before = results(out)
    assert set(before) == {"000.png", "000_2.png", "sub/000.png"}
    (source / "000.bmp").write_bytes((source / "000.png").read_bytes())
    summary = do(batch(source, out, recursive=True, resume=True))
    assert (summary.done, summary.kept) == (1, 3)
    assert before.items() <= results(out).items()


def test_scores_against_references(tmp_path: Path) -> None:
    source, references, out = tmp_path / "in", tmp_path / "hr", tmp_path / "out"
    source.mkdir()
    references.mkdir()
    true = noise(48, 48)
    write_png(ImageData(true), references / "a.png")
    write_png(ImageData(downscale(true, 4)), source / "ax4.png")
    write_png(ImageData(noise(8, 8)), source / "b.png")
    do(batch(source, out, references=references))
    scored, unscored = lines(out)
    assert 15 < scored["metrics"]["psnr_y"] < 60 and "remark" not in scored
    assert unscored["metrics"]["psnr_y"] is None and "no reference" in unscored["remark"]


def test_values_of_references_are_mapped_like_those_of_the_inputs(tmp_path: Path) -> None:
    smooth = resize(noise(8, 8), (48, 48))
    true, small = smooth[..., 0], downscale(smooth, 4)[..., 0]
    hot = true.copy()
    hot[9, 9] = 5
    for folder, plane in (("in", small), ("hr", hot)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", plane * np.float32(784))
        tifffile.imwrite(tmp_path / folder / "b.tif", plane * np.float32(784))
    tifffile.imwrite(tmp_path / "hr" / "b.tif", np.rint(true * 65535).astype(np.uint16))
    do(batch(tmp_path / "in", tmp_path / "out", references=tmp_path / "hr"))
    scored, unscored = lines(tmp_path / "out")
    assert scored["metrics"]["psnr_y"] > 25
    assert unscored["metrics"]["psnr_y"] is None and "from different ranges" in unscored["remark"]


def test_a_reference_that_does_not_fit_into_memory_costs_its_scores_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = images(tmp_path / "in", 1)
    images(tmp_path / "hr", 1)
    given = workers.read

    def read(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.parent.name == "hr":
            raise OutOfMemory
        return given(path, *arguments, **named)

    monkeypatch.setattr(workers, "read", read)
    assert do(batch(source, tmp_path / "out", references=tmp_path / "hr")).done == 1
    (line,) = lines(tmp_path / "out")
    assert line["metrics"]["psnr_y"] is None and "needs more memory" in line["remark"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EIO, "Input/output error"), "000.png cannot be read: Input/output error."),
        (OSError(errno.EMFILE, "Too many open files"), "000.png cannot be read: Too many open files."),
        (MemoryError(), "000.png needs more memory than there is here. Crop it or scale it down first."),
    ],
)
@pytest.mark.parametrize("place", ["_from_pillow", "check_file"])
def test_an_error_that_passes_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception, sentence: str
) -> None:
    source, out = images(tmp_path / "in", 1), tmp_path / "out"

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(decode, place, fail)
        assert do(batch(source, out)).failed == [sentence]
    summary = do(batch(source, out, resume=True))
    assert (summary.done, summary.failed) == (1, [])


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(tmp_path: Path) -> None:
    source = images(tmp_path / "in", 6)
    (source / "bad.png").write_bytes(b"")
    assert run(batch(source, tmp_path / "two"), perform_in(2)).done == 6
    do(batch(source, tmp_path / "one"))
    assert results(tmp_path / "one") == results(tmp_path / "two")


def test_a_resumed_batch_keeps_its_precision(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 2), tmp_path / "out"
    do(batch(source, out))
    (out / "001.png").unlink()
    seen: list[str] = []

    def watch(wanted: Batch, tasks: Any) -> Iterator[dict[str, Any]]:
        seen.append(wanted.running.precision)
        return perform_here(wanted, tasks)

    run(batch(source, out, resume=True), watch)
    assert JOB.precision == "auto" and seen == ["fp32"]


@pytest.mark.parametrize("mistake", ["no folder", "empty", "same folder", "file as out", "no hr"])
def test_unusable_folders_are_one_sentence(tmp_path: Path, mistake: str) -> None:
    source, out, hr = images(tmp_path / "in", 1), tmp_path / "out", None
    if mistake == "no folder":
        source = tmp_path / "none"
    elif mistake == "empty":
        (source / "000.png").unlink()
    elif mistake == "same folder":
        out = source
    elif mistake == "file as out":
        out.write_text("a file")
    else:
        hr = tmp_path / "none"
    with pytest.raises((BadInput, StorageError)) as raised:
        do(batch(source, out, references=hr))
    assert str(raised.value).endswith((".", ")")) and "\n" not in str(raised.value)


def test_another_batch_in_the_folder_is_refused(tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", 1), tmp_path / "out"
    do(batch(source, out))
    with pytest.raises(BadInput, match="--resume"):
        do(batch(source, out))
    with pytest.raises(BadInput, match="another batch: approach was bicubic"):
        do(Batch(Job(LANCZOS, LANCZOS.checkpoints[0], Options()), source, out, resume=True))
    with manifest_lock(out), pytest.raises(BadInput, match="Another batch is writing"):
        do(batch(source, out, resume=True))
    (out / NAME).write_text("hello\n")
    with pytest.raises(BadInput, match="Line 1"):
        do(batch(source, out, resume=True))


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk_ends_it_in_one_sentence_and_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    source, out = images(tmp_path / "in", 5), tmp_path / "out"
    real, calls = os.write, iter(range(100))

    def write(file: int, data: bytes) -> int:
        if next(calls) == 2:
            written = real(file, data[:10])
            if short:
                return written
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr("sr_demo.batch.manifest.os.write", write)
    with pytest.raises(StorageError, match="No space left"):
        do(batch(source, out))
    assert len(results(out)) == len(lines(out)) == 2
    summary = do(batch(source, out, resume=True))
    assert summary.done + summary.kept == 5 and len(results(out)) == len(lines(out)) == 5


def test_a_file_named_like_a_folder_of_results_gets_another_name(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "x.png").mkdir(parents=True)
    for name in ("x.jpg", "x.png/inner.jpg"):
        Pillow.new("RGB", (8, 8)).save(source / name)
    arguments = ["batch", str(source), "--approach", "bicubic", "--out", str(out), "--recursive"]
    assert main(arguments) == 0
    assert (out / "x_2.png").is_file() and (out / "x.png" / "inner.png").is_file()
    assert main([*arguments, "--resume"]) == 0


def test_a_folder_without_images_leaves_no_folder_of_results(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert main(["batch", str(tmp_path / "in"), "--approach", "bicubic", "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
