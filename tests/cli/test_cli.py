"""The command line: results on standard output, one line for each problem on standard error."""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo import catalogue
from sr_demo.approaches import baselines
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.cli import console, main, upscale
from sr_demo.cli.bench.commands import SUBCOMMANDS
from sr_demo.cli.console import stoppable
from sr_demo.cli.memory import ACTIONS
from sr_demo.cli.parser import Command
from sr_demo.codecs.image_files import ImageFiles, find_images
from sr_demo.deploy import report as deploy_report
from sr_demo.errors import StorageError
from sr_demo.faces.detection import Face
from sr_demo.image import Image, encode_png, read, write_png
from sr_demo.imaging.alignment import Shift, undo_shift
from sr_demo.imaging.resize import resize
from sr_demo.inference import faithful
from sr_demo.inference.jobs import job_for
from sr_demo.options import GenerativeOptions
from sr_demo.progress import Progress
from sr_demo.reports import evaluation
from sr_demo.spec import Approach, Request, Upscaler
from tests import fakes
from tests.conftest import image_of, noise

ROOT = Path(__file__).resolve().parents[2]
KEYS = [
    "approach", "checkpoint", "images", "scale", "psnr_y", "ssim_y", "psnr_rgb", "ms_ssim", "gmsd", "lpips", "dists",
    "flip", "frc_cutoff", "improvement", "omission", "hallucination", "lr_consistency", "niqe",
    "seconds_per_image", "peak_memory_mb", "precision", "precision_loss_db", "tile", "halo", "notes",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _plain_logging() -> Iterator[None]:
    """`main` configures logging for its process: each test starts with logging that is not configured."""
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers = []
    yield
    root.handlers = before


class Outcome:
    """The output of one command and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture
def sr(capsys: pytest.CaptureFixture[str]):
    """Run one command in this process."""

    def run(*arguments: object) -> Outcome:
        try:
            status = main.main([str(argument) for argument in arguments])
        except SystemExit as exc:  # argparse ends the program itself
            status = exc.code if isinstance(exc.code, int) else 1
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Outcome(status, said.out, said.err)

    return run


@pytest.fixture
def approaches(monkeypatch: pytest.MonkeyPatch):
    """Append approaches to the catalogue."""

    def add(*more: Approach) -> None:
        monkeypatch.setattr(catalogue, "APPROACHES", (*APPROACHES, *more))

    return add


def put(path: Path, height: int = 8, width: int = 6, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image_of(noise(height, width, seed))))
    return path


# --- list -----------------------------------------------------------------------------------------------------------


def test_list_names_everything(sr) -> None:
    said = sr("list")
    assert said.status == 0 and said.err == ""
    for approach in APPROACHES:
        assert f"\n{approach.id} " in "\n" + said.out and approach.summary in said.out
        for checkpoint in approach.checkpoints:
            assert f"    :{checkpoint.name}" in said.out
    assert "--set denoise=1.0: Denoise." in said.out
    assert ":refined-photos refined" in said.out, "the longest name is followed by a space too"


def test_list_json_has_the_fields_that_programs_need(sr) -> None:
    said = sr("list", "--json")
    records = json.loads(said.out)
    assert said.status == 0 and said.err == ""
    assert [record["id"] for record in records] == [approach.id for approach in APPROACHES]
    for record in records:
        for checkpoint in record["checkpoints"]:
            assert set(checkpoint) >= {
                "name", "kind", "licence", "bytes", "sha256", "parameters", "available_offline",
            }  # fmt: skip
            assert checkpoint["available_offline"] or checkpoint["kind"] == "hub"
        for option in record["options"]:
            assert option["label"] and option["help"] and "default" in option


def test_the_program_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sr_demo", "list"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bicubic")


# --- upscale --------------------------------------------------------------------------------------------------------


def test_upscale_writes_images_four_times_as_large(sr, tmp_path: Path) -> None:
    files = [put(tmp_path / "a.png", 8, 6), put(tmp_path / "b.png", 5, 9)]
    said = sr("upscale", *files, "--approach", "bicubic", "--out", tmp_path / "new" / "big")
    assert said.status == 0 and said.err == ""
    lines = said.out.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [
        [str(tmp_path / "new/big/a_bicubic.png"), "24 x 32"], [str(tmp_path / "new/big/b_bicubic.png"), "36 x 20"],
    ]  # fmt: skip
    assert read(tmp_path / "new/big/b_bicubic.png").rgb.shape == (20, 36, 3)


def test_each_approach_that_is_named_gives_a_result(sr, tmp_path: Path) -> None:
    said = sr("upscale", put(tmp_path / "a.png"), "--approach", "bicubic", "--approach", "lanczos", "--out", tmp_path)
    assert said.status == 0 and len(said.out.splitlines()) == 2
    assert {path.name for path in tmp_path.glob("a_*")} == {"a_bicubic.png", "a_lanczos.png"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--scale", 2), "12 x 16"), (("--scale", 2.5), "15 x 20"), (("--width", 21), "21 x 28"),
        (("--height", 40), "30 x 40"), (("--print", "0.2x0.4cm@200"), "16 x 21"),
    ],
)  # fmt: skip
def test_upscale_writes_the_size_that_is_requested(sr, tmp_path: Path, arguments: tuple, line: str) -> None:
    said = sr("upscale", put(tmp_path / "a.png", 8, 6), "--approach", "lanczos", *arguments, "--out", tmp_path / "big")
    assert said.status == 0 and said.out.split("  ")[1] == line
    with Pillow.open(tmp_path / "big/a_lanczos.png") as written:
        assert "{} x {}".format(*written.size) == line
        dpi = written.info.get("dpi")
    assert (dpi is not None and round(dpi[0]) == 200) == ("--print" in arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--scale", 2, "--width", 20), "not allowed with argument --scale"),
        (("--scale", 9), "The scale must be from 1 to 8, not 9."),
        (("--print", "A4"), "'A4' is no size of a print. Write it as 30x20cm@300"),
        (("--width", 5), "5 wide is fewer than the picture has (6 x 8 pixels)"),
        (("--scale", 2, "--set", "scale=3"), "The size is given twice: as 2x and by the option `scale`."),
    ],
)
def test_a_size_that_cannot_be_is_refused(sr, tmp_path: Path, arguments: tuple, sentence: str) -> None:
    said = sr("upscale", put(tmp_path / "a.png", 8, 6), "--approach", "bicubic", *arguments, "--out", tmp_path / "big")
    assert said.status == 2 and len(said.complaints) == 1 and sentence in said.err


def test_a_bad_file_does_not_stop_the_others(sr, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    files = [put(tmp_path / "a.png"), tmp_path / "text.png", tmp_path / "missing.png", put(tmp_path / "z.png")]
    said = sr("upscale", *files, "--approach", "lanczos", "--out", tmp_path)
    assert said.status == 2
    assert [line.split("  ")[0] for line in said.out.splitlines()] == [
        str(tmp_path / "a_lanczos.png"), str(tmp_path / "z_lanczos.png"),
    ]  # fmt: skip
    assert len(said.complaints) == 2
    assert "text.png" in said.complaints[0] and "missing.png" in said.complaints[1]
    assert said.err.count("text.png") == 1 and said.err.count("missing.png") == 1, "each name once"
    assert all(line.startswith("sr_demo: ") for line in said.complaints)


def test_a_file_of_any_size_is_read(sr, tmp_path: Path) -> None:
    with put(tmp_path / "a.png").open("ab") as file:
        file.truncate(101 * 2**20)
    assert sr("upscale", tmp_path / "a.png", "--approach", "bicubic", "--out", tmp_path / "large").status == 0


def test_results_of_files_with_the_same_name_do_not_overwrite_each_other(sr, tmp_path: Path) -> None:
    files = [put(tmp_path / "one/p.png", 4, 4), put(tmp_path / "two/p.png", 5, 5), put(tmp_path / "three/p.png", 6, 6)]
    said = sr("upscale", *files, "--approach", "bicubic", "--out", tmp_path / "out")
    assert said.status == 0
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == ["p_bicubic.png", "p_bicubic_2.png", "p_bicubic_3.png"]
    assert [read(path).rgb.shape[0] for path in made] == [16, 20, 24]


def test_the_checkpoint_and_its_options_are_used(sr, approaches, tmp_path: Path) -> None:
    loads: list = []
    upscaler = fakes.Fake(lambda image, progress: fakes.upscaled(image))
    made = replace(
        fakes.approach(upscaler, loads=loads, load_options=("strength",)),
        checkpoints=(Checkpoint("one", "One"), Checkpoint("two", "Two")),
    )
    approaches(made)
    said = sr(
        "upscale", put(tmp_path / "p.png"), "--approach", "fake:two", "--set", "strength=0.25", "--set", "steps=9",
        "--precision", "fp32", "--out", tmp_path,
    )  # fmt: skip
    assert said.status == 0
    assert (tmp_path / "p_fake-two.png").exists()
    (request,) = loads
    assert (request.checkpoint.name, request.options.strength, request.precision) == ("two", 0.25, "fp32")
    assert request.options.steps == 9


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--approach", "nothing"], "There is no approach 'nothing'. There are: bicubic, lanczos"),
        (["--approach", "bicubic:big"], "bicubic has no checkpoint 'big'. It has: default."),
        (["--approach", "mosaic", "--set", "patch=3"], "Patch size must be between 4 and 64, not 3."),
        (["--approach", "mosaic", "--set", "patch"], "--set takes name=value, not 'patch'."),
        (["--approach", "mosaic", "--set", "=3"], "--set takes name=value, not '=3'."),
        (["--approach", "bicubic", "--set", "x=1"], "There is no option 'x' here. It takes no options."),
    ],
)
def test_a_wrong_choice_is_one_line(sr, tmp_path: Path, arguments: list[str], line: str) -> None:
    said = sr("upscale", put(tmp_path / "p.png"), *arguments, "--out", tmp_path / "out")
    assert (said.status, said.out) == (2, "")
    (complaint,) = said.complaints
    assert complaint.startswith(f"sr_demo: {line}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["enlarge"], ["upscale"], ["upscale", "a.png"], ["list", "--xml"]])
def test_arguments_that_do_not_parse_are_one_line(sr, arguments: list[str]) -> None:
    said = sr(*arguments)
    assert (said.status, said.out) == (2, "")
    (complaint,) = said.complaints
    assert complaint.endswith("(--help explains)")


@pytest.mark.parametrize(
    "command",
    [
        "upscale a.png --approach bicubic --out LONG/x.png", "batch LONG --approach bicubic --out out",
        "evaluate --hr LONG --approach bicubic", "evaluate --hr in --lr LONG --approach bicubic", "data LONG",
        "deploy bicubic --pairs LONG", "export espcn --format onnx --out LONG.onnx", "memory build LONG --out x",
        "advise LONG",
        "train espcn --data LONG --out x.safetensors", "train espcn --data in --out LONG.safetensors",
        "upscale a.png --model LONG.onnx --out out",
    ],
)  # fmt: skip
def test_a_path_that_the_system_refuses_is_one_line(sr, tmp_path: Path, monkeypatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.png")
    put(tmp_path / "in" / "a.png")
    said = sr(*command.replace("LONG", "n" * 300).split())
    assert said.status == 2, said.err
    assert len(said.complaints) == 1 and "File name too long" in said.err


def test_inputs_are_not_replaced_by_a_report(sr, tmp_path: Path) -> None:
    photo, mask = put(tmp_path / "a.png"), put(tmp_path / "m.png")
    for mine in (photo, mask):
        before = mine.read_bytes()
        said = sr("upscale", photo, "--approach", "bicubic", "--mask", mask, "--out", tmp_path / "o", "--report", mine,
                  "--overwrite")  # fmt: skip
        assert said.status == 2 and "never replaced" in said.err and mine.read_bytes() == before


def test_one_file_for_two_destinations_is_refused(sr, tmp_path: Path) -> None:
    photo, target = put(tmp_path / "in" / "a.png"), tmp_path / "same.png"
    for command in (
        ("upscale", photo, "--approach", "bicubic", "--out", target, "--report", target),
        ("data", photo.parent, "--json", target, "--html", tmp_path / "in" / ".." / "same.png"),
        ("deploy", "bicubic", "--csv", target, "--html", target),
    ):
        said = sr(*command)
        assert said.status == 2 and "is named for two files" in said.err and not target.exists()


@pytest.mark.parametrize("name", ["big.bmp", "big.HEIC", "big.gif"])
def test_a_result_in_a_format_that_is_not_written_is_refused(sr, tmp_path: Path, name: str) -> None:
    said = sr("upscale", put(tmp_path / "a.png"), "--approach", "bicubic", "--out", tmp_path / name)
    assert said.status == 2 and "results are not written as" in said.err and not (tmp_path / name).exists()


def test_brackets_in_the_name_of_a_folder_are_no_pattern(sr, tmp_path: Path) -> None:
    put(tmp_path / "gl[1]" / "a.png")
    put(tmp_path / "gl[1]" / "b.png")
    said = sr("upscale", tmp_path / "gl[1]" / "*.png", "--approach", "bicubic", "--out", tmp_path / "out")
    assert said.status == 0 and len(list((tmp_path / "out").iterdir())) == 2


def _load_twice(request: Request) -> Upscaler:
    return fakes.Fake(lambda image, progress: resize(image, (2 * image.shape[0], 2 * image.shape[1])))


def test_each_approach_is_scored_on_the_pairs_of_its_scale(sr, approaches, tmp_path: Path, caplog) -> None:
    approaches(replace(fakes.good("twice"), load=_load_twice, scale=2))
    for name, side in (("baby", 64), ("babyx4", 16), ("bird", 48), ("bird_LR2", 24)):
        put(tmp_path / "in" / f"{name}.png", side, side)
    arguments = ("evaluate", "--hr", tmp_path / "in", "--json", tmp_path / "s.json", "--approach")
    said = sr(*arguments, "bicubic", "--approach", "twice")
    rows = json.loads((tmp_path / "s.json").read_text())
    assert [(row["scale"], row["images"]) for row in rows] == [(4, 1), (2, 1)], said.err
    assert "bicubic:default, 4x" in said.out and "small versions for other scales" in caplog.text


def test_deploy_scores_each_approach_on_the_pairs_of_its_scale(sr, approaches, tmp_path: Path, monkeypatch) -> None:
    def note(jobs, plan, *rest: object) -> dict[str, list[object]]:
        names = {scale: [pair.lr and pair.lr.name for pair in pairs] for scale, pairs in plan.pairs.items()}
        assert names == {4: ["babyx4.png"], 2: ["bird_LR2.png"]} and plan.pairs_name.endswith("baby.png")
        return {"approaches": []}

    monkeypatch.setattr(deploy_report, "deploy", note)
    approaches(replace(fakes.good("twice"), scale=2))
    for name, side in (("baby", 64), ("babyx4", 16), ("bird", 48), ("bird_LR2", 24)):
        put(tmp_path / "in" / f"{name}.png", side, side)
    said = sr("deploy", "bicubic", "twice", "--pairs", tmp_path / "in")
    assert said.status == 0, said.err


def test_deploy_measures_the_others_where_a_scale_has_no_pairs(sr, approaches, tmp_path: Path, monkeypatch) -> None:
    def note(jobs, plan, *rest: object) -> dict[str, list[object]]:
        assert [job.key for job in jobs] == ["bicubic"] and list(plan.pairs) == [4]
        return {"approaches": []}

    monkeypatch.setattr(deploy_report, "deploy", note)
    approaches(replace(fakes.good("thrice"), scale=3))
    put(tmp_path / "hr" / "baby.png", 64, 64)
    put(tmp_path / "lr" / "babyx4.png", 16, 16)
    said = sr("deploy", "bicubic", "thrice", "--pairs", tmp_path / "hr", "--lr", tmp_path / "lr")
    assert said.status == 2 and "thrice: " in said.err and "small version" in said.err
    said = sr("deploy", "thrice", "--pairs", tmp_path / "hr", "--lr", tmp_path / "lr")
    assert said.status == 2 and "thrice: " not in said.err and "small version" in said.err


def test_a_pair_of_another_scale_fails_alone(sr, approaches, tmp_path: Path) -> None:
    approaches(replace(fakes.good("twice"), load=_load_twice, scale=2))
    put(tmp_path / "hr" / "a.png", 64, 64)
    put(tmp_path / "lr" / "a.png", 16, 16)
    said = sr(
        "evaluate", "--hr", tmp_path / "hr", "--lr", tmp_path / "lr", "--approach", "twice", "--approach", "bicubic"
    )
    assert said.status == 2 and "does not match" in said.err and "bicubic:" in said.out


@pytest.mark.parametrize(
    "arguments", ["growth espcn --megapixels -1", "growth espcn --megapixels 0", "load --visitors 0", "mosaic -- -5",
                  "soak --minutes nan", "batch-scaling --workers 0"]
)  # fmt: skip
def test_sizes_and_counts_of_benchmarks_have_a_range(sr, arguments: str) -> None:
    said = sr("bench", *arguments.split())
    assert said.status == 2 and "is not a" in said.err


def test_a_recipe_that_does_not_exist_is_answered_with_all_that_do(sr, tmp_path: Path) -> None:
    said = sr("train", "nope", "--data", tmp_path, "--out", tmp_path / "x.safetensors")
    assert said.status == 2 and "espcn" in said.err and "digits-reader" in said.err
    said = sr("train", "digits-reader", "--benchmark")
    assert said.status == 2 and "digits-reader is one for digits" in said.err


@pytest.mark.parametrize("missing", ["--json", "--html"])
def test_a_report_that_cannot_be_written_loses_neither_the_others_nor_the_result(
    sr, tmp_path: Path, monkeypatch, missing: str
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == missing:
            raise StorageError(f"{path} cannot be written: No space left on device.")
        path.write_text(text)

    monkeypatch.setattr(console, "write_text", full)
    put(tmp_path / "in" / "a.png", 32, 32)
    reports = ("--json", tmp_path / "--json", "--html", tmp_path / "--html")
    for command in (("data", tmp_path / "in"), ("deploy", "bicubic", "--size", "16x16", "--pairs", tmp_path / "in")):
        said = sr(*command, *reports, "--overwrite")
        assert said.status == 2 and said.complaints[-1].endswith("No space left on device.")
        assert "bicubic  " in said.out or "1 picture was measured" in said.out
        assert [path.name for path in tmp_path.glob("--*")] == [{"--json": "--html", "--html": "--json"}[missing]]


def test_deploy_uses_its_arguments_whether_or_not_approaches_are_named(sr, monkeypatch) -> None:
    seen: list[tuple[str, str, bool]] = []

    def note(jobs, *rest: object) -> dict[str, list[object]]:
        seen.extend((job.key, job.precision, job.download) for job in jobs)
        return {"approaches": []}

    monkeypatch.setattr(deploy_report, "deploy", note)
    assert sr("deploy", "--precision", "fp32").status == 0
    assert len(seen) > 5 and {precision for _, precision, _ in seen} == {"fp32"}
    seen.clear()
    assert sr("deploy", "face-restore", "--download").status == 0 and seen[0][2]
    assert "more than once" in sr("deploy", "rdn", f"rdn:{job_for(APPROACHES, 'rdn').checkpoint.name}").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--lr", "/nope"], "--lr needs --pairs"), (["--pairs", "/nope"], "--pairs needs --precision int8")],
)
def test_export_ignores_no_argument(sr, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    said = sr("export", "espcn", "--format", "onnx", "--out", tmp_path / "e.onnx", *arguments)
    assert said.status == 2 and sentence in said.err


def test_output_that_is_no_longer_read_ends_a_command_in_silence(tmp_path: Path) -> None:
    program = (
        "import sys; from sr_demo.cli import main, listing\n"
        "def run(args):\n    for i in range(9999): print('x' * 99)\n    return 0\n"
        "listing.run = run; sys.exit(main.main(['list']))"
    )
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_folder_that_cannot_be_created_is_one_line(sr, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = sr("upscale", put(tmp_path / "p.png"), "--approach", "bicubic", "--out", tmp_path / "file" / "out")
    assert (said.status, said.out) == (2, "")
    (complaint,) = said.complaints
    assert str(tmp_path / "file") in complaint and "--out" in complaint


def test_weights_that_cannot_be_downloaded_are_reported_once(sr, approaches, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file = WeightFile("far.pth", "0" * 64, 10, ("example/nothing:far.pth",))
    approaches(replace(fakes.good("far"), checkpoints=(Checkpoint("default", "Far away", (file,)),)))
    files = [put(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    said = sr("upscale", *files, "--approach", "far", "--out", tmp_path / "out")
    assert (said.status, said.out) == (2, "")
    (complaint,) = said.complaints
    assert "Far away: far.pth could not be fetched from example/nothing:far.pth" in complaint


def test_a_bug_is_reported_with_a_reference_and_the_other_files_are_done(
    sr, approaches, tmp_path: Path, caplog
) -> None:
    def work(image, progress):
        if image.shape[0] == 5:
            raise ZeroDivisionError
        return fakes.upscaled(image)

    approaches(fakes.approach(fakes.Fake(work)))
    files = [put(tmp_path / "a.png", 5, 5), put(tmp_path / "b.png", 6, 6)]
    with caplog.at_level(logging.ERROR):
        logging.getLogger().handlers = [caplog.handler]  # where the traceback goes
        said = sr("upscale", *files, "--approach", "fake", "--out", tmp_path)
    assert said.status == 2
    assert said.out.startswith(str(tmp_path / "b_fake.png"))
    (complaint,) = said.complaints
    assert "unexpected error, reference" in complaint
    assert "ZeroDivisionError" in caplog.text


def test_ctrl_c_ends_with_one_word(sr, approaches, tmp_path: Path) -> None:
    def work(image, progress):
        raise KeyboardInterrupt

    approaches(fakes.approach(fakes.Fake(work)))
    said = sr("upscale", put(tmp_path / "p.png"), "--approach", "fake", "--out", tmp_path)
    assert (said.status, said.out, said.err) == (130, "", "stopped\n")


def test_the_first_signal_sets_a_flag_and_the_second_interrupts_at_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stoppable(signal.SIGINT) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    """Shells start jobs in the background without Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable(signal.SIGINT) as stop:
            signal.raise_signal(signal.SIGINT)
        assert not stop.is_set() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


# --- evaluate -------------------------------------------------------------------------------------------------------


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "b.png")):
        put(tmp_path / "hr" / name, 50, 41, seed)
    return tmp_path / "hr"


def downscaled(hr: Path, lr: Path, suffix: str = "") -> Path:
    """LR versions of all images in `hr`, downscaled by Pillow."""
    lr.mkdir()
    for path in hr.iterdir():
        with Pillow.open(path) as large:
            size = (large.width // 4, large.height // 4)
            cropped = large.crop((0, 0, size[0] * 4, size[1] * 4))
            cropped.resize(size, Pillow.Resampling.BICUBIC).save(lr / f"{path.stem}{suffix}.png")
    return lr


def test_evaluate_scores_results_of_another_tool_beside_ours(sr, hr: Path, tmp_path: Path) -> None:
    theirs, file = tmp_path / "theirs", tmp_path / "rows.json"
    theirs.mkdir()
    for path in sorted(hr.glob("*.png")):
        image = read(path)
        write_png(replace(image, pixels=undo_shift(image.rgb, Shift(0.0, -2.0))), theirs / f"{path.stem}_x4.png")
    said = sr("evaluate", "--hr", hr, "--approach", "bicubic", "--brought", theirs, "--json", file)
    assert said.status == 0
    ours, brought = json.loads(file.read_text())
    assert list(brought) == list(ours) == KEYS
    assert "not here: LPIPS (`python -m sr_demo fetch measures:lpips`)" in said.out and ours["lpips"] is None
    assert (brought["approach"], brought["checkpoint"], brought["images"]) == ("brought", "theirs", ours["images"])
    assert brought["psnr_y"] > 40, (
        "of the image whose shift is found to a fraction of a pixel: the other one is identical"
    )
    assert "The mean PSNR-Y leaves out 1 of 2 images: they are equal." in said.err
    assert ours["psnr_y"] > 10 and brought["seconds_per_image"] is brought["precision"] is None
    assert "It was shifted 2 px right, which was corrected." in said.err
    assert [line.split()[0] for line in said.out.splitlines()[:3]] == ["approach", "bicubic:default", "brought:theirs"]
    next(iter(theirs.iterdir())).unlink()
    said = sr("evaluate", "--hr", hr, "--approach", "bicubic", "--brought", theirs)
    assert said.status == 2 and "has no result of the same name" in said.err


def test_evaluate_takes_one_photo_and_its_results_under_any_name(sr, hr: Path, tmp_path: Path) -> None:
    (photo, *_) = sorted(hr.glob("*.png"))
    said = sr("evaluate", "--hr", photo, "--approach", "bicubic", "--brought", photo, "--brought", photo)
    assert said.status == 0
    assert [line.split()[1] for line in said.out.splitlines()[2:4]] == ["identical"] * 2
    other = tmp_path / "other.png"
    write_png(image_of(noise(16, 16)), other)
    said = sr("evaluate", "--hr", photo, "--approach", "bicubic", "--brought", other)
    assert said.status == 2 and "brought:other: other.png has 16 x 16 pixels, and the original" in said.err


def test_evaluate_makes_lr_images_where_none_are_given(sr, hr: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    said = sr("evaluate", "--hr", hr, "--approach", "bicubic", "--approach", "lanczos", "--json", file)
    assert said.status == 0 and said.err == ""
    rows = json.loads(file.read_text())
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert [(row["approach"], row["checkpoint"], row["images"]) for row in rows] == [
        ("bicubic", "default", 2), ("lanczos", "default", 2),
    ]  # fmt: skip
    for row in rows:
        assert 20 < row["psnr_y"] < 60 and 0 < row["ssim_y"] <= 1 and row["seconds_per_image"] > 0
    lines = said.out.splitlines()[:3]
    assert [line.split()[0] for line in lines] == ["approach", "bicubic:default", "lanczos:default"]
    assert f"{rows[0]['psnr_y']:.2f}" in lines[1]


def test_evaluate_scores_at_any_whole_scale(sr, hr: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    arguments = ("evaluate", "--hr", hr, "--approach", "bicubic", "--approach", "espcn", "--json", file, "--overwrite")
    found: dict[int, list[float]] = {}
    for scale in (2, 3, 8):
        assert sr(*arguments, "--scale", scale).status == 0
        rows = json.loads(file.read_text())
        assert [row["scale"] for row in rows] == [scale, scale]
        found[scale] = [row["psnr_y"] for row in rows]
    assert all(larger < smaller for larger, smaller in zip(found[8], found[2], strict=True)), "it is harder"
    with Pillow.open(hr / "a.png") as large:
        size = (large.width // 3, large.height // 3)
        cropped = large.crop((0, 0, size[0] * 3, size[1] * 3))
    (tmp_path / "lr3").mkdir()
    cropped.resize(size, Pillow.Resampling.BICUBIC).save(tmp_path / "lr3" / "ax3.png")
    (hr / "b.png").unlink()
    assert sr(*arguments, "--scale", 3, "--lr", tmp_path / "lr3").status == 0
    for scale, sentence in ((9, "The scale must be from 1 to 8, not 9."), (1, "at whole factors only")):
        said = sr(*arguments, "--scale", scale)
        assert said.status == 2 and sentence in said.err and "Traceback" not in said.err


@pytest.mark.parametrize("suffix", ["", "x4"])
def test_given_lr_images_are_matched_by_name(sr, hr: Path, tmp_path: Path, suffix: str) -> None:
    lr = downscaled(hr, tmp_path / "lr", suffix)
    given, made = tmp_path / "given.json", tmp_path / "made.json"
    assert sr("evaluate", "--hr", hr, "--lr", lr, "--approach", "bicubic", "--json", given).status == 0
    assert sr("evaluate", "--hr", hr, "--approach", "bicubic", "--json", made).status == 0
    (one,), (other,) = json.loads(given.read_text()), json.loads(made.read_text())
    assert one["psnr_y"] == pytest.approx(other["psnr_y"], abs=0.1)


def test_realistic_degradation_is_deterministic_and_costs_quality(sr, hr: Path, tmp_path: Path) -> None:
    rows = []
    for name, degradation in (("one", "realistic"), ("two", "realistic"), ("plain", "bicubic")):
        file = tmp_path / f"{name}.json"
        said = sr("evaluate", "--hr", hr, "--degradation", degradation, "--approach", "bicubic", "--json", file)
        assert said.status == 0
        rows += json.loads(file.read_text())
    assert rows[0]["psnr_y"] == rows[1]["psnr_y"]
    assert rows[0]["psnr_y"] < rows[2]["psnr_y"] - 1


def test_evaluate_lists_its_folder_once_and_says_what_it_leaves_out(
    sr, hr: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (hr / "notes.txt").write_text("no image")
    listed: list[Path] = []

    def counting(folder: Path) -> ImageFiles:
        listed.append(folder)
        return find_images(folder)

    monkeypatch.setattr(evaluation, "find_images", counting)
    said = sr("evaluate", "--hr", hr, "--approach", "bicubic")
    assert said.status == 0 and caplog.text.count("1 other file left out") == 1 and listed == [hr]


def test_names_that_do_not_match_are_one_line(sr, hr: Path, tmp_path: Path) -> None:
    lr = downscaled(hr, tmp_path / "lr")
    (lr / "b.png").rename(lr / "c.png")
    said = sr("evaluate", "--hr", hr, "--lr", lr, "--approach", "bicubic")
    assert (said.status, said.out) == (2, "")
    assert said.complaints == [f"sr_demo: b.png has no small version of the same name in {lr}."]


def test_sizes_that_do_not_fit_are_one_line(sr, hr: Path, tmp_path: Path) -> None:
    lr = downscaled(hr, tmp_path / "lr")
    put(lr / "b.png", 12, 9)
    said = sr("evaluate", "--hr", hr, "--lr", lr, "--approach", "bicubic", "--approach", "lanczos")
    assert (said.status, said.out) == (2, "")
    (complaint,) = said.complaints
    assert (
        complaint == "sr_demo: b.png has 9 x 12 pixels, which does not match b.png (41 x 50) at scale 4."
    )  # words: ok


@pytest.mark.parametrize("content", [None, "text"], ids=["missing", "empty"])
def test_a_folder_without_images_is_one_line(sr, tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "hr"
    if content:
        folder.mkdir()
        (folder / "notes.txt").write_text(content)
    said = sr("evaluate", "--hr", folder, "--approach", "bicubic")
    assert (said.status, said.out) == (2, "")
    assert len(said.complaints) == 1 and str(folder) in said.err


def test_an_image_too_small_to_downscale_is_one_line(sr, tmp_path: Path) -> None:
    put(tmp_path / "hr" / "dot.png", 3, 50)
    said = sr("evaluate", "--hr", tmp_path / "hr", "--approach", "bicubic")
    assert said.status == 2 and len(said.complaints) == 1
    assert "50 x 3 pixels" in said.err


def test_lr_images_cannot_be_both_given_and_made(sr, hr: Path, tmp_path: Path) -> None:
    lr = downscaled(hr, tmp_path / "lr")
    said = sr("evaluate", "--hr", hr, "--lr", lr, "--degradation", "realistic", "--approach", "bicubic")
    assert said.status == 2 and "choose one of the two" in said.err


def test_an_approach_that_fails_does_not_hide_the_others(sr, approaches, hr: Path, tmp_path: Path) -> None:
    approaches(fakes.raising_sr_error())
    file = tmp_path / "rows.json"
    said = sr("evaluate", "--hr", hr, "--approach", "refusing", "--approach", "bicubic", "--json", file)
    assert said.status == 2
    assert said.complaints == ["sr_demo: refusing: This picture is too green. Choose another."]
    assert [row["approach"] for row in json.loads(file.read_text())] == ["bicubic"]


def test_a_mask_keeps_an_image_faithful_where_it_is_white(sr, approaches, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(faithful, "APPROACH", baselines.BICUBIC)
    approaches(replace(fakes.good("inventor"), options=GenerativeOptions, invents=True), fakes.good("plain"))
    photo, other, mask = put(tmp_path / "a.png", 24, 20), put(tmp_path / "b.png"), tmp_path / "mask.png"
    white = np.zeros((80, 60, 3), np.uint8)
    white[:40] = 255
    Pillow.fromarray(white).save(mask)
    out = tmp_path / "a_big.png"
    said = sr("upscale", photo, "--approach", "inventor", "--mask", mask, "--out", out)
    assert said.status == 0 and "a part kept faithful by a mask" in said.out
    given = read(photo)
    made, plain = read(out).rgb, faithful.with_lr_consistency(image_of(resize(given.rgb, (96, 80))), given).rgb
    assert np.abs(made[:24] - plain[:24]).max() < 1.01 / 255 < 0.05 < np.abs(made[72:] - plain[72:]).max()
    for files, approach, reason in (
        ((photo, other), "inventor", "belongs to one"),
        ((photo,), "plain", "invents detail"),
    ):
        said = sr("upscale", *files, "--approach", approach, "--mask", mask, "--out", tmp_path)
        assert said.status == 2 and reason in said.err


def test_several_methods_look_for_faces_and_run_the_faithful_one_once_for_each_file(
    sr, approaches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def work(image: Image, progress: Progress) -> Image:
        ran.append("faithful")
        return fakes.upscaled(image)

    def detect(image: Image) -> tuple[Face, ...]:
        ran.append("faces")
        return (Face(2, 2, 5, 5, 1.0),)

    monkeypatch.setattr(faithful, "APPROACH", fakes.approach(fakes.Fake(work), name="faithful"))
    monkeypatch.setattr(faithful, "detect", detect)
    methods = [replace(fakes.good(name), options=GenerativeOptions, invents=True) for name in ("one", "two")]
    jobs = [job_for(methods, made.id, {"face_detail": 0.3}) for made in methods]
    monkeypatch.setattr(upscale, "some_jobs", lambda *args, **named: jobs)
    said = sr("upscale", *map(put, (tmp_path / "a.png", tmp_path / "b.png")), "--approach", "one", "--out", tmp_path)
    assert said.status == 0 and said.out.count("faces kept faithful in 1 place") == 4
    assert sorted(ran) == ["faces", "faces", "faithful", "faithful"]


def test_a_report_that_cannot_be_written_is_found_out_before_the_work(sr, approaches, hr: Path, tmp_path: Path) -> None:
    made = fakes.good()
    approaches(made)
    said = sr("evaluate", "--hr", hr, "--approach", "good", "--json", tmp_path / "no" / "rows.json")
    assert (said.status, said.out) == (2, "")
    assert len(said.complaints) == 1 and "rows.json cannot be written" in said.err
    assert fakes.upscaler_of(made).seen == []


def test_one_checkpoint_under_two_names_is_refused_before_the_work(sr, approaches, tmp_path: Path) -> None:
    made = fakes.good()
    approaches(made)
    names = ("--approach", "good", "--approach", f"good:{made.checkpoints[0].name}")
    said = sr("upscale", put(tmp_path / "p.png"), *names, "--out", tmp_path / "out", "--report", tmp_path / "r.html")
    assert (said.status, said.complaints) == (2, ["sr_demo: good is named more than once. Name each approach once."])
    assert fakes.upscaler_of(made).seen == []


def test_results_equal_to_the_reference_are_called_identical(sr, approaches, tmp_path: Path) -> None:
    flat = tmp_path / "hr" / "flat.png"
    flat.parent.mkdir()
    flat.write_bytes(encode_png(image_of(np.full((48, 48, 3), 0.4, np.float32))))
    file = tmp_path / "rows.json"
    said = sr("evaluate", "--hr", flat.parent, "--approach", "bicubic", "--json", file)
    assert "identical" in said.out
    assert json.loads(file.read_text())[0]["psnr_y"] is None


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([], ["list", "upscale", "evaluate", "train", "examples:", "python -m sr_demo upscale photo.jpg"]),
        (["list"], ["--json"]),
        (["upscale"], ["--approach", "--set", "NAME=VALUE", "--out", "--precision"]),
        (["evaluate"], ["--hr", "--lr", "--degradation", "BT.601", "--json"]),
        (["train"], ["RECIPE", "--data", "--out", "--resume", "examples:", "python -m sr_demo train espcn --data"]),
        (["bench"], ["speed", "startup", "batch-scaling", "examples:", "python -m sr_demo bench growth espcn"]),
        (["bench", "costs"], ["--write", "ID[:CHECKPOINT]"]),
        (["memory", "train"], ["--data", "--out"]),
    ],
)
def test_help_lists_arguments_and_examples(sr, command: list[str], expected: list[str]) -> None:
    said = sr(*command, "--help")
    assert said.status == 0 and said.err == ""
    assert not [word for word in expected if word not in said.out]


EVERY = [
    *((command.name, command) for command in main.COMMANDS),
    *((f"bench {command.name}", command) for command in SUBCOMMANDS),
    *((f"memory {command.name}", command) for command in ACTIONS),
]


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_each_help_ends_with_examples_that_are_understood(sr, name: str, command: Command) -> None:
    said = sr(*name.split(), "--help")
    assert said.status == 0 and said.err == ""
    examples = said.out.partition("\nexamples:\n")[2].splitlines()
    assert examples == [f"  python -m sr_demo {line}" for line in command.examples.splitlines()] != []
    assert any(line.startswith(name) for line in command.examples.splitlines())
    for line in command.examples.splitlines():
        main.build_parser().parse_args(shlex.split(line))


def test_a_terminal_shows_progress_on_standard_error(sr, approaches, tmp_path: Path, monkeypatch) -> None:
    approaches(fakes.slow(seconds=0))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said = sr("upscale", put(tmp_path / "p.png", 40, 40), "--approach", "slow", "--out", tmp_path)
    assert "tile 3 of 25" in said.err and "100%" in said.err
    assert len(said.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "photo.png"), 2),
        (OSError(errno.ENOSPC, "No space left on device", b"photo.png"), 2),
        (OSError(errno.EBADF, "Bad file descriptor", "photo.png"), 1),
        (OSError(errno.EACCES, "Permission denied", 5), 1),
        (OSError(errno.EACCES, "Permission denied"), 1),
        *(
            (FileNotFoundError(errno.ENOENT, "No such file or directory", str(Path(__file__).parents[2] / name)), 1)
            for name in ("sr_demo/reports/templates/none.html", "weights/none.safetensors", "assets/none.png")
        ),
    ],
)
def test_only_paths_of_the_user_are_to_be_checked_by_the_user(sr, monkeypatch, error: OSError, status: int) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("sr_demo.cli.listing.run", fail)
    said = sr("list")
    assert said.status == status and len(said.complaints) == 1
    assert ("photo.png cannot be used" if status == 2 else "unexpected error, reference") in said.err
