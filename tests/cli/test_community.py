"""`models search`, `fetch openmodeldb:NAME` and `--model openmodeldb:NAME`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_demo.cli.main import main
from sr_demo.image import write_png
from tests.community_server import CommunityServer, serving
from tests.conftest import image_of, noise


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommunityServer]:
    with serving(monkeypatch, tmp_path) as found:
        found.add("2x-Tiny", tags=["photo", "jpeg"])
        found.add("2x-Unfree", license="CC-BY-NC-SA-4.0")
        found.add("4x-Elsewhere", resource={"urls": ["https://mega.nz/file/a#b"]}, license="MIT", scale=4)
        yield found


def test_a_search_states_licence_size_author_and_why_not(
    server: CommunityServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "search"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "openmodeldb:2x-Tiny",
        "    2x, compact, 13 kB, CC-BY-4.0, by anna",
        "    photo, jpeg",
        "openmodeldb:4x-Elsewhere",
        "    4x, compact, MIT, by anna",
        "    photo",
        "    cannot run here: no address leads to the file itself (mega.nz). Download it in a browser, and open the file as "
        "your own model",
    ]
    assert "1 more match whose licence does not allow commercial use: --licence any shows them." in said.err
    assert main(["models", "search", "unfree", "--licence", "any", "--scale", "2", "--architecture", "Compact"]) == 0
    assert "CC-BY-NC-SA-4.0 (no commercial use)" in capsys.readouterr().out


def test_a_search_as_json(server: CommunityServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "search", "--licence", "any", "--limit", "2", "--json"]) == 0
    said = capsys.readouterr()
    records = json.loads(said.out)
    assert [(r["name"], r["commercial"], r["cannot_run_here"]) for r in records] == [
        ("openmodeldb:2x-Tiny", "yes", ""), ("openmodeldb:2x-Unfree", "no", ""),
    ]  # fmt: skip
    assert records[0]["sources"] and len(records[0]["sha256"]) == 64
    assert "1 more match: --limit 3" in said.err


def test_a_fetched_model_runs_like_ones_own_in_every_command(
    server: CommunityServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "openmodeldb:2x-Tiny", "openmodeldb:2x-Gone"]) == 2
    said = capsys.readouterr()
    assert "openmodeldb:2x-Tiny" in said.out and "fetched" in said.out and "CC-BY-4.0" in said.out
    assert "openmodeldb:2x-Gone: OpenModelDB has no model '2x-Gone'" in said.err
    server.close()
    photos = tmp_path / "photos"
    photos.mkdir()
    write_png(image_of(noise(64, 80)), photos / "a.png")
    model = ["--model", "openmodeldb:2x-tiny"]
    out, rows = tmp_path / "big", tmp_path / "rows.json"
    assert main(["upscale", str(photos / "a.png"), *model, "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ["a_openmodeldb-2x-Tiny.png"]
    assert main(["evaluate", "--hr", str(photos), *model, "--json", str(rows)]) == 0
    assert [(row["approach"], row["checkpoint"]) for row in json.loads(rows.read_text())] == [
        ("openmodeldb", "2x-Tiny")
    ]
    assert main(["batch", str(photos), "--approach", "openmodeldb:2x-Tiny", "--out", str(tmp_path / "all")]) == 0
    exported = tmp_path / "tiny.safetensors"
    assert main(["export", *model, "--format", "safetensors", "--out", str(exported)]) == 0
    capsys.readouterr()
    assert main(["list", "--json"]) == 0
    (listed,) = [record for record in json.loads(capsys.readouterr().out) if record["id"] == "openmodeldb"]
    (checkpoint,) = listed["checkpoints"]
    assert (checkpoint["name"], checkpoint["licence"], checkpoint["available_offline"]) == (
        "2x-Tiny",
        "CC-BY-4.0",
        True,
    )
    assert checkpoint["came_from"] == checkpoint["sources"][0]


def test_a_model_is_fetched_on_first_use(server: CommunityServer, tmp_path: Path) -> None:
    write_png(image_of(noise(20, 24)), tmp_path / "a.png")
    arguments = ["upscale", str(tmp_path / "a.png"), "--model", "openmodeldb:2x-Unfree", "--out", str(tmp_path / "big")]
    assert main(arguments) == 0
    assert server.downloads().count("2x-Unfree.pth") == 1
