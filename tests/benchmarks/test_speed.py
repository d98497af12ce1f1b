"""`bench speed` and `bench gpu`: their rows, the table in the page, and tiny cases that are really measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sr_demo.backends import shipped_int8
from sr_demo.benchmarks import performance_page, speed
from sr_demo.benchmarks.speed import Row
from sr_demo.benchmarks.speed_cases import CASES, Case
from sr_demo.checkpoint import Tiling
from sr_demo.cli.main import main
from sr_demo.errors import BadInput
from tests.community_server import compact

PLAIN = Row("rrdb-96", "spandrel-fp32", 1.5, 200.0, 0.1, 50.0, 0.0, "torch, fp32")
OURS = replace(PLAIN, path="ours", seconds=0.15, gflops=2000.0, ceiling_share=1.0, how="OpenVINO, bf16")


def test_medians_of_runs_and_ratios_in_the_page(tmp_path: Path) -> None:
    runs = [[PLAIN, replace(OURS, seconds=s, gflops=g, ceiling_share=c)] for s, g, c in ((0.1, 9, 0.5), (0.3, 7, 0.7), (0.2, 8, 0.6))]  # fmt: skip  # noqa: E501
    files = [tmp_path / f"{i}.json" for i in range(3)]
    for file, rows in zip(files, runs, strict=True):
        file.write_text(json.dumps(speed.records(rows)))
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: generated -->\nold\n<!-- end -->\nafter <!-- end -->\n")
    assert main(["bench", "page", str(page), *map(str, files)]) == 0
    written = page.read_text()
    assert written.startswith("before\n<!-- bench: generated -->\n") and written.endswith("\nafter <!-- end -->\n")
    assert "old" not in written
    assert "| `rrdb-96` | ours | OpenVINO, bf16 | 0.2000 | 7.50 | 8 | 60% |" in written
    page.write_text("no marks")
    assert main(["bench", "page", str(page), *map(str, files)]) == 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInput, match=r"no 'fast'.*compact-256"):
        speed.bench(["fast"])
    with pytest.raises(BadInput, match=r"no 'fast'.*ours"):
        speed.bench(paths=["fast"])


def test_the_named_cases_and_paths_are_there() -> None:
    assert all((shipped_int8.FOLDER / f"{case.int8}.json").exists() for case in CASES if case.int8)
    assert [case.name for case in CASES] == [
        "compact-256", "rrdb-96", "x4plus-96", "edsr-128", "hat-s-96", "hat-tiny-128", "dat-light-64",
    ]  # fmt: skip
    assert speed.PATHS == (
        "ours", "ours-int8", "spandrel-fp32", "tile-loop", "onnxruntime-fp32", "openvino-fp32", "openvino-bf16",
        "matmul-bf16",
    )  # fmt: skip


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_case_with_published_weights_states_whether_it_uses_them(
    is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sr_demo.hub.checkpoints.is_available", lambda checkpoint: is_stored)
    (case,) = (case for case in CASES if case.name == "x4plus-96")
    weights = "weights of real-esrgan:x4plus" if is_stored else "real-esrgan:x4plus is not stored here"
    assert case.described().startswith("RRDB, 23 blocks, 96 x 96 pixels, ") and case.described().endswith(weights)


def test_slow_paths_wait_for_a_request() -> None:
    (case,) = (case for case in CASES if case.name == "hat-tiny-128")
    default = speed._able(case, speed.PATHS, slow=False)
    assert [*case.slow] == ["onnxruntime-fp32", "tile-loop"] and not {*default}.intersection(case.slow)
    assert {*speed._able(case, speed.PATHS, slow=True)} == {*default, *case.slow}


def test_the_processor_is_named_with_what_matters_for_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        performance_page, "processor", lambda: "x86_64\nmodel name : Fast 9\nflags : avx2 avx512f avx_vnni amx_tile"
    )
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert performance_page.machine().startswith("Fast 9, ")
    assert "(avx2, avx512, vnni, amx; limited to AVX2 by ONEDNN_MAX_CPU_ISA)" in performance_page.machine()


def test_a_small_network_is_measured_on_plain_torch_in_tiles_and_on_our_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> Any:
        from sr_demo.networks.edsr import EDSR

        return EDSR(1, 8, 4)

    case = Case("tiny-40", "", 40, build, Tiling("tiles", halo=6), 100, int8="edsr-x4")
    monkeypatch.setattr(speed, "CASES", (case,))
    monkeypatch.setattr("sr_demo.backends.openvino_backend.available", lambda: False)  # converting takes seconds
    paths, said = ["ours", "ours-int8", "spandrel-fp32", "tile-loop", "openvino-fp32"], list[str]()
    (result,) = speed.bench(["tiny-40"], paths, rounds=1, report=said.append)
    rows = result.rows
    assert said[0].startswith("tiny-40: ") and said[-1] == "  turn 1 of 1 done"
    assert [line.partition(":")[0] for line in said[1:-1]] == ["  ours", "  spandrel-fp32", "  tile-loop"]
    assert [row.path for row in rows] == ["ours", "spandrel-fp32", "tile-loop"]
    assert result.notes == [f"tiny-40, {path}: OpenVINO is not installed." for path in ("ours-int8", "openvino-fp32")]
    for row in rows:
        assert row.seconds > 0 and row.gflops > 0 and row.ceiling_share is None
        assert row.max_difference is not None and row.max_difference < 0.02
    assert rows[1].max_difference is not None and rows[1].max_difference < 1e-5
    assert all(line.startswith("tiny-40") for line in speed.lines(rows)) and speed.HEADING.startswith("case")


@pytest.mark.parametrize("on_a_gpu", [False, True])
def test_the_benchmark_for_a_gpu_runs_on_any_device(on_a_gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from spandrel.architectures.Compact import Compact

    from sr_demo.backends.torch_backend import NetworkUpscaler
    from sr_demo.benchmarks import gpu

    made = NetworkUpscaler.__init__

    def as_on_a_gpu(self: NetworkUpscaler, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.at_once, self.ahead = 4, 1

    if on_a_gpu:
        monkeypatch.setattr(NetworkUpscaler, "__init__", as_on_a_gpu)
    tiny = Case(
        "tiny-80", "", 80, lambda: Compact(num_feat=4, num_conv=1, upscale=4), Tiling("tiles", 4, largest=16), 900
    )
    rows = list(gpu.measure([tiny], sides=(80,), matrix=32))
    assert [row["path"] for row in rows] == ["ours", "nothing-ahead", "one-by-one", "tiles-1024"]
    assert [(row["tiles"], row["at_once"]) for row in rows] == (
        [(25, 4), (25, 4), (25, 1), (1, 1)] if on_a_gpu else [(25, 1), (25, 1), (25, 1), (1, 1)]
    )
    for row in rows:
        assert row["case"] == "tiny-80" and row["device"] == "cpu" and row["precision"] in {"fp32", "bf16"}
        assert row["megapixels_per_second"] * row["seconds"] == pytest.approx(320 * 320 / 1e6, rel=0.2)
        assert row["gflops"] > 0 and row["ceiling_share"] > 0
    json.dumps(rows)
    assert gpu.line(rows[0]).split()[:2] == ["tiny-80", "ours"]


def test_without_a_gpu_the_benchmark_for_gpus_ends_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from sr_demo.benchmarks import gpu

    assert [case.name.rpartition("-")[0] for case in gpu.cases()] == ["compact", "rrdb", "hat-s", "hat"]
    assert gpu.SIDES == (512, 2048)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "gpu"]) == 2
    assert capsys.readouterr().err == "sr_demo: there is no GPU that torch can use here.\n"


def test_a_model_file_of_any_scale_is_measured_beside_plain_torch(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.pth").write_bytes(compact())
    arguments = ["bench", "speed", "--model", str(tmp_path / "mine.pth"), "--rounds", "1", "--json"]
    paths = ["ours", "spandrel-fp32", "tile-loop"]
    assert main([*arguments, *(part for path in paths for part in ("--path", path))]) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert printed.err.startswith(f"{performance_page.machine()}\nmine: ")
    assert [(row["case"], row["path"]) for row in rows] == [("mine", path) for path in paths]
    assert rows[0]["max_difference"] < 0.05 and rows[1]["max_difference"] == 0
