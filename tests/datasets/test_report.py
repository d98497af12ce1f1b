"""The data set report: each measure does what it says, bad images are skipped, and the reports name them."""

import json
import os
import signal
import time
from math import inf
from threading import Event

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.cli import main
from sr_demo.datasets.entries import Entry, entries, from_files
from sr_demo.datasets.findings import findings
from sr_demo.datasets.html_report import data_body, data_html
from sr_demo.datasets.inspection import crops, luma_of, measure, radial_spectrum
from sr_demo.datasets.plots import histogram
from sr_demo.datasets.report import HeldOutSet, examine, facts
from sr_demo.errors import BadInput, Cancelled, TookTooLong
from sr_demo.image import Limits, quantize, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.progress import Progress
from tests.conftest import noise


@pytest.fixture(scope="module")
def photo():
    image = next(s for s in SAMPLES if s.id == "coffee").make()
    return readonly(np.ascontiguousarray(image[100:292, 150:406]))


@pytest.fixture
def folder(tmp_path, photo):
    place = tmp_path / "photos"
    place.mkdir()
    small = resize(photo, (96, 128))
    for i, image in enumerate((photo, noise(96, 128, seed=5), small, noise(64, 64, seed=2))):
        Pillow.fromarray(quantize(image)).save(place / f"p{i}.png")
    return place


# --- one picture ------------------------------------------------------------------------------------------------------


def test_blur_lowers_sharpness_and_raises_ease(photo):
    soft = readonly(np.asarray(cv2.GaussianBlur(photo, (0, 0), 2), np.float32))
    sharp, blurred = measure("a", photo, None), measure("b", soft, None)
    assert blurred.sharpness < sharp.sharpness / 3
    assert blurred.psnr_y > sharp.psnr_y + 3
    assert blurred.spectrum is not None and sharp.spectrum is not None
    assert blurred.spectrum[-6:].mean() < sharp.spectrum[-6:].mean() - 5
    assert blurred.brightness == pytest.approx(sharp.brightness, abs=0.5)


def test_white_noise_has_the_same_power_everywhere():
    """Of deviation 10: 20 log10(10) = 20 dB."""
    white = np.random.default_rng(0).normal(128, 10, (256, 256)).astype(np.float32)
    found = radial_spectrum(white)
    assert found is not None and np.abs(found[2:] - 20).max() < 0.7, "the first two rings hold few values"
    assert radial_spectrum(white[:31, :]) is None


def test_a_sine_wave_has_its_power_in_its_ring():
    x = np.arange(256)
    wave = np.broadcast_to(128 + 50 * np.sin(2 * np.pi * 0.25 * x), (256, 256)).astype(np.float32)
    found = radial_spectrum(wave)
    assert found is not None and int(found.argmax()) in (11, 12), "0.25 of 0.5 cycles is in the middle of 24 rings"


def test_a_white_image_is_clipped_and_too_small_ones_are_refused():
    white = measure("w", readonly(np.ones((64, 64, 3), np.float32)), None)
    assert white.clipped == 1 and white.contrast == 0 and white.gray and white.psnr_y == inf and white.niqe is None
    with pytest.raises(BadInput, match=r"t\.png has 7 x 9"):
        measure("t.png", readonly(np.zeros((9, 7, 3), np.float32)), None)


def test_the_difficulty_uses_the_lr_image_of_the_data_set(photo):
    other = readonly(1 - downscale(photo, 4))
    assert measure("a", photo, other).psnr_y < measure("a", photo, None).psnr_y - 5


def test_crops_show_the_same_place(photo):
    hr, lr, bicubic = crops(photo, None, 64)
    assert hr.shape == bicubic.shape == (64, 64, 3) and lr.shape == (16, 16, 3)
    assert float(np.abs(resize(hr, (16, 16)) - lr).mean()) < 0.02
    assert float(luma_of(hr).std()) > 5


# --- a set ------------------------------------------------------------------------------------------------------------


def test_a_folder_with_a_copy_a_bad_file_and_a_leak(folder, tmp_path, photo):
    (folder / "broken.png").write_bytes(b"not a picture")
    test = tmp_path / "test"
    test.mkdir()
    Pillow.fromarray(quantize(photo)[:, ::-1]).save(test / "leaked.png")
    Pillow.fromarray(quantize(noise(80, 80, seed=9))).save(test / "clean.png")
    what, found = entries(folder)
    report = examine("photos", what, found, HeldOutSet("test", entries(test)[1]))
    data = facts(report)
    assert what == "a folder of 5 pictures"
    assert data["measured"] == 4 and data["pictures"] == 5 and "broken.png" in data["skipped"][0]
    assert data["duplicates"] == [["p0.png", "p2.png"]]
    leaks = {(leak["picture"], leak["of"]): leak["is"] for leak in data["against"]["leaks"]}
    assert leaks[("p0.png", "leaked.png")] == "mirrored" and all(name != "clean.png" for _, name in leaks)
    summary = data["summary"]["bicubic_psnr_y"]
    values = sorted(row["bicubic_psnr_y"] for row in data["rows"])
    assert summary["min"] == values[0] and summary["max"] == values[-1]
    assert [t.psnr_y for t in report.hardest] == pytest.approx(values[:2], abs=1e-3)
    assert [t.psnr_y for t in report.easiest] == pytest.approx(values[:1:-1], abs=1e-3)
    json.dumps(data, allow_nan=False)
    page = data_html(report)
    for wanted in (
        "broken.png",
        "p0.png, p2.png",
        "leaked.png: mirrored",
        "take them out",
        "<svg",
        "Hardest for bicubic</h3>",
    ):
        assert wanted in page
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_names_are_escaped_in_html(photo):
    bad = "<img src=x>.png"
    report = examine(bad, "a folder of 1 pictures", [Entry(bad, lambda: (photo, None))])
    assert "<img src=x" not in data_html(report) and "&lt;img src=x&gt;" in data_html(report)


def test_stop_reports_what_was_measured_until_then(folder):
    stop = Event()
    notes: list[str] = []

    def report_progress(fraction, note):
        notes.append(note)
        if len(notes) == 3:
            stop.set()

    _, found = entries(folder)
    report = examine("photos", "", found, None, Progress(report_progress, stop))
    assert report.stopped and len(report.images) == 3 and "Stopped after 3 of 4" in data_body(report)
    with pytest.raises(Cancelled):
        examine("photos", "", found, None, Progress(stop=stop))


@pytest.mark.parametrize("at", ["tests: ", "searching for cut-outs", "showing "])
def test_stop_during_the_comparison_keeps_what_was_measured(folder, at):
    stop = Event()
    seen: list[str] = []

    def report_progress(fraction, note):
        assert not stop.is_set(), "nothing goes on after Stop"
        seen.append(note)
        if note.startswith(at):
            stop.set()

    _, found = entries(folder)
    report = examine("photos", "", found, HeldOutSet("tests", found), Progress(report_progress, stop))
    assert report.stopped and len(report.images) == 4
    body, unsearched = data_body(report), "Stopped before copies of tests were searched for."
    assert (unsearched in body) is (at == "tests: ") and facts(report)["measured"] == 4
    assert (report.against == "tests") is (at != "tests: ") and report.searched_cut_outs is (at == "showing ")
    assert ("Stopped before everything was searched for and shown." in body) is (at != "tests: ")
    report.leaks = []
    extents = {
        "searching for cut-outs": "whole (stopped before parts were searched for)",
        "showing ": "whole or in part",
    }
    if extent := extents.get(at):
        assert f"None of the 4 pictures of tests is among them, {extent}." in findings(report)


def test_the_time_limit_keeps_what_was_measured(photo, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def read():
        clock[0] += 1
        return photo, None

    found = [Entry(f"{number}.png", read) for number in range(4)]
    for tests in (None, HeldOutSet("tests", found)):
        clock[0] = 0
        report = examine("photos", "", found, tests, Progress(deadline=1.5))
        assert report.stopped and len(report.images) == 2 and "Stopped after 2 of 4" in data_body(report)
    clock[0] = 0
    report = examine("photos", "", found, HeldOutSet("tests", found), Progress(deadline=5.5))
    assert len(report.images) == 4 and report.not_searched == "tests"
    with pytest.raises(TookTooLong):
        examine("photos", "", found, None, Progress(deadline=0))


def test_an_image_that_is_removed_after_it_was_measured_is_not_shown(folder):
    _, found = entries(folder)
    reads = []

    def once():
        reads.append(1)
        if len(reads) > 1:
            raise BadInput("p0.png is gone.")
        return found[0].read()

    report = examine("photos", "", [Entry("p0.png", once), *found[1:]])
    assert len(report.images) == 4 and not report.stopped and len(reads) > 1
    assert [shown.name for shown in report.samples] == ["p1.png", "p2.png", "p3.png"]


def test_after_stop_no_test_image_is_read(folder):
    stop, read = Event(), []
    _, found = entries(folder)

    def report_progress(fraction, note):
        stop.set()

    tests = [Entry(entry.name, lambda: read.append(1)) for entry in found]  # type: ignore[arg-type,return-value]
    report = examine("photos", "", found, HeldOutSet("tests", tests), Progress(report_progress, stop))
    assert report.stopped and len(report.images) == 1 and not read
    assert "Stopped before copies of tests were searched for." in data_body(report)


def test_nothing_usable_is_one_sentence(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(BadInput, match=r"None of the 1 pictures of x .*a\.png"):
        examine("x", "", entries(tmp_path)[1])


def test_div2k_and_npz_are_recognised(tmp_path, photo):
    root = tmp_path / "DIV2K"
    for place in ("DIV2K_train_HR", "DIV2K_train_LR_bicubic/X4"):
        (root / place).mkdir(parents=True)
    Pillow.fromarray(quantize(photo)).save(root / "DIV2K_train_HR" / "0001.png")
    Pillow.fromarray(quantize(downscale(photo, 4))).save(root / "DIV2K_train_LR_bicubic" / "X4" / "0001x4.png")
    what, (entry,) = entries(root)
    hr, lr = entry.read()
    assert "DIV2K" in what and lr is not None and lr.shape[0] * 4 == hr.shape[0]
    (tmp_path / "stacks").mkdir()
    large = np.stack([quantize(noise(64, 64, seed=i)) for i in range(3)])
    np.savez(tmp_path / "stacks" / "hr_images.npz", large)
    np.savez(tmp_path / "stacks" / "hr_lr_images.npz", large[:, ::4, ::4])
    what, found = entries(tmp_path / "stacks")
    assert len(found) == 3 and "64 x 64" in what and "16 x 16" in what
    assert found[1].read()[1].shape == (16, 16, 3)  # type: ignore[union-attr]
    Pillow.fromarray(quantize(photo)).save(tmp_path / "stacks" / "photo.webp")
    assert "64 x 64" not in entries(tmp_path / "stacks")[0], "photos beside arrays, as `train` takes them"


def test_images_beyond_the_limits_are_skipped(folder):
    small = Limits(max_pixels=1000)
    with pytest.raises(BadInput, match="None of the 4"):
        examine("photos", "", from_files(sorted(folder.iterdir()), small))


def test_histograms_count_every_image():
    svg = histogram([0, 1, 1, 2, 300], "Brightness", "levels", (0, 255))
    assert "5 pictures" in svg and svg.count("<rect") == 2 and "4 from 0 to" in svg
    assert histogram([], "Nothing", "") == ""
    assert "<rect" in histogram([3.0, 3.0], "All alike", "dB")


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_findings_and_writes_both_reports(folder, tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    status = main.main(["data", str(folder), "--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")])
    said = capsys.readouterr()
    assert status == 0 and "4 pictures were measured" in said.out and "1 picture is a copy" in said.out
    assert json.loads((tmp_path / "r.json").read_text())["measured"] == 4
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_the_measuring_and_still_reports(folder, monkeypatch, capsys):
    from sr_demo.datasets import report as data_report

    real, seen = data_report.measure, []

    def measured(name, hr, lr):
        seen.append(name)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(name, hr, lr)

    monkeypatch.setattr(data_report, "measure", measured)
    assert main.main(["data", str(folder)]) == 0
    assert "Stopped after 2 of 4" in capsys.readouterr().out


def test_ctrl_c_before_the_first_usable_image_is_no_bug(tmp_path, monkeypatch, capsys):
    from sr_demo.datasets import entries as listing

    def bad():
        signal.raise_signal(signal.SIGINT)
        raise BadInput("a.png is damaged.")

    monkeypatch.setattr(listing, "entries", lambda path: ("", [Entry("a.png", bad)] * 2))
    assert main.main(["data", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_wrong_place_is_one_line(tmp_path, capsys):
    assert main.main(["data", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_is_named_however_its_path_is_written(folder, tmp_path, monkeypatch, capsys):
    """`.` is a path without a last part: a report without a name lost its leaks."""
    monkeypatch.chdir(folder)
    assert main.main(["data", "../photos", "--against", ".", "--json", "d.json"]) == 0
    found = json.loads((folder / "d.json").read_text())
    assert found["against"]["name"] == found["name"] == "/".join(folder.parts[-2:])
    assert len(found["against"]["leaks"]) >= 4
    assert f"also in {found['name']}: take them out" in capsys.readouterr().out
    nameless = examine("", "", entries(folder)[1], HeldOutSet("", entries(folder)[1]))
    assert facts(nameless)["against"]["leaks"] and any("also in" in sentence for sentence in findings(nameless))
