"""Repositories on disk are checked when they are opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo.hub import repositories
from sr_demo.pipelines.captions import SMOLVLM
from sr_demo.progress import SILENT
from tests.conftest import flip_bit
from tests.hub_server import HubServer

REPOSITORY = replace(SMOLVLM.model, name="owner/net", patterns=("*.safetensors", "*.json"), bytes=1000)


def test_a_damaged_file_is_downloaded_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files: dict[str, bytes | Path] = {"model.safetensors": b"weights", "config.json": b"{}"}
    with HubServer({"owner/net": files}) as hub:
        hub.serve_client(monkeypatch, tmp_path)
        place = repositories.fetch(REPOSITORY, SILENT)
        asked = len(hub.requests)
        assert repositories.fetch(REPOSITORY, SILENT) == place and len(hub.requests) == asked
        flip_bit(place / "model.safetensors")
        repositories.fetch(REPOSITORY, SILENT)
        assert (place / "model.safetensors").read_bytes() == b"weights"
        assert len([line for line in hub.requests[asked:] if "config.json" in line]) == 0, "only that one"
        mark = place / ".complete"
        mark.write_text("model.safetensors\nconfig.json")  # as earlier versions wrote it
        asked = len(hub.requests)
        assert repositories.fetch(REPOSITORY, SILENT) == place and len(hub.requests) == asked


def test_a_stopped_download_continues_without_a_file_that_is_damaged_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with HubServer({"owner/net": {"model.safetensors": b"weights", "config.json": b"{}"}}) as hub:
        hub.serve_client(monkeypatch, tmp_path)
        place = repositories.fetch(REPOSITORY, SILENT)
        (place / ".complete").unlink()
        (place / "config.json").unlink()
        flip_bit(place / "model.safetensors")
        repositories.fetch(REPOSITORY, SILENT)
        assert (place / "model.safetensors").read_bytes() == b"weights"
