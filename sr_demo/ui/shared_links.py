"""Links to shared comparisons, on servers that allow them: unguessable addresses that open one HTML file for a day."""

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

from sr_demo.errors import DISK_REFUSES, BadInput, StorageError
from sr_demo.reports.bundle import PAGE, disk_errors_translated
from sr_demo.system.storage import write_atomically
from sr_demo.ui import languages
from sr_demo.ui.histories import GONE
from sr_demo.ui.store import Store
from sr_demo.ui.viewer.shared_page import policy

_NAME = re.compile(r"[A-Za-z0-9_-]{32}")
"""Pattern of the names of shared folders; those of results are shorter."""
_KEY = secrets.token_bytes(32)
"""Key that signs the addresses for deleting links; key and links are lost when the server is restarted."""
_GONE = "There is nothing at this address, or no longer: shared comparisons are kept for a day.\n"


class Link(NamedTuple):
    """A shared comparison."""

    address: str
    """Address relative to the page."""
    until: datetime

    @property
    def name(self) -> str:
        """The unguessable part of the address, and the name of the folder."""
        return self.address.rpartition("/")[2]

    @property
    def deletion(self) -> str:
        """Address, relative to the page, of a page that deletes the link; shown only to the visitor who created it."""
        return f"{self.address}/delete/{_signature(self.name)}"


def make(store: Store, page: Path) -> Link:
    """Create a link to a copy of an HTML file.

    Raises:
        BadInput: The file was removed to free space.
        StorageError: The copy cannot be written.
    """
    name = secrets.token_urlsafe(24)
    folder = store.new(name)
    try:
        shutil.copyfile(page, folder / PAGE)
    except OSError as exc:
        store.forget(folder)
        raise (BadInput(GONE) if not page.is_file() else StorageError(DISK_REFUSES)) from exc
    store.keep(folder)
    return Link(f"shared/{name}", datetime.now(timezone.utc) + timedelta(days=1))


class Links:
    """The links that visitors have created, so that they can delete their own. Thread-safe."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Link]] = {}
        self._lock = Lock()

    def make(self, session: str, run: str, store: Store, page: Path) -> Link:
        """Create a link to a page.

        Args:
            session: Session of the visitor.
            run: Id of the comparison.
            store: Stores the copy of the page.
            page: The HTML file.

        Raises:
            BadInput: The file was removed to free space.
            StorageError: The copy cannot be written.
        """
        link = make(store, page)
        with self._lock:
            self._made.setdefault(session, {})[run] = link
        return link

    def of(self, session: str, run: str) -> Link | None:
        """Return the link that this visitor has created to a comparison; None if there is none."""
        return self._made.get(session, {}).get(run)

    def refresh(self, session: str, run: str, store: Store, page: Path) -> None:
        """Update the page that the link to a comparison opens, if there is a link. Raises StorageError."""
        link = self.of(session, run)
        if link is not None and (store.folder / link.name).is_dir():  # the link may have been deleted by its address
            with disk_errors_translated():
                write_atomically(store.folder / link.name / PAGE, lambda part: shutil.copyfile(page, part))

    def delete(self, session: str, run: str, store: Store) -> None:
        """Delete the link to a comparison, if there is one."""
        with self._lock:
            link = self._made.get(session, {}).pop(run, None)
        if link is not None:
            store.forget(store.folder / link.name)

    def forget(self, session: str) -> None:
        """Forget the links of a visitor who has left; they remain valid until their day is over."""
        with self._lock:
            self._made.pop(session, None)


def _signature(name: str) -> str:
    return hmac.new(_KEY, name.encode("ascii"), "sha256").hexdigest()[:32]


def _deletion_page(request: Request, *, deleted: bool) -> Response:
    """Return a page that asks before deleting, since programs open addresses too, such as for previews in chats."""
    language = languages.preferred(request)
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
    # Without a referrer, browsers would send the form with `Origin: null`, like that of another site.
    return HTMLResponse(html, headers={"Referrer-Policy": "same-origin", "Cache-Control": "private, no-store"})


def _gone() -> Response:
    return PlainTextResponse(_GONE, 404, {"X-Content-Type-Options": "nosniff"})


def routes(store: Store) -> list[Route]:
    """Return the routes that serve and delete shared pages."""

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
                # The sandbox gives the page an opaque origin, so that not even its own script can use this server.
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
