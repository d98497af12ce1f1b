"""The results of an open page stay while its connections are cut, and go when it is closed, in a real browser."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from sr_demo.image import write_png
from sr_demo.ui import visits
from tests.conftest import image_of, noise
from tests.e2e.conftest import Serve
from tests.e2e.launched import GOOD, launch
from tests.e2e.test_page import choose_only, compare, finished, upload

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


class Cuttable:
    """Passes connections on to a server, until they are cut."""

    def __init__(self, url: str) -> None:
        self._target = ("127.0.0.1", urlsplit(url).port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections."""
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._listening:
            self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ends = self._listening.accept()[0], socket.create_connection(self._target)
                self._open += ends
                for one, other in (ends, ends[::-1]):
                    self._threads.append(Thread(target=self._pass_on, args=(one, other), daemon=True))
                    self._threads[-1].start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with one:
            with suppress(OSError):
                while received := one.recv(65536):
                    other.sendall(received)
            with suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def way(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cuttable]:
    monkeypatch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.5")
    monkeypatch.setattr(visits, "_PATIENCE_SECONDS", 4.0)
    found = Cuttable(launch(serve, (GOOD,)))
    yield found
    found.close()


def test_results_outlast_a_cut_connection_and_go_with_the_page(way: Cuttable, browser: Browser, tmp_path: Path) -> None:
    write_png(image_of(noise(24, 32)), tmp_path / "photo.png")
    context = browser.new_context()
    page = context.new_page()
    page.goto(way.url)
    upload(page, tmp_path / "photo.png")
    choose_only(page, "Good")
    compare(page)
    finished(page)
    result = way.url + (page.locator("#viewer img[alt^='Result of Good']").first.get_attribute("src") or "")
    asking = browser.new_context().request

    way.cut()
    page.wait_for_timeout(8000)
    assert asking.get(result).status == 200, "the page is still open"
    context.close()
    end = time.monotonic() + 60
    while asking.get(result).status == 200 and time.monotonic() < end:
        time.sleep(0.5)
    assert asking.get(result).status != 200
    asking.dispose()
