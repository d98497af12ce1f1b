"""Download of images that a request names by their addresses, within limits of bytes and time.

Gradio would read a whole response into memory and write it to the disk, regardless of its size. As in Gradio, only public
addresses are contacted: a name is resolved once, its address is checked, and the connection is made to that address.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from gradio.processing_utils import PUBLIC_HOSTNAME_WHITELIST
from gradio.utils import get_upload_folder
from gradio_client.utils import is_http_url_like, strip_invalid_filename_characters
from safehttpx import AsyncSecureTransport, async_validate_url, matches_domain_whitelist

from sr_demo.errors import DISK_REFUSES, BadInput, Busy, SRError, StorageError, is_disk_full, log, quoted

MOST_ADDRESSES = 50
"""Of one call."""
MOST_CALLS = 16
"""Calls whose files are fetched at once; those of one caller may be half of them."""
_SECONDS = 60.0
_SECONDS_TOGETHER = 180.0
_SILENT_SECONDS = 10.0
_MOST_REDIRECTS = 5
_LONGEST_NAME = 80
_NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32", "2002::/16", "fec0::/10")))
"""What Python counts as global: addresses of protocols and of Azure's own service, IPv4 inside IPv6 (6to4), site-local."""
_ABSENT = secrets.token_bytes(16)
"""First bytes of a stand-in file; random, so that no uploaded file begins with them."""


class Fetches:
    """The calls whose files are being fetched, for one event loop.

    Such a call is not admitted yet (`Callers`), but takes one of the few jobs of Gradio's queue for up to three minutes.
    """

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str) -> Generator[None]:
        """Hold one of the places for a call of `caller`, a network address. Raises Busy where none is left for it."""
        if self._calls.total() >= MOST_CALLS or self._calls[caller] >= MOST_CALLS // 2:
            raise Busy(
                "As many pictures are being fetched from addresses as this server fetches at once. Upload yours instead, or "
                "try again in a minute."
            )
        self._calls[caller] += 1
        try:
            yield
        finally:
            self._calls[caller] -= 1
            if not self._calls[caller]:
                del self._calls[caller]


async def fetch_all(addresses: list[str], most: int) -> list[Path | BadInput]:
    """Download files one after the other into the upload folder.

    Args:
        addresses: Addresses with the scheme http or https.
        most: Largest number of bytes of all files together.

    Returns:
        The path of each file, or the error if it could not be downloaded.

    Raises:
        BadInput: There are too many addresses.
        StorageError: The disk is full.
    """
    if len(addresses) > MOST_ADDRESSES:
        raise BadInput(
            f"One call names {MOST_ADDRESSES} addresses of pictures at most, and this one names {len(addresses)}. Send the "
            "others in another one."
        )
    found: list[Path | BadInput] = []
    bytes_before, end = 0, asyncio.get_running_loop().time() + _SECONDS_TOGETHER
    for address in addresses:
        try:
            if asyncio.get_running_loop().time() > end:
                raise BadInput(
                    f"The picture at {quoted(address)} was not fetched: those before it took more than "
                    f"{_SECONDS_TOGETHER:.0f} s, the limit of one call. Send it in another one."
                )
            found.append(path := await fetch(address, most, bytes_before))
            bytes_before += path.stat().st_size
        except BadInput as exc:
            found.append(exc)
    return found


def stand_in(address: str, why: BadInput) -> Path:
    """Create a stand-in for an upload that is missing, so that the other files of the request are still accepted.

    Args:
        address: Address or name of the file.
        why: Error that `check_present` raises for the stand-in.

    Returns:
        The path of the stand-in, which contains the message of `why`, since Gradio may copy the file.
    """
    path = Path(tempfile.mkdtemp(dir=get_upload_folder())) / _name(address)
    path.write_bytes(_ABSENT + str(why).encode())
    return path


def check_present(path: Path) -> None:
    """Raise BadInput with the reason why the file is missing, if the upload at `path` is a stand-in."""
    try:
        with path.open("rb") as file:
            why = file.read() if file.read(len(_ABSENT)) == _ABSENT else None
    except OSError:  # the later reading reports this
        return
    if why is not None:
        raise BadInput(why.decode())


async def fetch(address: str, most: int, before: int = 0) -> Path:
    """Download a file into the upload folder.

    Args:
        address: Address with the scheme http or https.
        most: Largest number of bytes of all files of the request.
        before: Number of bytes of the files before this one.

    Returns:
        The path of the file, in a new folder.

    Raises:
        BadInput: The file is too large, or cannot be downloaded within a minute.
        StorageError: The disk is full.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
        return await asyncio.wait_for(_fetch(address, folder, most, before), _SECONDS)
    except BaseException as exc:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(exc, SRError) or not isinstance(exc, Exception):
            raise
        if is_disk_full(exc):
            raise StorageError(DISK_REFUSES) from exc
        log.info("could not fetch %s: %s", quoted(address), quoted(f"{type(exc).__name__}: {exc}", 300))
        raise BadInput(
            f"The picture could not be fetched from {quoted(address)}. Public http and https addresses are fetched, as far "
            "as this server reaches them; send other pictures as a data: address, or upload them first (docs/api.md)."
        ) from exc


def _name(address: str) -> str:
    """Return a safe file name for the file at an address: the last part of its path, or "file"."""
    name = strip_invalid_filename_characters(Path(urlsplit(address).path).name)[-_LONGEST_NAME:]
    return name if name.strip(".") else "file"


async def _fetch(address: str, folder: Path, most: int, before: int) -> Path:
    target, at = folder / _name(address), address
    for _ in range(_MOST_REDIRECTS + 1):
        transport = await _transport(httpx.URL(at).host)
        headers = {"Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(transport=transport, timeout=_SILENT_SECONDS) as client,
            client.stream("GET", at, headers=headers) as response,
        ):
            if not response.has_redirect_location:
                await _save(response.raise_for_status(), target, most, before, address)
                return target
            at = urljoin(at, response.headers["Location"])
            if not is_http_url_like(at):
                break
    raise ValueError("redirected too often, or away from http")


async def _save(response: httpx.Response, target: Path, most: int, before: int, address: str) -> None:
    if response.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        # Unpacked, a few kB can become several GB before their size is seen.
        raise BadInput(
            f"The picture at {quoted(address)} was not fetched: it comes compressed (Content-Encoding), and is not "
            "unpacked here. Name an address that sends the file as it is, or upload it."
        )
    with target.open("wb") as file:
        async for chunk in response.aiter_raw():
            if before + file.tell() + len(chunk) > most:
                limit = f"{most / 2**20:.0f} MB"
                if before:
                    raise BadInput(
                        f"With the picture at {quoted(address)}, those to fetch have more than {limit}, the limit of one "
                        "call. Send it in another one."
                    )
                raise BadInput(
                    f"The picture at {quoted(address)} has more than {limit}, the limit here. Choose a smaller file."
                )
            file.write(chunk)


async def _transport(host: str) -> Any:
    """Return the transport that connects to the public address of `host`. Raises ValueError if it has none."""
    if matches_domain_whitelist(host, PUBLIC_HOSTNAME_WHITELIST):
        return None
    found = await async_validate_url(host)
    if not _is_public(found):  # for safehttpx, networks shared by a provider's customers are
        raise ValueError(f"{found} is no public address")
    return AsyncSecureTransport(found)


def _is_public(address: str) -> bool:
    """Return whether an IP address is one of the Internet."""
    found = ip_address(address)
    special = found.is_multicast or found.is_reserved or any(found in network for network in _NOT_PUBLIC)
    return found.is_global and not special
