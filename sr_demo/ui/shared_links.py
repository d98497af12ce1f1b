"""Links to shared comparisons, on servers that allow them: an unguessable name that opens one HTML file for a day."""

from __future__ import annotations

import hmac
import re
import secrets
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sr_demo.errors import DISK_REFUSES, StorageError
from sr_demo.reports.bundle import PAGE, disk_refusals
from sr_demo.system.storage import write_atomically
from sr_demo.ui import languages
from sr_demo.ui.store import Store
from sr_demo.ui.viewer.shared_page import policy

_NAME = re.compile(r"[A-Za-z0-9_-]{32}")
"""Names of shared folders; those of results are shorter."""
_KEY = secrets.token_bytes(32)
"""Signs the addresses that delete links: both last until the server is restarted."""
_GONE = "There is nothing at this address, or no longer: shared comparisons are kept for a day.\n"


class Link(NamedTuple):
    """A shared comparison."""

    address: str
    """Relative to the page."""
    until: datetime

    @property
    def name(self) -> str:
        """The unguessable part of the address, and the name of the folder."""
        return self.address.rpartition("/")[2]

    @property
    def deletion(self) -> str:
        """Address of a page that deletes the link, relative to the page; only who made the link is shown it."""
        return f"{self.address}/delete/{_signature(self.name)}"


def make(store: Store, page: Path) -> Link:
    """Copy a page to where its link opens it. Raises StorageError."""
    name = secrets.token_urlsafe(24)
    folder = store.new(name)
    try:
        shutil.copyfile(page, folder / PAGE)
    except OSError as exc:
        store.forget(folder)
        raise StorageError(DISK_REFUSES) from exc
    store.keep(folder)
    return Link(f"shared/{name}", datetime.now(timezone.utc) + timedelta(days=1))


class Links:
    """The links that visitors have made, so that each can delete their own. Thread-safe."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Link]] = {}
        self._lock = Lock()

    def make(self, session: str, run: str, store: Store, page: Path) -> Link:
        """Make a link to a page.

        Args:
            session: Of the visitor.
            run: Id of the comparison.
            store: Keeps the copy.
            page: The HTML file.

        Raises:
            StorageError: The disk refuses.
        """
        link = make(store, page)
        with self._lock:
            self._made.setdefault(session, {})[run] = link
        return link

    def of(self, session: str, run: str) -> Link | None:
        """Return the link that this visitor has made to a comparison."""
        return self._made.get(session, {}).get(run)

    def refresh(self, session: str, run: str, store: Store, page: Path) -> None:
        """Let that link, where there is one, open a page that has changed. Raises StorageError."""
        link = self.of(session, run)
        if link is not None and (store.folder / link.name).is_dir():  # it may have been deleted by its address
            with disk_refusals():
                write_atomically(store.folder / link.name / PAGE, lambda part: shutil.copyfile(page, part))

    def delete(self, session: str, run: str, store: Store) -> None:
        """Delete that link, where there is one: from now on it opens nothing."""
        with self._lock:
            link = self._made.get(session, {}).pop(run, None)
        if link is not None:
            store.forget(store.folder / link.name)

    def forget(self, session: str) -> None:
        """Forget whose links these are: a visitor has left, and the links stay until their day is over."""
        with self._lock:
            self._made.pop(session, None)


def _signature(name: str) -> str:
    return hmac.new(_KEY, name.encode("ascii"), "sha256").hexdigest()[:32]


def _deletion_page(request: Request, *, deleted: bool) -> Response:
    """Ask before deleting: whatever looks at an address, such as a preview in a chat, must not delete anything."""
    language = next(iter(sorted(languages.named(request) - {"en"})), "en")
    said = languages.texts(language)
    body = (
        f"<p>{said['share_unlinked']}</p>"
        if deleted
        else f'<p>{said["share_delete_question"]}</p><form method="post"><button>{said["share_unlink"]}</button></form>'
    )
    html = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{said['share_unlink']}</title><style>:root {{ color-scheme: light dark; font: 16px system-ui }}</style>"
        f"<body>{body}</html>"
    )
    # Without any referrer, browsers would send the form as one of another site.
    return HTMLResponse(html, headers={"Referrer-Policy": "same-origin", "Cache-Control": "private, no-store"})


def _gone() -> Response:
    return PlainTextResponse(_GONE, 404, {"X-Content-Type-Options": "nosniff"})


def routes(store: Store) -> list[Route]:
    """Return the routes that serve shared pages, and that delete them."""

    def delete(request: Request) -> Response:
        name, signature = str(request.path_params["name"]), str(request.path_params["signature"])
        there = _NAME.fullmatch(name) and hmac.compare_digest(signature.encode(), _signature(name).encode())
        if not there or not (store.folder / name).is_dir():
            return _gone()
        if request.method == "POST":
            store.forget(store.folder / name)
        return _deletion_page(request, deleted=request.method == "POST")

    def shared(request: Request) -> Response:
        name = str(request.path_params["name"])
        file = store.folder / name / PAGE
        if not _NAME.fullmatch(name) or not file.is_file():
            return _gone()
        return FileResponse(
            file, media_type="text/html; charset=utf-8", filename=PAGE, content_disposition_type="inline",
            headers={
                # Sandboxed, so that the page is of no origin: not even its own script could use this server.
                "Content-Security-Policy": f"{policy()}; frame-ancestors 'none'; "
                "sandbox allow-scripts allow-downloads allow-popups",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "X-Robots-Tag": "noindex",
                "Cache-Control": "private, no-store",
            },
        )  # fmt: skip

    deletion = Route("/shared/{name}/delete/{signature}", delete, methods=["GET", "POST"])
    return [Route("/shared/{name}", shared), deletion]
