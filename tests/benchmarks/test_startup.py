"""The benchmark of the start: it waits for a server, passes it its settings, and ends it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from sr_demo.benchmarks import startup
from sr_demo.benchmarks.startup import Result, Start
from sr_demo.cli.main import main
from sr_demo.errors import SRError

SERVES = """
import http.server, json, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({n: v for n, v in os.environ.items() if n.startswith("SR_DEMO_")}).encode())
http.server.HTTPServer((os.environ["SR_DEMO_HOST"], int(os.environ["SR_DEMO_PORT"])), Page).serve_forever()
"""


def app(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a small program for app.py, whose start takes seconds."""
    (folder / "app.py").write_text(code)
    monkeypatch.setattr(startup, "_APP", folder / "app.py")


def test_a_server_gets_its_cache_folder_and_settings_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app(tmp_path, SERVES, monkeypatch)
    with startup.server(tmp_path / "cache", SR_DEMO_MCP="1") as (url, seconds):
        with urllib.request.urlopen(url, timeout=10) as response:
            settings = json.loads(response.read())
        assert settings["SR_DEMO_CACHE"] == str(tmp_path / "cache") and settings["SR_DEMO_MCP"] == "1"
        assert url == f"http://127.0.0.1:{settings['SR_DEMO_PORT']}/" and seconds > 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)


def test_a_server_that_ends_at_once_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app(tmp_path, "raise SystemExit(1)", monkeypatch)
    with pytest.raises(SRError, match=r"did not come up\. Run `python app.py`"), startup.server(tmp_path):
        pass


def test_the_command_prints_the_first_and_the_later_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = Start("with the converted network", 1.5, Result(2.0, "", "fp32"), Result(0.5, "OpenVINO", "bf16"))
    monkeypatch.setattr(startup, "starts", lambda cache, rounds: iter([start]))
    assert main(["bench", "startup", "--rounds", "1"]) == 0
    page, first, later = capsys.readouterr().out.splitlines()
    assert page == "with the converted network: page served after 1.50 s"
    assert first.endswith("2.00 s  no backend, fp32")
    assert later.endswith("0.50 s  OpenVINO, bf16")
