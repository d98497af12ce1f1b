"""Servers get their settings and are ended; visitors' events exist on the page, with values for all inputs."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.benchmarks import server
from sr_demo.benchmarks.server import page_event, start
from sr_demo.errors import SRError
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui.page import build_page
from sr_demo.ui.store import Store

SERVES = """
import http.server, json, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({n: v for n, v in os.environ.items() if n != "PATH"}).encode())
http.server.HTTPServer((os.environ["SR_DEMO_HOST"], int(os.environ["SR_DEMO_PORT"])), Page).serve_forever()
"""


def app(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a small program for app.py, whose start takes seconds."""
    (folder / "app.py").write_text(code)
    monkeypatch.setattr(server, "_APP", folder / "app.py")


def test_a_server_gets_its_folders_and_settings_and_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app(tmp_path, SERVES, monkeypatch)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "of another server")
    with start(tmp_path / "cache", tmp_path, tmp_path / "log", {"SR_DEMO_MCP": "1"}) as running:
        with urllib.request.urlopen(running.url, timeout=10) as response:
            settings = json.loads(response.read())
        assert settings["SR_DEMO_CACHE"] == str(tmp_path / "cache") and settings["SR_DEMO_MCP"] == "1"
        assert settings["TMPDIR"] == str(tmp_path) and "GRADIO_TEMP_DIR" not in settings
        assert running.url == f"http://127.0.0.1:{settings['SR_DEMO_PORT']}" and running.seconds > 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(running.url, timeout=10)


def test_a_server_that_ends_at_once_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app(tmp_path, "raise SystemExit('no page')", monkeypatch)
    with pytest.raises(SRError, match="did not come up: no page"):
        start(tmp_path, tmp_path, tmp_path / "log")


@pytest.mark.usefixtures("gradio_loops")
def test_the_events_of_visitors_exist_and_get_a_value_for_each_input() -> None:
    store = Store()
    page = build_page((BICUBIC,), Runner(), store, Settings())
    try:
        config = page.get_config_file()
    finally:
        page.close()
        shutil.rmtree(store.folder)
    inputs = {event["id"]: event["inputs"] for event in config.get("dependencies", [])}
    photo = {"path": "a.png"}
    for name, values in {"take": {"photo": photo, "methods": []}, "estimate": {"methods": []}}.items():
        number, sent = page_event(config, name, values)
        assert len(sent) == len(inputs[number])
        assert sent.count([]) == 2 and sent.count(photo) == (name == "take")  # nothing is ticked under "More" either
    with pytest.raises(SRError, match="no event nothing"):
        page_event(config, "nothing", {})
    with pytest.raises(SRError, match="take has no input brush"):
        page_event(config, "take", {"brush": 1})
