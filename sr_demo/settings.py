"""Settings of a server from environment variables. They are read once, in `app.py`, and passed down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sr_demo.errors import BadInput, quoted

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Settings:
    """Limits and addresses of one server. The README lists the variables."""

    max_megabytes: int = 100
    """Largest upload in MB of 2^20 bytes. SR_DEMO_MAX_MB."""
    max_megapixels: int = 100
    """Largest image in millions of pixels, checked before decoding. SR_DEMO_MAX_MEGAPIXELS."""
    host: str = "127.0.0.1"
    """Address to listen on. SR_DEMO_HOST; 0.0.0.0 on Spaces and in containers."""
    port: int = 7860
    """Port to listen on. SR_DEMO_PORT."""
    queue_length: int = 128
    """Largest number of jobs that wait or run; one address may have half of them. SR_DEMO_QUEUE."""
    max_seconds: int = 0
    """Time limit of one job in seconds; 0 for none. SR_DEMO_MAX_SECONDS; 600 on Spaces."""
    proxied: bool = False
    """Whether a proxy reports the visitors' addresses (X-Forwarded-For). SR_DEMO_PROXY; set on Spaces."""
    max_store_megabytes: int = 4096
    """Space for uploads and results in MB of 2^20 bytes; the oldest are removed first. SR_DEMO_MAX_STORE_MB."""
    mcp: bool = False
    """Whether the page is also an MCP server. SR_DEMO_MCP."""
    fetch: bool = False
    """Whether the recommended published checkpoints are fetched before the page is built. SR_DEMO_FETCH; set on Spaces."""
    hosts: tuple[str, ...] = ()
    """Host names, besides local ones, at which the server is reached. SR_DEMO_HOSTS, and the Space's host."""
    origins: tuple[str, ...] = ()
    """Hosts of pages that may send requests to this server. SR_DEMO_HOSTS, and on Spaces the Hub, which embeds the page."""
    share: bool = False
    """Whether visitors may create links that open their results for a day. SR_DEMO_SHARE."""
    max_model_megabytes: int = 1024
    """Largest model file of a visitor in MB of 2^20 bytes. SR_DEMO_MAX_MODEL_MB."""
    community: bool = True
    """Whether visitors may search OpenModelDB and fetch its models. SR_DEMO_COMMUNITY; off by default on public servers."""

    @property
    def is_private(self) -> bool:
        """Whether only the user of this computer can reach the page: it listens locally, and no proxy forwards requests."""
        return self.host in LOOPBACK and not self.proxied and not self.hosts


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read settings from SR_DEMO_* variables. Raises BadInput, naming a variable that is outside its range."""
    plain = Settings()
    on_spaces = "SPACE_ID" in environ
    named = _names(environ, "SR_DEMO_HOSTS")
    space = tuple(filter(None, [environ.get("SPACE_HOST", "").lower()])) if on_spaces else ()
    found = Settings(
        max_megabytes=_number(environ, "SR_DEMO_MAX_MB", plain.max_megabytes),
        max_model_megabytes=_number(environ, "SR_DEMO_MAX_MODEL_MB", plain.max_model_megabytes),
        max_megapixels=_number(environ, "SR_DEMO_MAX_MEGAPIXELS", plain.max_megapixels),
        host=environ.get("SR_DEMO_HOST", "0.0.0.0" if on_spaces else plain.host),
        port=_number(environ, "SR_DEMO_PORT", plain.port, largest=65_535),
        queue_length=_number(environ, "SR_DEMO_QUEUE", plain.queue_length),
        max_store_megabytes=_number(environ, "SR_DEMO_MAX_STORE_MB", plain.max_store_megabytes, largest=1_000_000_000),
        max_seconds=_number(environ, "SR_DEMO_MAX_SECONDS", 600 if on_spaces else plain.max_seconds, smallest=0),
        proxied=on_spaces or _switch(environ, "SR_DEMO_PROXY"),
        mcp=_switch(environ, "SR_DEMO_MCP"),
        share=_switch(environ, "SR_DEMO_SHARE"),
        fetch=_switch(environ, "SR_DEMO_FETCH", default="1" if on_spaces else "0"),
        hosts=(*named, *space, "*.hf.space") if on_spaces else named,
        origins=(*named, *space, "huggingface.co") if on_spaces else named,  # not other Spaces
    )
    return replace(found, community=_switch(environ, "SR_DEMO_COMMUNITY", default="1" if found.is_private else "0"))


_NAME = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f]*:[0-9a-f:.]+")


def _names(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return host names in lower case, and IPv6 addresses without brackets."""
    listed = (part.strip().lower().strip("[]") for part in environ.get(name, "").split(","))
    names = tuple(part for part in listed if part)
    if wrong := [part for part in names if not _NAME.fullmatch(part)]:
        raise BadInput(
            f"The environment variable {name} must be host names without scheme or port, with commas between them, such as "
            f"sr.example.org,*.lab.example.org (or * for any), not {quoted(wrong[0])}."
        )
    return names


def _switch(environ: Mapping[str, str], name: str, default: str = "0") -> bool:
    text = environ.get(name, default).strip()
    if text not in ("", "0", "1"):
        raise BadInput(f"The environment variable {name} must be 1 (on) or 0 (off), not {quoted(text)}.")
    return text == "1"


def _number(environ: Mapping[str, str], name: str, default: int, largest: int = 1_000_000, smallest: int = 1) -> int:
    text = environ.get(name, str(default)).strip()
    # The length is checked first, since Python refuses to convert thousands of digits.
    if not text.isdecimal() or len(text) > len(str(largest)) or not smallest <= int(text) <= largest:
        raise BadInput(
            f"The environment variable {name} must be a whole number from {smallest} to {largest}, not {quoted(text)}."
        )
    return int(text)
