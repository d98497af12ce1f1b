"""Published checkpoints load and score as published; files that are no checkpoint are refused."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sr_demo.approaches import real_esrgan
from sr_demo.backends import spandrel_loader
from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision
from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile
from sr_demo.errors import WeightsUnavailable
from sr_demo.hub import checkpoints
from sr_demo.image import Image, ImageData, readonly
from sr_demo.inference.jobs import Failed, Job
from sr_demo.inference.runner import Runner
from sr_demo.reports.evaluation import evaluate, pairs
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.storage import sha256_of
from tests.conftest import image_of, noise
from tests.hub_server import HubServer

pytestmark = pytest.mark.hub

GENERAL, TWIN, CRAFT = "realesr-general-x4v3.safetensors", "realesr-general-wdn-x4v3.safetensors", "craft-x4.pth"
REPO = "authors/checkpoints"


@pytest.fixture
def hub(shared_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The folder of published checkpoints as a repository on a local Hub, and an empty store."""
    files: dict[str, Path | bytes] = {path.name: path for path in shared_weights.iterdir() if path.suffix != ".md"}
    with HubServer({REPO: files}) as server:
        server.serve_client(monkeypatch, tmp_path)
        yield server


@pytest.fixture(scope="module")
def file_of(shared_weights: Path) -> Callable[[str], WeightFile]:
    """Returns the `WeightFile` of a published file by its name."""

    def named(name: str) -> WeightFile:
        path = shared_weights / name
        return WeightFile(name, sha256_of(path), path.stat().st_size, (f"{REPO}:{name}",))

    return named


@pytest.fixture(scope="module")
def general(file_of: Callable[[str], WeightFile]) -> Approach:
    """Real-ESRGAN of the catalogue, with its general checkpoint on the local Hub."""
    listed = next(c for c in real_esrgan.APPROACH.checkpoints if c.name == "general-x4v3")
    return replace(real_esrgan.APPROACH, checkpoints=(replace(listed, files=(file_of(GENERAL), file_of(TWIN))),))


def job(approach: Approach, **options: object) -> Job:
    return Job(approach, approach.checkpoints[0], approach.options(**options))  # type: ignore[arg-type]


def set5(approach: Approach, shared_data: Path) -> float:
    """Mean PSNR-Y in dB of the default job on Set5."""
    folder = shared_data / "testsets" / "Set5"
    (row,) = evaluate(Runner(), [job(approach)], {4: pairs(folder / "HR", folder / "LRx4", 4)})
    assert not isinstance(row, Failed), row
    assert row["images"] == 5
    return row["psnr_y"]


def test_the_published_general_model_reaches_its_known_score(
    hub: HubServer, general: Approach, shared_data: Path
) -> None:
    assert not checkpoints.is_available(general.checkpoints[0])
    assert set5(general, shared_data) == pytest.approx(26.6, abs=0.1)
    assert hub.requests.count(f"GET {REPO}:{GENERAL}") == 1
    assert checkpoints.is_available(general.checkpoints[0])


def test_the_denoise_option_interpolates_between_two_networks(
    hub: HubServer, general: Approach, file_of: Callable[[str], WeightFile]
) -> None:
    runner, image = Runner(), image_of(noise(24, 20))

    def alone(name: str) -> Image:
        only = replace(general.checkpoints[0], files=(file_of(name),))
        return result(runner, replace(job(general), checkpoint=only), image)

    np.testing.assert_allclose(result(runner, job(general, denoise=1), image), alone(GENERAL), atol=1e-5)
    np.testing.assert_allclose(result(runner, job(general, denoise=0), image), alone(TWIN), atol=1e-5)
    half = result(runner, job(general, denoise=0.5), image)
    assert np.abs(half - alone(GENERAL)).max() > 0.01
    assert np.abs(half - alone(TWIN)).max() > 0.01


def result(runner: Runner, wanted: Job, image: ImageData) -> Image:
    return runner.run(replace(wanted, precision="fp32"), image).image.rgb


def test_more_denoise_leaves_less_noise(hub: HubServer, general: Approach) -> None:
    grain = np.random.default_rng(0).standard_normal((48, 48, 3)).astype(np.float32)
    noisy = image_of(readonly(np.clip(np.float32(0.5) + grain * np.float32(0.06), 0, 1)))
    runner = Runner()
    left = [float(result(runner, job(general, denoise=d), noisy)[8:-8, 8:-8].std()) for d in (0, 0.5, 1)]
    assert left[0] > 1.5 * left[2], left
    assert left[0] > left[1] > left[2], left


def _load_craft(request: Request) -> Upscaler:
    descriptor = spandrel_loader.load(request.files[0], "CRAFT", 4)
    return NetworkUpscaler(descriptor, choose_precision(request.precision, spandrel_loader.precisions(descriptor)))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_pickle_by_the_authors_reaches_its_published_score(
    hub: HubServer, file_of: Callable[[str], WeightFile], shared_data: Path
) -> None:
    checkpoint = Checkpoint("craft", "CRAFT", (file_of(CRAFT),), "MIT", bytes_per_pixel=60_000)
    craft = replace(
        real_esrgan.APPROACH, id="craft", load=_load_craft, checkpoints=(checkpoint,), tiling=Tiling("tiles", 32)
    )
    assert set5(craft, shared_data) == pytest.approx(32.39, abs=0.05)


# --- files that are no checkpoint -----------------------------------------------------------------------------------


class Attack:
    """Runs a command when it is unpickled without restrictions."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


def refusal(path: Path) -> str:
    """The message with which a file is refused."""
    with pytest.raises(WeightsUnavailable) as caught:
        spandrel_loader.load(path, "Compact", 4)
    assert str(caught.value).startswith(path.name)
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


@pytest.mark.parametrize("form", ["zip", "old", "bare"])
def test_a_pickle_that_would_run_a_command_is_refused(tmp_path: Path, form: str) -> None:
    proof, path = tmp_path / "proof", tmp_path / "net.pth"
    if form == "bare":
        path.write_bytes(pickle.dumps({"params": Attack(proof)}))
    else:
        torch.save({"params": Attack(proof)}, path, _use_new_zipfile_serialization=form == "zip")
    assert "more than tensors" in refusal(path)
    assert not proof.exists()
    os.system(f"touch {proof}")  # the command itself would have worked
    assert proof.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_torchscript_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    traced: Any = torch.jit.trace(torch.nn.Identity(), torch.zeros(1))
    traced.save(str(path))
    assert refusal(path) == (
        "net.pt is not loaded: a .pt file can hold a program. Use the same checkpoint as .safetensors or .pth."
    )


def _saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return file.getvalue()


DAMAGED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("net.pth", lambda: b""),
    "text": ("net.pth", lambda: b"<html>404 not found</html>"),
    "cut off": ("net.pth", lambda: _saved({"a": torch.zeros(1000)})[:1500]),
    "another archive": ("net.pth", _zip),
    "a list": ("net.pth", lambda: _saved([1, 2, 3])),
    "a number": ("net.pth", lambda: _saved(3)),
    "an unknown network": ("net.pth", lambda: _saved({"a": torch.zeros(3)})),
    "half a network": ("net.pth", lambda: _saved({"body.0.weight": torch.zeros(64, 3, 3, 3)})),
    "empty safetensors": ("net.safetensors", lambda: b""),
    "text as safetensors": ("net.safetensors", lambda: b"<html>404 not found</html>"),
    "a header too long": ("net.safetensors", lambda: b"\xff" * 64),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_gets_one_sentence(tmp_path: Path, kind: str) -> None:
    name, content = DAMAGED[kind]
    path = tmp_path / name
    path.write_bytes(content())
    assert len(refusal(path)) < 200


def test_another_network_under_the_right_name_is_refused(shared_weights: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="holds a CRAFT network for x4, not the Compact x4 that was expected"):
        spandrel_loader.load(shared_weights / CRAFT, "Compact", 4)


def test_networks_of_different_layout_are_not_blended(tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    save_file({"body.0.weight": torch.zeros(2, 3)}, paths[0])
    save_file({"body.0.weight": torch.zeros(3, 3)}, paths[1])
    with pytest.raises(WeightsUnavailable, match="different layouts"):
        spandrel_loader.load_blend(paths, (0.5, 0.5), "Compact", 4)
