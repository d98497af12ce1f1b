"""Conversion of the addresses in cards, many of which lead to a page for people, to the addresses of the files."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

_DRIVE = frozenset({"drive.google.com", "docs.google.com"})
_DRIVE_FILE = re.compile(r"/file/d/([\w-]+)")
_DRIVE_ID = re.compile(r"[\w-]+")
_LISTING = re.compile(r"^(/[^/]+/[^/]+)/blob/")
_FILES = {"github.com": r"\1/raw/", "huggingface.co": r"\1/resolve/"}
"""Hosts where the address of a file's page differs from that of the file by one word."""


def direct(address: str, suffix: str, index: str) -> str:
    """Return the address of the file itself, or "" if it is unknown or not safe to contact.

    Args:
        address: The address in the card.
        suffix: Suffix of the file's name, with the dot.
        index: Address of the index; a file on the same server may use the same scheme, any other needs https.
    """
    try:
        parts = urlsplit(address)
        if not (_is_public(parts) or _origin(parts) == _origin(urlsplit(index))):
            return ""
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    if host in _DRIVE:
        return _on_drive(parts)
    path = _LISTING.sub(_FILES[host], parts.path) if host in _FILES else parts.path
    return urlunsplit(parts._replace(path=path, fragment="")) if path.lower().endswith(suffix) else ""


def host_of(address: str) -> str:
    """Return the host of an address for a message; "" if there is none."""
    try:
        return (urlsplit(address).hostname or "").lower().removeprefix("www.")
    except ValueError:
        return ""


def _origin(parts: SplitResult) -> tuple[str, str]:
    return parts.scheme, parts.netloc


def _is_public(parts: SplitResult) -> bool:
    """Return whether an address is https to a named Internet host, on the standard port and without a password."""
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.port not in (None, 443) or "@" in parts.netloc or "." not in host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return not host.endswith((".local", ".internal", ".localhost"))
    return False


def _on_drive(parts: SplitResult) -> str:
    """Return the address at which Google Drive serves a file to programs, without the confirmation page for large files."""
    match = _DRIVE_FILE.match(parts.path)
    identifier = match.group(1) if match else next(iter(parse_qs(parts.query).get("id", [])), "")
    if not _DRIVE_ID.fullmatch(identifier):
        return ""
    return f"https://drive.usercontent.google.com/download?id={identifier}&export=download&confirm=t"
