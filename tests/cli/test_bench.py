"""`bench`: subcommands, the default one, and imports that wait until a command is chosen."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sr_demo.benchmarks import fresh_process
from sr_demo.cli.bench.commands import SUBCOMMANDS, with_subcommand
from sr_demo.cli.main import main
from sr_demo.errors import SRError

ROOT = Path(__file__).resolve().parents[2]


def test_each_subcommand_has_a_module_of_its_name() -> None:
    files = {path.stem for path in (ROOT / "sr_demo/cli/bench").glob("*.py")}
    names = {command.name.replace("-", "_") for command in SUBCOMMANDS}
    assert files == names | {"__init__", "commands", "arguments"}


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=lambda command: command.name)
def test_each_subcommand_explains_itself(command, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"sr_demo.cli.bench.{command.name.replace('-', '_')}")
    assert module.__doc__ and module.__doc__.startswith(f"`python -m sr_demo bench {command.name}`: ")
    with pytest.raises(SystemExit) as ended:
        main(["bench", command.name, "--help"])
    assert ended.value.code == 0
    assert f"bench {command.name} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["speed"]),
        (["--case", "edsr-128", "--json"], ["speed", "--case", "edsr-128", "--json"]),
        (["--page", "docs/performance.md"], ["speed", "--page", "docs/performance.md"]),
        (["halos", "espcn"], ["halos", "espcn"]),
        (["--help"], ["--help"]),
        (["nothing"], ["nothing"]),
    ],
)
def test_without_a_subcommand_speed_is_meant(given: list[str], meant: list[str]) -> None:
    assert with_subcommand(given) == meant


@pytest.mark.parametrize("rounds", ["0", "-1", "abc"])
def test_rounds_are_a_whole_number_from_1(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "tiles", "espcn", "--rounds", rounds])
    assert f"'{rounds}' is not a whole number from 1" in capsys.readouterr().err


def test_unknown_steps_are_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "kills", "flood"]) == 2
    assert "There is no step 'flood'. There are: during_a_run" in capsys.readouterr().err


def test_photos_of_the_mosaic_are_those_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[Path] = []
    monkeypatch.setattr("sr_demo.benchmarks.mosaic.print_table", lambda files, _: measured.extend(files))
    (tmp_path / "a.png").touch()
    (tmp_path / ".DS_Store").touch()
    assert main(["bench", "mosaic", "--photos", str(tmp_path)]) == 0
    assert measured == [tmp_path / "a.png"]
    assert main(["bench", "mosaic", "--photos", str(tmp_path / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_a_measurement_in_a_fresh_process_returns_its_figures_or_raises_its_error() -> None:
    bytes_per_pixel, timing = fresh_process.bench_in_subprocess("bicubic", ["costs", "--only", "bicubic", "fp32"])
    assert bytes_per_pixel > 0 and timing is None
    with pytest.raises(SRError, match=r"^it could not be measured: There is no approach 'nothing'"):
        fresh_process.bench_in_subprocess("it", ["costs", "--only", "nothing", "fp32"])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bench", "--help"], ["bench", "gpu", "--help"], ["upscale", "--help"]]
)
def test_help_imports_no_heavy_module(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from sr_demo.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(sorted({'torch', 'gradio', 'numpy', 'cv2', 'spandrel'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
