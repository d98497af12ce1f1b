"""The first set-up on a fresh computer: published networks are fetched, one click shows them beside ours, offline too."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from sr_demo import catalogue
from sr_demo.approaches import baselines, dat, edsr, real_esrgan
from sr_demo.backends import ncnn
from sr_demo.checkpoint import Checkpoint, WeightFile, WheelMember
from sr_demo.cli.main import main
from sr_demo.hub import fetching
from sr_demo.hub.face_detector import YUNET
from sr_demo.spec import Approach
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.test_page import PATIENCE, finished, launch
from tests.hub_server import HubServer
from tests.registry_server import VERSION, RegistryServer

pytestmark = [pytest.mark.e2e, pytest.mark.hub, pytest.mark.timeout(300)]

_PACKAGE = "made-networks"
_X4PLUS, _DAT = "made_networks/x4plus.bin", "made_networks/DAT_light_x4.pth"
_HUB = "rippertnt/upscale"
_RRDB = ncnn.rrdb(1, 8)


def tiny(content: bytes) -> bytes:
    """The conversion of x4plus, for the tiny network that stands in for it."""
    return ncnn.to_safetensors(content, _RRDB)


def ncnn_file(layout: Sequence[ncnn.Entry]) -> bytes:
    """Random weights in the format of ncnn."""
    rng, parts = np.random.default_rng(0), []
    for _, shape in layout:
        values = 0.1 * rng.standard_normal(shape)
        parts.append(
            b"\x47\x6b\x30\x01" + values.astype("<f2").tobytes() if len(shape) > 1 else values.astype("<f4").tobytes()
        )
        parts.append(bytes(-len(parts[-1]) % 4))
    return b"".join(parts)


def saved(module: torch.nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save({"params": module.state_dict()}, file)
    return file.getvalue()


def networks() -> dict[str, bytes]:
    """Tiny random networks of the published architectures."""
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
    from spandrel.architectures.DAT.__arch.DAT import DAT

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
        attention = DAT(
            img_size=16, embed_dim=32, depth=[2], num_heads=[2], split_size=[8, 8], expansion_factor=2, upscale=4,
            upsampler="pixelshuffledirect",
        )  # fmt: skip
    general, other = (saved(SRVGGNetCompact(num_feat=8, num_conv=2, upscale=4)) for _ in range(2))
    return {"x4plus": ncnn_file(_RRDB), "dat": saved(attention), "general": general, "wdn": other}


def member(name: str, content: bytes, **more: Any) -> WheelMember:
    return WheelMember(_PACKAGE, VERSION, name, hashlib.sha256(content).hexdigest(), len(content), 1_000_000, **more)


def pinned(file: WeightFile, content: bytes, source: str | WheelMember) -> WeightFile:
    """The file of a catalogue, with the identity and the source of what stands in for it."""
    return replace(file, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), sources=(source,))


def with_checkpoints(approach: Approach, *changed: Checkpoint) -> Approach:
    """An approach without the downloads that are not in `changed`."""
    by_name = {checkpoint.name: checkpoint for checkpoint in changed}
    kept = [by_name.get(c.name, c) for c in approach.checkpoints if c.name in by_name or c.kind == "embedded"]
    return replace(approach, checkpoints=tuple(kept))


@pytest.fixture
def approaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[tuple[Approach, ...], Any, Any]]:
    """A catalogue whose published files are those of the stand-ins, and the stand-ins, with an empty cache."""
    made = networks()
    repository = {"general.pth": made["general"], "wdn.pth": made["wdn"], "faces.onnx": b"a face detector"}
    with (
        HubServer({_HUB: dict(repository)}) as hub,
        RegistryServer({_PACKAGE: {_X4PLUS: made["x4plus"], _DAT: made["dat"]}}) as registry,
    ):
        hub.serve_client(monkeypatch, tmp_path)
        registry.serve_pip(monkeypatch)
        x4plus, general = map(real_esrgan.APPROACH.checkpoint, ("x4plus", "general-x4v3"))
        sources = ("schwgHao/RealESRGAN_x4plus:gone.pth", member(_X4PLUS, made["x4plus"], convert=tiny))
        x4plus = replace(x4plus, files=(replace(x4plus.files[0], sources=sources),), flops_per_pixel=1e4)
        first, second = general.files
        files = (
            pinned(first, made["general"], f"{_HUB}:general.pth"),
            pinned(second, made["wdn"], hub.address(_HUB, "wdn.pth")),
        )
        light = dat.APPROACH.checkpoint("x4")
        light = replace(light, files=(pinned(light.files[0], made["dat"], member(_DAT, made["dat"])),))
        found = (
            baselines.BICUBIC, edsr.APPROACH, with_checkpoints(dat.APPROACH, light),
            with_checkpoints(real_esrgan.APPROACH, x4plus, replace(general, files=files)),
        )  # fmt: skip
        monkeypatch.setattr(catalogue, "APPROACHES", found)
        faces = pinned(YUNET.files[0], repository["faces.onnx"], f"{_HUB}:faces.onnx")
        monkeypatch.setattr(fetching, "_FACES", fetching.FetchTarget("faces", replace(YUNET, files=(faces,))))
        yield found, hub, registry


TITLES = ["Bicubic", "EDSR (ours)", "DAT (published, light)", "Real-ESRGAN (published, x4plus, large)"]


def one_click(url: str, open_page: OpenPage) -> dict[str, bytes]:
    """Click an example on a page that was just opened; return the results by their labels, as PNG files."""
    page = open_page(url)
    page.locator("#examples button").first.click()
    finished(page)
    expect(page.locator("#table tbody th")).to_have_text(TITLES, timeout=PATIENCE)
    labels = page.locator("#methods label")
    expect(labels.filter(has_text="Real-ESRGAN (ours, imitates x4plus)")).to_have_count(1)
    images = {title: page.locator(f"#viewer img[alt^='Result of {title},']").first for title in TITLES}
    return {title: page.request.get(f"{url}{image.get_attribute('src')}").body() for title, image in images.items()}


@pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")
@pytest.mark.slow
def test_one_click_shows_fetched_networks_beside_ours_and_so_does_a_second_start_without_a_network(
    approaches: tuple[tuple[Approach, ...], HubServer, RegistryServer],
    serve: Serve,
    open_page: OpenPage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, hub, registry = approaches
    assert main(["fetch", "--recommended"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], line.rpartition(" from ")[2].split(":")[0]) for line in lines] == [
        ("dat:x4", f"{_PACKAGE}=={VERSION}"),
        ("real-esrgan:general-x4v3", _HUB),
        ("real-esrgan:x4plus", f"{_PACKAGE}=={VERSION}"),
        ("faces:yunet", _HUB),
    ]
    before = len(hub.requests), len(registry.requests)
    assert sum("whl" in path for path in registry.requests) == 1, "two networks cost one download"
    first = one_click(launch(serve, found), open_page)
    assert (len(hub.requests), len(registry.requests)) == before, "what is stored is not requested again"
    hub.close()
    registry.close()
    assert main(["fetch", "--recommended"]) == 0
    assert [line.split()[1:3] for line in capsys.readouterr().out.splitlines()] == [["was", "here,"]] * 4
    assert one_click(launch(serve, found), open_page) == first
    assert all(content.startswith(b"\x89PNG") for content in first.values()) and len(set(first.values())) == 4
