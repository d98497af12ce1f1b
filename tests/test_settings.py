"""Environment variables of a server are applied, or refused by name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sr_demo.errors import BadInput
from sr_demo.settings import Settings, from_environment

ROOT = Path(__file__).resolve().parents[1]


def test_without_variables_it_listens_to_this_computer_only() -> None:
    assert from_environment({}) == Settings()
    assert Settings().host == "127.0.0.1"


def test_on_spaces_it_listens_to_everyone_by_default() -> None:
    assert from_environment({"SPACE_ID": "someone/demo"}).host == "0.0.0.0"
    assert from_environment({"SPACE_ID": "someone/demo", "SR_DEMO_HOST": "127.0.0.1"}).host == "127.0.0.1"


def test_every_setting_has_its_variable() -> None:
    found = from_environment({
        "SR_DEMO_MAX_MB": "7", "SR_DEMO_MAX_MEGAPIXELS": " 8 ", "SR_DEMO_HOST": "0.0.0.0", "SR_DEMO_PORT": "65535",
        "SR_DEMO_QUEUE": "3", "SR_DEMO_MAX_STORE_MB": "9", "SR_DEMO_MCP": "1",
        "SR_DEMO_MAX_SECONDS": "60", "SR_DEMO_PROXY": "1", "SR_DEMO_MAX_MODEL_MB": "11", "SR_DEMO_COMMUNITY": "0",
    })  # fmt: skip
    assert found == Settings(
        7, 8, "0.0.0.0", 65_535, 3, 60, proxied=True, max_store_megabytes=9, mcp=True, max_model_megabytes=11,
        community=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "environ",
    [
        {"SPACE_ID": "someone/demo"}, {"SR_DEMO_HOST": "0.0.0.0"}, {"SR_DEMO_HOSTS": "sr.example.org"},
        {"SR_DEMO_PROXY": "1"},
    ],
)  # fmt: skip
def test_others_may_fetch_models_of_the_community_only_where_that_is_switched_on(environ: dict[str, str]) -> None:
    assert from_environment({}).community and from_environment({"SR_DEMO_HOST": "localhost"}).is_private
    found = from_environment(environ)
    assert not found.community and not found.is_private
    assert from_environment(environ | {"SR_DEMO_COMMUNITY": "1"}).community
    assert not from_environment({"SR_DEMO_COMMUNITY": "0"}).community


def test_the_mcp_server_is_switched_on_by_1_and_nothing_else() -> None:
    assert not Settings().mcp
    assert [from_environment({"SR_DEMO_MCP": text}).mcp for text in ("", "0", "1", " 1 ")] == [False, False, True, True]
    for text in ("yes", "true", "2", "9" * 5000):
        with pytest.raises(BadInput, match=r"SR_DEMO_MCP must be 1 \(on\) or 0 \(off\), not '") as caught:
            from_environment({"SR_DEMO_MCP": text})
        assert len(str(caught.value)) < 160


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "many", "9" * 5000, "1e3"])
@pytest.mark.parametrize(
    "name",
    ["SR_DEMO_MAX_MB", "SR_DEMO_MAX_MEGAPIXELS", "SR_DEMO_PORT", "SR_DEMO_QUEUE", "SR_DEMO_MAX_STORE_MB"],
)
def test_anything_else_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=f"The environment variable {name} must be a whole number from 1 to") as caught:
        from_environment({name: text})
    assert len(str(caught.value)) < 160


def test_a_port_beyond_65535_is_refused() -> None:
    with pytest.raises(BadInput, match="SR_DEMO_PORT must be a whole number from 1 to 65535, not '65536'"):
        from_environment({"SR_DEMO_PORT": "65536"})


def test_the_health_check_of_the_container_goes_to_the_port_of_the_server() -> None:
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    (check,) = re.findall(r"^HEALTHCHECK .* CMD python (.*)$", lines, re.MULTILINE)
    assert str(Settings().port) in check
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        variables = {**os.environ, "SR_DEMO_PORT": str(server.server_port), "no_proxy": "127.0.0.1"}
        done = subprocess.run(["sh", "-c", f"{shlex.quote(sys.executable)} {check}"], env=variables, timeout=60)
        server.shutdown()
    assert (done.returncode, asked) == (0, ["/config"])


def test_every_variable_that_is_read_is_in_the_readme() -> None:
    source = (ROOT / "sr_demo" / "settings.py").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r'"(SR_DEMO_\w+)"', source)) | {"SR_DEMO_CACHE"}
    assert len(names) == 15
    assert not [name for name in sorted(names) if name not in readme]
