"""A small OpenModelDB on 127.0.0.1: an index of made-up cards, and the files that they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

from sr_demo.community import fetched_models, index
from sr_demo.user_models.opening import open_model
from tests.hub_server import HubServer

REPOSITORY, INDEX = "open/modeldb", "models.json"


@cache
def compact() -> bytes:
    """A Compact of random weights, x2, as a `.pth` file."""
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.manual_seed(0)
    buffer = BytesIO()
    torch.save({"params": SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2).state_dict()}, buffer)
    return buffer.getvalue()


class CommunityServer(HubServer):
    """Serves cards and files; `add` before the first request, or `publish` again."""

    def __init__(self) -> None:
        super().__init__({REPOSITORY: {}})
        self.cards: dict[str, Any] = {}

    def add(self, identifier: str, content: bytes | None = None, **facts: Any) -> None:
        """Add a model; `facts` replace entries of its card, `resource` those of its file."""
        content = compact() if content is None else content
        resource = {
            "platform": "pytorch", "type": "pth", "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(), "urls": [self.address(REPOSITORY, f"{identifier}.pth")],
        } | facts.pop("resource", {})  # fmt: skip
        self.cards[identifier] = {
            "name": identifier.partition("-")[2], "author": "anna", "license": "CC-BY-4.0", "tags": ["photo"],
            "description": "", "architecture": "compact", "scale": 2, "inputChannels": 3, "outputChannels": 3,
            "resources": [resource],
        } | facts  # fmt: skip
        self.files[REPOSITORY][f"{identifier}.pth"] = content
        self.publish()

    def publish(self) -> None:
        """Write the index."""
        self.files[REPOSITORY][INDEX] = json.dumps(self.cards).encode()

    def downloads(self) -> list[str]:
        """The files that were requested, in order."""
        return [request.rpartition(":")[2] for request in self.requests]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[CommunityServer]:
    """Serve an empty OpenModelDB to this process, with an empty cache; trials happen in this process."""
    with CommunityServer() as server:
        server.serve_client(monkeypatch, folder)
        monkeypatch.setenv(index.VARIABLE, server.address(REPOSITORY, INDEX))

        def here(path: Path, progress: Any, *, seconds: float, **settings: Any) -> Any:
            return open_model(path, progress, **settings)

        monkeypatch.setattr(
            fetched_models, "open_model_in_subprocess", here
        )  # a process of its own takes seconds to start
        yield server
