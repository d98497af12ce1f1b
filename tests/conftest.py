"""Fixtures of all tests: no network, a separate cache folder, small images."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sr_demo.image import Image, ImageData, readonly
from sr_demo.system import memory

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["SR_DEMO_FETCH"] = "0"
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Tiny networks gain nothing from threads that wait for each other; on a busy computer they lose a factor of ten.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_SHARED = Path(__file__).resolve().parents[2] / "shared"
_real_connect = socket.socket.connect


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests marked `gpu` where torch finds no CUDA device."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device that torch can use")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for this test run, shared by its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SR_DEMO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _settled_heap() -> None:
    """Exclude present objects from garbage collection, which precedes every measured run of an approach."""
    memory.freeze_garbage_collection()


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Fail on connections to other computers."""

    def connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "localhost", "::1"}:
            raise AssertionError(f"a test tried to reach {address}")
        _real_connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture
def int8_by_default() -> None:
    """For tests of networks in int8 that was not requested: elsewhere a timing would decide what they run in."""


@pytest.fixture(autouse=True)
def _no_int8_by_default(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(model: object) -> None:
        return None

    if "int8_by_default" not in request.fixturenames:
        monkeypatch.setattr("sr_demo.backends.shipped_int8.by_default", none)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test sets, or a skip that says why."""
    folder = Path(os.environ.get("SR_DEMO_SHARED_DATA", str(_SHARED / "data")))
    if not folder.is_dir():
        pytest.skip(f"the test sets are not at {folder} (set SR_DEMO_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The folder of published checkpoints, or a skip that says why."""
    folder = Path(os.environ.get("SR_DEMO_SHARED_WEIGHTS", str(_SHARED / "weights")))
    if not folder.is_dir():
        pytest.skip(f"the published checkpoints are not at {folder} (set SR_DEMO_SHARED_WEIGHTS)")
    return folder


@pytest.fixture
def gradio_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that build a page: close the two event loops that Gradio creates for each, which would warn later."""
    created: list[asyncio.AbstractEventLoop] = []
    real = asyncio.new_event_loop

    def new() -> asyncio.AbstractEventLoop:
        created.append(real())
        return created[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", new)
    yield
    for loop in created:
        loop.close()


def flip_bit(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def noise(height: int, width: int, seed: int = 0) -> Image:
    """Return a smooth random image (H, W, 3): plain noise has no structure to upscale."""
    from sr_demo.imaging.resize import resize

    rng = np.random.default_rng(seed)
    coarse = rng.random((max(height // 4, 1), max(width // 4, 1), 3), np.float32)
    return resize(readonly(coarse), (height, width))


def image_of(rgb: Image, *, alpha: Image | None = None, gray: bool = False, bits: int = 8) -> ImageData:
    """Return `ImageData` for an array."""
    return ImageData(rgb, alpha, gray, bits, None, "test.png", ())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _idle_computer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time estimates do not depend on what else runs beside the tests."""
    if "really_waited" not in request.fixturenames:
        monkeypatch.setattr("sr_demo.system.contention.core_wait_seconds", lambda: 0.0)


@pytest.fixture
def really_waited() -> None:
    """Measure how long this process waits for cores."""
