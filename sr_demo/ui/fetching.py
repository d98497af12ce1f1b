"""Images that a request names by an address: fetched here, within limits of bytes and time.

Gradio would read a whole response into memory and write it to the disk, whatever its size. As in Gradio, only public
addresses are contacted: a name is resolved once, checked, and the connection goes to the address that was checked.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from gradio.processing_utils import PUBLIC_HOSTNAME_WHITELIST
from gradio.utils import get_upload_folder
from gradio_client.utils import is_http_url_like, strip_invalid_filename_characters
from safehttpx import AsyncSecureTransport, async_validate_url, matches_domain_whitelist

from sr_demo.errors import DISK_REFUSES, BadInput, SRError, StorageError, is_disk_full, log, quoted

_SECONDS = 60.0
_SILENT_SECONDS = 10.0
_MOST_REDIRECTS = 5
_LONGEST_NAME = 80


async def fetch(address: str, most: int) -> Path:
    """Fetch a file into the upload folder.

    Args:
        address: http or https.
        most: Bytes that are accepted.

    Returns:
        Its path, in a new folder.

    Raises:
        BadInput: It is larger, or cannot be fetched within a minute; with the sentence to show.
        StorageError: The disk is full.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
        return await asyncio.wait_for(_fetch(address, folder, most), _SECONDS)
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


async def _fetch(address: str, folder: Path, most: int) -> Path:
    target = folder / (strip_invalid_filename_characters(Path(urlsplit(address).path).name)[-_LONGEST_NAME:] or "file")
    at = address
    for _ in range(_MOST_REDIRECTS + 1):
        transport = await _transport(httpx.URL(at).host)
        headers = {"Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(transport=transport, timeout=_SILENT_SECONDS) as client,
            client.stream("GET", at, headers=headers) as response,
        ):
            if not response.has_redirect_location:
                await _save(response.raise_for_status(), target, most, address)
                return target
            at = urljoin(at, response.headers["Location"])
            if not is_http_url_like(at):
                break
    raise ValueError("redirected too often, or away from http")


async def _save(response: httpx.Response, target: Path, most: int, address: str) -> None:
    with target.open("wb") as file:
        async for chunk in response.aiter_bytes():
            if file.tell() + len(chunk) > most:
                raise BadInput(
                    f"The picture at {quoted(address)} has more than {most / 2**20:.0f} MB, the limit here. "
                    "Choose a smaller file."
                )
            file.write(chunk)


async def _transport(host: str) -> Any:
    """Return what connects to the checked public address of `host`. Raises ValueError where it has none."""
    if matches_domain_whitelist(host, PUBLIC_HOSTNAME_WHITELIST):
        return None
    return AsyncSecureTransport(await async_validate_url(host))
