"""The adapter for SUPIR: a subprocess with a fake checkout. SUPIR itself is not run here."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from sr_demo.approaches.supir import APPROACH
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError
from sr_demo.image import Image
from sr_demo.pipelines import supir
from sr_demo.pipelines.options import SupirOptions
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request
from sr_demo.system import scratch
from sr_demo.system.storage import cache_folder
from tests.conftest import noise

OPTIONS = SupirOptions(prompt="a cat", steps=3)
UTIL = """
import json, time, zlib
from pathlib import Path
import torch


def convert_dtype(name):
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


def create_SUPIR_model(options, SUPIR_sign=None):
    print("SUPIR prints what it likes: {not json}")
    model = Model()
    model.received = {"options": json.loads(Path(options).read_text()), "sign": SUPIR_sign}
    return model


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.denoiser, self.model = torch.nn.Identity(), torch.nn.Identity()

    def init_tile_vae(self, encoder_tile_size, decoder_tile_size):
        self.received["tiled"] = [encoder_tile_size, decoder_tile_size]

    def batchify_sample(self, x, p, p_p="default", n_p="default", num_steps=100, restoration_scale=4.0, s_churn=0,
                        s_noise=1.003, cfg_scale=4.0, seed=-1, num_samples=1, control_scale=1, color_fix_type="None",
                        use_linear_CFG=False, use_linear_control_scale=False, cfg_scale_start=1.0,
                        control_scale_start=0.0):
        (Path(__file__).parent / "received.json").write_text(json.dumps(self.received | {"size": list(x.shape)}))
        assert x.min() >= -1 and x.max() <= 1 and len(p) == len(x) == 1
        if "enormous" in p[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")
        for _ in range(num_steps):
            x = self.denoiser(x)
            time.sleep(0.02 if num_steps < 100 else 0.1)
        words = zlib.crc32("|".join([p[0], p_p, n_p, str(cfg_scale), str(control_scale)]).encode())
        source = torch.Generator().manual_seed(seed + words)
        return x + 0.1 * torch.randn(1, 3, 1, 1, generator=source)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the checkout."""
    folder = tmp_path_factory.mktemp("SUPIR")
    (folder / "SUPIR").mkdir()
    (folder / "SUPIR" / "__init__.py").touch()
    (folder / "SUPIR" / "util.py").write_text(UTIL)
    (folder / "options").mkdir()
    (folder / "options" / "SUPIR_v0.yaml").write_text('{"SDXL_CKPT": "elsewhere"}')
    (folder / "omegaconf.py").write_text(
        "import json\nclass OmegaConf:\n    load = staticmethod(lambda path: json.load(open(path)))\n"
        "    to_yaml = staticmethod(json.dumps)\n"
    )
    (folder / "weights").mkdir()
    for name in ("sd_xl_base_1.0_0.9vae.safetensors", "SUPIR-v0Q_fp16.safetensors", "SUPIR-v0F.ckpt"):
        (folder / "weights" / name).touch()
    return folder


SIZES = supir.working_size


@pytest.fixture(scope="module")
def upscaler(home: Path) -> Iterator[supir.SupirUpscaler]:
    """Loaded as the catalogue does it; its process starts with the first picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(supir.HOME, str(home))
        patch.setenv(supir.WEIGHTS, str(home / "weights"))
        patch.setenv(supir.PYTHON, sys.executable)
        patch.setattr(supir, "working_size", lambda height, width: (64, 128))
        loaded = APPROACH.load(Request(APPROACH.checkpoint(), (), OPTIONS, "auto", SILENT))
        assert isinstance(loaded, supir.SupirUpscaler)
        yield loaded


def drawn(upscaler: supir.SupirUpscaler, progress: Progress = SILENT, **changes: object) -> Image:
    return upscaler.upscale(noise(9, 21) * np.float32(0.5), replace(OPTIONS, **changes), progress)


def test_the_prompt_is_used_as_typed_and_the_seed_fixes_the_result(upscaler: supir.SupirUpscaler, home: Path) -> None:
    notes: list[str] = []
    plain = drawn(upscaler, Progress(lambda fraction, note: notes.append(note)))
    assert plain.shape == (36, 84, 3) and plain.dtype == np.float32 and not plain.flags.writeable
    assert notes == ["loading SUPIR", "step 1 of 3", "step 2 of 3", "step 3 of 3"]
    np.testing.assert_array_equal(plain, drawn(upscaler))
    variants: tuple[dict[str, Any], ...] = (
        {"prompt": "a dog"}, {"added": ""}, {"negative": ""}, {"seed": 1}, {"control": 0.5}, {"guidance": 2.0}
    )  # fmt: skip
    for changes in variants:
        assert np.abs(drawn(upscaler, **changes) - plain).max() > 1e-4, changes
    received = json.loads((home / "SUPIR" / "received.json").read_text())
    assert received["sign"] == "Q" and received["tiled"] == [512, 64] and received["size"] == [1, 3, 64, 128]
    assert {name: Path(file).name for name, file in received["options"].items()} == {
        "SDXL_CKPT": "sd_xl_base_1.0_0.9vae.safetensors",
        "SUPIR_CKPT_Q": "SUPIR-v0Q_fp16.safetensors",
        "SUPIR_CKPT_F": "SUPIR-v0F.ckpt",
    }


def test_a_running_image_is_locked_in_the_cache_and_nothing_is_left_behind(
    upscaler: supir.SupirUpscaler, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def run(request: dict[str, Any], steps: int, progress: Progress) -> None:
        seen.append(Path(request["given"]))
        assert seen[0].is_file() and scratch.sweep_cache(cache_folder()) == []
        np.save(request["made"], np.zeros((64, 128, 3)))

    monkeypatch.setattr(upscaler, "_run", run)
    drawn(upscaler)
    assert seen[0].parent.parent == cache_folder() / "supir" and not any((cache_folder() / "supir").iterdir())


def test_the_copy_of_the_options_is_removed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fresh = supir.SupirUpscaler(home, home / "weights", sys.executable, "quality", True)
    monkeypatch.setattr(supir, "working_size", lambda height, width: (64, 128))
    drawn(fresh)
    assert fresh._worker is not None
    fresh._worker.close()
    assert list(tmp_path.iterdir()) == []


def test_stop_ends_the_process_and_running_out_of_memory_does_not(upscaler: supir.SupirUpscaler) -> None:
    with pytest.raises(OutOfMemory, match="needs more memory than is free"):
        drawn(upscaler, prompt="an enormous cat")
    worker, stop = upscaler._worker, Event()
    assert worker is not None, "loading takes long: it is kept for a smaller picture"

    def report(fraction: float, note: str) -> None:
        if note == "step 2 of 150":
            stop.set()

    with pytest.raises(Cancelled):
        drawn(upscaler, Progress(report, stop), steps=150)
    assert upscaler._worker is None and worker._process.returncode is not None


def test_a_process_that_ran_out_of_memory_while_loading_is_started_again(home: Path) -> None:
    util = home / "SUPIR" / "util.py"
    util.write_text(UTIL.replace('    print("SUPIR prints', '    raise MemoryError\n    print("SUPIR prints'))
    try:
        large = supir.SupirUpscaler(home, home / "weights", sys.executable, "quality", True)
        for _ in range(2):
            with pytest.raises(OutOfMemory):
                large.upscale(noise(4, 4), OPTIONS, SILENT)
            assert large._worker is None
    finally:
        util.write_text(UTIL)


def test_the_message_of_a_failure_is_shown(home: Path) -> None:
    broken = supir.SupirUpscaler(home / "options", None, sys.executable, "fidelity", True)
    with pytest.raises(SRError, match="SUPIR could not do it: ModuleNotFoundError: No module named 'SUPIR'"):
        broken.upscale(noise(4, 4), OPTIONS, SILENT)


def test_a_python_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(BadInput, match=f"cannot be started .*Set {supir.PYTHON}"):
        supir.SupirUpscaler(home, None, "/no/python", "quality", True).upscale(noise(4, 4), OPTIONS, SILENT)


def test_a_folder_that_is_no_checkout_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(supir.HOME, str(tmp_path))
    with pytest.raises(BadInput, match=r"it has no SUPIR/util\.py"):
        supir.load(Request(APPROACH.checkpoint(), (), OPTIONS, "auto", SILENT))


def test_the_checkouts_own_python_comes_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(supir.PYTHON, raising=False)
    assert supir._python_of(tmp_path) == sys.executable
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.touch()
    assert supir._python_of(tmp_path) == str(own)
    monkeypatch.setenv(supir.PYTHON, os.devnull)
    assert supir._python_of(tmp_path) == os.devnull


@pytest.mark.parametrize(
    ("size", "expected"), [((512, 512), (1024, 1024)), ((1080, 1920), (1088, 1920)), ((4, 400), (192, 19_968))]
)
def test_working_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert SIZES(*size) == expected


def test_presets_are_those_of_the_authors() -> None:
    quality, fidelity = (supir.sampling_arguments(SupirOptions(preset=preset)) for preset in ("quality", "fidelity"))
    assert (quality["cfg_scale"], quality["cfg_scale_start"]) == (7.5, 4.0)
    assert (fidelity["cfg_scale"], fidelity["cfg_scale_start"]) == (4.0, 1.0)
    assert supir.sampling_arguments(SupirOptions(guidance=2.0))["cfg_scale"] == 2.0
    assert supir.sampling_arguments(OPTIONS)["p"] == ["a cat"] and supir.sampling_arguments(OPTIONS)["p_p"].startswith(
        ". "
    )


def test_the_worker_imports_nothing_of_this_package() -> None:
    source = inspect.getsource(sys.modules["sr_demo.pipelines.supir"])
    assert "supir_worker.py" in source
    worker = Path(supir.__file__).with_name("supir_worker.py").read_text()
    assert "import sr_demo" not in worker and "from sr_demo" not in worker
