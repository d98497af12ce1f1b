"""A real browser, a real Gradio server, and a check that pages log no errors and send no requests to other hosts."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
from gradio_client import Client
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from sr_demo.image import Size
from sr_demo.ui import api, languages
from tests.e2e import launched

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenPage = Callable[..., Page]
Serve = Callable[..., str]


def click_into(page: Page, image: str, x: int, y: int) -> None:
    """Click at a position in an image once it is loaded.

    Before that its element has no natural size, and a click could not be converted to its pixels.

    Args:
        page: The page.
        image: Selector of the image.
        x: Position in CSS pixels.
        y: Likewise.
    """
    page.wait_for_function(
        "selector => { const img = document.querySelector(selector); return img && img.complete && img.naturalWidth > 0 }",
        arg=image,
    )
    page.locator(image).click(position={"x": x, "y": y})


def _chromium() -> str:
    """Return the path of the browser. Without one the tests are skipped, except in CI, where they fail."""
    default = "/usr/bin/chromium"
    path = os.environ.get("SR_DEMO_CHROMIUM") or (default if os.path.exists(default) else shutil.which("chromium"))
    if path and os.path.exists(path):
        return path
    reason = "no Chromium: install Debian's package chromium or set SR_DEMO_CHROMIUM to its path"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _clients_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the threads of the clients that a test opened: they would reconnect while later tests run."""
    opened: list[Client] = []
    real = Client.__init__

    def recorded(self: Client, *arguments: Any, **named: Any) -> None:
        real(self, *arguments, **named)
        opened.append(self)

    monkeypatch.setattr(Client, "__init__", recorded)
    yield
    for client in opened:
        client.close()


@pytest.fixture(scope="session", autouse=True)
def _loops_closed() -> Iterator[None]:
    """Close the event loops that Gradio makes for each page and never runs: left open, they warn in some later test."""
    made: list[asyncio.AbstractEventLoop] = []
    real = asyncio.new_event_loop

    def new() -> asyncio.AbstractEventLoop:
        made.append(real())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


@pytest.fixture(scope="session")
def browser(_loops_closed: None) -> Iterator[Browser]:
    path = _chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def _serving() -> Iterator[Serve]:
    running: list[gr.Blocks] = []

    def launch(blocks: gr.Blocks, **launch_arguments: Any) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        arguments = {
            "server_name": "127.0.0.1",
            "server_port": port,
            "enable_monitoring": False,
            "ssr_mode": False,
            "share": False,
            "inbrowser": False,
            "quiet": True,
            "i18n": languages.translations(),  # for parts of the page that are served alone
            **launch_arguments,
            "prevent_thread_lock": True,
        }
        blocks.launch(**arguments)
        running.append(blocks)
        return f"http://127.0.0.1:{port}/"

    yield launch
    for blocks in running:
        blocks.close(verbose=False)


@pytest.fixture(scope="module")
def serve(_loops_closed: None) -> Iterator[Serve]:
    """`serve(blocks, **launch_arguments) -> url`: launched on a free port, closed after the module's last test."""
    with _serving() as launch:
        yield launch


@pytest.fixture(scope="session")
def made_up_page(_loops_closed: None) -> Iterator[str]:
    """The address of a page with a method that works, one that fails and one that is slow; one for all files."""
    with _serving() as launch:
        yield launched.launch(launch, (launched.GOOD, launched.FAILING, launched.SLOW))


@pytest.fixture(scope="session")
def api_server(_loops_closed: None) -> Iterator[launched.Server]:
    """A page whose endpoints are called by number; one for all files."""
    with _serving() as launch:
        server = launched.api_server(launch)
        yield server
        server.client.close()


@pytest.fixture
def short_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint `deploy` measures as always, with fewer repetitions."""
    monkeypatch.setattr(api, "PLAN", replace(api.PLAN, sizes=(Size(64, 64),), seconds=0.1))


class _Watch:
    """What went wrong on a page, in words."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("console", lambda m: self.complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._foreign)

    def _failed(self, request: Request) -> None:
        # The browser itself gives up the server's event stream when a page is closed or an event has ended.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url} ({request.failure})")

    def _foreign(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1":
            self.complaints.append(f"request to another host: {request.url}")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(url, width=1280, height=900, dark=False, phone=False, locale="en-US", density=1) -> page`, loaded.

    At the end of the test no page may have logged an error, lost a request, or asked any host but 127.0.0.1.
    """
    contexts: list[BrowserContext] = []
    watches: list[_Watch] = []

    def open_one(
        url: str, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False, locale: str = "en-US",
        density: float = 1,
    ) -> Page:  # fmt: skip
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=phone,
            has_touch=phone,
            locale=locale,
            device_scale_factor=density,
        )
        contexts.append(context)
        page = context.new_page()
        watches.append(_Watch(page))
        page.goto(url, wait_until="load")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [complaint for watch in watches for complaint in watch.complaints] == []
