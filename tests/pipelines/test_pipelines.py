"""The wrapper of diffusers pipelines with the x4 upscaler and FaithDiff: real classes at tiny size, random weights."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs requirements-diffusion.txt")
pytest.importorskip("transformers", reason="needs requirements-diffusion.txt")

import torch

from sr_demo.approaches import faithdiff as faithdiff_approach
from sr_demo.approaches import sd_x4_upscaler
from sr_demo.benchmarks import pipelines
from sr_demo.cli.main import main
from sr_demo.errors import Cancelled, OutOfMemory
from sr_demo.image import Image
from sr_demo.inference.jobs import Failed, Job
from sr_demo.inference.runner import Runner
from sr_demo.pipelines import diffusers_upscaler, faithdiff, sd_x4
from sr_demo.pipelines.diffusers_upscaler import PipelineUpscaler
from sr_demo.pipelines.options import FaithDiffOptions, X4Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request, Upscaler
from tests import tiny_pipelines
from tests.conftest import image_of, noise

OPTIONS = X4Options(prompt="cat", steps=2)
FAITHFUL = FaithDiffOptions(prompt="cat", steps=2)


@pytest.fixture(scope="session")
def stored_x4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny x4 upscaler as a folder, laid out as on the Hub."""
    folder = tmp_path_factory.mktemp("x4")
    tiny_pipelines.x4(folder).save_pretrained(folder / "whole")
    return folder / "whole"


@pytest.fixture(scope="session")
def upscaler(stored_x4: Path) -> PipelineUpscaler:
    checkpoint = sd_x4_upscaler.APPROACH.checkpoint()
    loaded = sd_x4.load(Request(checkpoint, (stored_x4,), OPTIONS, "fp32", SILENT))
    assert isinstance(loaded, PipelineUpscaler)
    return loaded


def drawn(upscaler: Upscaler, options: X4Options, image: Image | None = None) -> Image:
    return upscaler.upscale(noise(16, 16) if image is None else image, options, SILENT)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (17, 70)], ids=str)
def test_the_result_is_exactly_four_times_as_large(upscaler: PipelineUpscaler, size: tuple[int, int]) -> None:
    result = drawn(upscaler, replace(OPTIONS, steps=1), noise(*size))
    assert result.shape == (size[0] * 4, size[1] * 4, 3)
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1
    assert not result.flags.writeable


def test_results_of_other_sizes_are_resized() -> None:
    """As those do that round sizes to what suits their networks."""

    def call(pipeline: Any, image: Image, *_: Any) -> Image:
        return np.full((image.shape[0] * 4 - 40, image.shape[1] * 4 + 8, 3), 0.25, np.float32)

    result = PipelineUpscaler(None, call, "fp32").upscale(noise(64, 80), replace(OPTIONS, colour="none"), SILENT)
    assert result.shape == (256, 320, 3)
    np.testing.assert_allclose(result, 0.25, atol=1e-6)


def test_the_seed_holds_for_pipelines_that_use_torchs_global_generator() -> None:
    def call(pipeline: Any, image: Image, *_: Any) -> Image:
        return torch.rand(image.shape[0] * 4, image.shape[1] * 4, 3).numpy()

    drawing = PipelineUpscaler(None, call, "fp32")
    first, again, other = (drawn(drawing, replace(OPTIONS, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_prompt_and_negative_prompt_change_the_result(upscaler: PipelineUpscaler) -> None:
    plain = drawn(upscaler, OPTIONS)
    for other in (replace(OPTIONS, prompt="a dog"), replace(OPTIONS, negative="dog"), replace(OPTIONS, noise=300)):
        assert np.abs(drawn(upscaler, other) - plain).max() > 1e-4


def test_guidance_of_one_ignores_the_negative_prompt(upscaler: PipelineUpscaler) -> None:
    unguided = replace(OPTIONS, guidance=1.0)
    np.testing.assert_array_equal(drawn(upscaler, unguided), drawn(upscaler, replace(unguided, negative="dog")))


def test_the_seed_fixes_the_result(upscaler: PipelineUpscaler) -> None:
    torch.manual_seed(1)
    first = drawn(upscaler, OPTIONS)
    before = torch.random.get_rng_state()
    np.testing.assert_array_equal(first, drawn(upscaler, OPTIONS))
    assert torch.equal(before, torch.random.get_rng_state()), "the caller's own chance must not be touched"
    assert np.abs(first - drawn(upscaler, replace(OPTIONS, seed=1))).max() > 1e-3


def test_progress_counts_steps_and_stop_takes_effect_between_them(upscaler: PipelineUpscaler) -> None:
    stop, notes = Event(), list[str]()

    def report(fraction: float, note: str) -> None:
        notes.append(note)
        if note == "step 2 of 5":
            stop.set()

    with pytest.raises(Cancelled):
        upscaler.upscale(noise(16, 16), replace(OPTIONS, steps=5), Progress(report, stop))
    assert [note for note in notes if note.startswith("step")] == ["step 1 of 5", "step 2 of 5"]
    assert drawn(upscaler, OPTIONS).shape == (64, 64, 3), "it must still be usable"


def test_colours_come_from_the_image(upscaler: PipelineUpscaler) -> None:
    image = noise(16, 16) * np.float32(0.2)
    image[..., 0] += np.float32(0.6)
    means = {how: drawn(upscaler, replace(OPTIONS, colour=how), image).mean((0, 1)) for how in ("none", "adain")}
    assert abs(means["adain"] - image.mean((0, 1))).max() < 0.03 < abs(means["none"] - image.mean((0, 1))).max()


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_is_reported(upscaler: PipelineUpscaler, kind: type[Exception], monkeypatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise kind("CUDA out of memory. Tried to allocate 9.00 GiB")

    monkeypatch.setattr(upscaler.pipeline.unet, "forward", fails)
    with pytest.raises(OutOfMemory, match="needs more memory than is free"):
        drawn(upscaler, OPTIONS)


def test_large_images_are_tiled_with_smaller_tiles_when_memory_runs_out(stored_x4: Path, monkeypatch) -> None:
    """The whole way, through the runner: what needs a GPU runs here because nothing is needed of this machine."""
    checkpoint = replace(sd_x4_upscaler.APPROACH.checkpoint(), needs=None, repositories=())
    seen: list[tuple[int, int]] = []

    def load(request: Request) -> Upscaler:
        loaded = sd_x4.load(replace(request, files=(stored_x4,), precision="fp32"))
        upscale = loaded.upscale

        def watched(image: Image, options: Any, progress: Progress) -> Image:
            seen.append(image.shape[:2])
            if max(image.shape) > 130:
                raise OutOfMemory
            return upscale(image, options, progress)

        monkeypatch.setattr(loaded, "upscale", watched)
        return loaded

    approach = replace(sd_x4_upscaler.APPROACH, load=load, checkpoints=(checkpoint,))
    result = Runner().run(Job(approach, checkpoint, replace(OPTIONS, steps=1)), image_of(noise(20, 150)))
    assert result.image.rgb.shape == (80, 600, 3)
    assert max(seen[0]) > 130 and result.tiles > 1


def test_without_a_gpu_it_is_refused_before_anything_is_fetched(monkeypatch) -> None:
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: 0)
    job = Job(sd_x4_upscaler.APPROACH, sd_x4_upscaler.APPROACH.checkpoint(), OPTIONS, download=True)
    outcome = Runner().attempt(job, image_of(noise(8, 8)))
    assert isinstance(outcome, Failed)
    assert outcome.message == "Stable Diffusion x4 needs a GPU with 6 GB (here: none). Nothing was downloaded."


# --- a small GPU ----------------------------------------------------------------------------------------------------


class Placeable:
    """What `placed` calls on a pipeline."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.vae = SimpleNamespace(enable_tiling=lambda: self.calls.append("tiled"))

    def to(self, where: torch.device) -> Placeable:
        self.calls.append(str(where))
        return self

    def enable_model_cpu_offload(self) -> None:
        self.calls.append("offloaded")


@pytest.mark.parametrize(("gigabytes", "expected"), [(6, ["tiled", "offloaded"]), (24, ["tiled", "cuda"])])
def test_a_small_gpu_gets_one_part_at_a_time(monkeypatch, gigabytes: int, expected: list[str]) -> None:
    monkeypatch.setattr(diffusers_upscaler, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: gigabytes * 10**9)
    pipeline = Placeable()
    assert diffusers_upscaler.placed(pipeline, 8 * 10**9) is pipeline
    assert pipeline.calls == expected


# --- ZeroGPU --------------------------------------------------------------------------------------------------------


def test_on_zero_gpu_the_expected_time_is_declared(stored_x4: Path, monkeypatch) -> None:
    asked: list[int] = []

    def gpu(duration: Any) -> Any:
        def decorate(work: Any) -> Any:
            def lent(*given: Any) -> Any:
                asked.append(duration(*given))
                return work(*given)

            return lent

        return decorate

    spaces = ModuleType("spaces")
    spaces.GPU = gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    loaded = PipelineUpscaler(tiny_pipelines.x4(stored_x4), sd_x4.call, "fp32", seconds_per_megapixel_step=20.0)
    small, large, longer = noise(16, 16), noise(32, 32), replace(OPTIONS, steps=4)
    for image, options in ((small, OPTIONS), (large, OPTIONS), (large, longer)):
        assert loaded.upscale(image, options, SILENT).shape == (image.shape[0] * 4, image.shape[1] * 4, 3)
    assert asked == [16, 16, 17]
    assert diffusers_upscaler.zero_gpu.seconds(10**6, 50, 1.0, 10) == 90
    assert diffusers_upscaler.zero_gpu.seconds(10**9, 50, 1.0, 10) == 300


def test_elsewhere_no_gpu_is_reserved(monkeypatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert diffusers_upscaler.zero_gpu.with_gpu(noise, len) is noise


# --- FaithDiff ------------------------------------------------------------------------------------------------------

PROGRAM = '''
from diffusers import StableDiffusionXLImg2ImgPipeline, UNet2DConditionModel
import torch


class Adapted(UNet2DConditionModel):
    """SDXL's network with a module more, whose weights come apart."""

    def load_additional_layers(self, dtype=None, weight_path=None):
        assert weight_path is None, "its own loader unpickles"
        self.denoise_encoder = torch.nn.Conv2d(3, 3, 1)
        self.denoise_encoder.enable_tiling = lambda: None


class FaithDiffStableDiffusionXLPipeline(StableDiffusionXLImg2ImgPipeline):
    """Called as the community pipeline is; SDXL's own image to image does the work."""

    unet_model = Adapted
    _optional_components = [*StableDiffusionXLImg2ImgPipeline._optional_components, "unet"]

    def __init__(self, vae, text_encoder, text_encoder_2, tokenizer, tokenizer_2, unet, scheduler,
                 force_zeros_for_empty_prompt=True, requires_aesthetics_score=False,
                 image_encoder=None, feature_extractor=None):
        self_unet = unet if unet is not None else Adapted(block_out_channels=(32, 32), norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"))
        super().__init__(vae, text_encoder, text_encoder_2, tokenizer, tokenizer_2, self_unet, scheduler,
                         requires_aesthetics_score=False, add_watermarker=False)

    def set_encoder_tile_settings(self):
        self.settings = True

    def __call__(self, lr_img, height, width, overlap, target_size, start_point, **others):
        assert lr_img.size == (width, height) and height % 8 == 0 and width % 8 == 0
        assert self.settings and 0 < overlap < 1 and target_size == (1024, 1024)
        noisy = 1.0 if start_point == "noise" else 0.9
        steps = others.pop("num_inference_steps")
        return super().__call__(image=lr_img, strength=noisy, num_inference_steps=steps, **others)
'''
"""A fake of the community pipeline, which is another project's program."""


@pytest.fixture(scope="session")
def faithful(tmp_path_factory: pytest.TempPathFactory) -> PipelineUpscaler:
    """Loaded through the real loader: base model, autoencoder and own weights from folders, the program from its place."""
    folder = tmp_path_factory.mktemp("faithdiff")
    whole = tiny_pipelines.sdxl(folder)
    whole.save_pretrained(folder / "base")
    whole.vae.save_pretrained(folder / "vae")
    own = {f"denoise_encoder.{name}": torch.ones(shape) for name, shape in (("weight", (3, 3, 1, 1)), ("bias", (3,)))}
    (folder / "own").mkdir()
    torch.save({**whole.unet.state_dict(), **own}, folder / "own" / "FaithDiff.bin")
    place = faithdiff.program_path()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(PROGRAM, encoding="utf-8")
    files = (folder / "base", folder / "vae", folder / "own")
    checkpoint = faithdiff_approach.APPROACH.checkpoint()
    loaded = faithdiff.load(Request(checkpoint, files, FAITHFUL, "fp32", SILENT))
    assert isinstance(loaded, PipelineUpscaler)
    return loaded


def test_faithdiff_loads_its_own_weights(faithful: PipelineUpscaler) -> None:
    assert torch.equal(faithful.pipeline.unet.denoise_encoder.bias, torch.ones(3))


def test_faithdiff_follows_prompt_seed_and_start_at_the_exact_size(faithful: PipelineUpscaler) -> None:
    image = noise(9, 21)
    plain = faithful.upscale(image, FAITHFUL, SILENT)
    assert plain.shape == (36, 84, 3)
    np.testing.assert_array_equal(plain, faithful.upscale(image, FAITHFUL, SILENT))
    for change in ({"prompt": "a dog"}, {"seed": 3}, {"begin": "noise"}, {"negative": "dog"}):
        assert np.abs(faithful.upscale(image, replace(FAITHFUL, **change), SILENT) - plain).max() > 1e-4, change


def test_faithdiff_stops_between_steps(faithful: PipelineUpscaler) -> None:
    stop = Event()

    def report(fraction: float, note: str) -> None:
        assert note != "step 2 of 8"
        if note == "step 1 of 8":
            stop.set()

    with pytest.raises(Cancelled):
        faithful.upscale(noise(8, 8), replace(FAITHFUL, steps=8), Progress(report, stop))


def test_on_a_small_gpu_weights_are_kept_in_8_bit(faithful: PipelineUpscaler) -> None:
    image, layer = noise(8, 8), "conv_in.weight"
    exact = faithful.upscale(image, FAITHFUL, SILENT)
    small = copy.copy(faithful)
    small.pipeline = copy.deepcopy(faithful.pipeline)
    attention = torch.nn.MultiheadAttention(
        8, 2
    )  # as in FaithDiff's own layers; it would read 8 bit weights as they are
    small.pipeline.unet.information_transformer_layes = attention
    faithdiff.eight_bit(small.pipeline, "fp32")
    kept = dict(small.pipeline.unet.named_parameters())
    assert kept[layer].dtype == torch.float8_e4m3fn and small.pipeline.unet.dtype == torch.float32
    assert {p.dtype for name, p in kept.items() if "norm" in name or "denoise_encoder" in name or "layes" in name} == {
        torch.float32
    }
    attention(*(torch.rand(3, 1, 8),) * 3)
    rounded = small.upscale(image, FAITHFUL, SILENT)
    assert 1e-5 < np.abs(rounded - exact).mean() < 0.02
    assert kept[layer].dtype == torch.float8_e4m3fn, "they must not grow back"


@pytest.mark.parametrize(("gigabytes", "reported"), [(8, "fp16, weights fp8"), (24, "fp16")])
def test_8_bit_weights_are_used_below_11_gb(
    faithful: PipelineUpscaler, monkeypatch, gigabytes: int, reported: str
) -> None:
    """Only the requested precision, as in the test of small GPUs: no CPU computes in fp16 here."""
    done: list[str] = []
    monkeypatch.setattr("sr_demo.system.hardware.gpu_bytes", lambda: gigabytes * 10**9)
    monkeypatch.setattr(faithdiff, "choose_precision", lambda *_: "fp16")
    monkeypatch.setattr(faithdiff, "assembled", lambda *_: object())
    monkeypatch.setattr(faithdiff, "placed", lambda pipeline, _: pipeline)
    monkeypatch.setattr(faithdiff, "eight_bit", lambda *_: done.append("eight"))
    checkpoint = faithdiff_approach.APPROACH.checkpoint()
    loaded = faithdiff.load(Request(checkpoint, (Path(),) * 3, FAITHFUL, "fp16", SILENT))
    assert loaded.precision == reported and len(done) == (gigabytes == 8)


def test_weights_that_hold_a_program_are_refused(tmp_path: Path, faithful: PipelineUpscaler) -> None:
    class Sly:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "it-ran").touch, ())

    torch.save({"conv_in.weight": Sly()}, tmp_path / "FaithDiff.bin")
    program = sys.modules[f"sr_demo_program_{faithdiff.program_path().stem}"]
    base = Path(faithful.pipeline.config._name_or_path)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        faithdiff.assembled(program.FaithDiffStableDiffusionXLPipeline, base, base.parent / "vae", tmp_path, "fp32")
    assert not (tmp_path / "it-ran").exists()


# --- what they cost -------------------------------------------------------------------------------------------------


def test_costs_are_measured_step_by_step(stored_x4: Path, tmp_path: Path) -> None:
    """The script for GPUs, on tiny networks and a CPU: every step is seen, and the table names what was run."""
    pipeline = tiny_pipelines.x4(stored_x4)
    pipeline.text_encoder = pipeline.tokenizer = None
    pipeline.set_progress_bar_config(disable=True)
    whole = pipelines.x4_run(pipeline, 64, 32, steps=3)
    steps_only = pipelines.sdxl_run(tiny_pipelines.sdxl(tmp_path).unet, 128, steps=3)
    assert 0 < 2 * whole.seconds_per_step < whole.seconds
    assert steps_only.seconds_per_step > 0 and np.isnan(steps_only.seconds)
    lines = [*pipelines.HEADING.splitlines(), pipelines.line(whole), pipelines.line(steps_only)]
    assert len(lines) == 4 and "random weights" in lines[0]
    assert "| 64 x 64 |" in lines[2] and "3 steps" in lines[2] and "| – |" in lines[3]


def test_without_a_gpu_nothing_is_measured(monkeypatch, capsys) -> None:
    monkeypatch.setattr(pipelines, "gpu_bytes", lambda: 0)
    assert main(["bench", "pipelines"]) == 2
    assert capsys.readouterr().err == "sr_demo: This measures GPUs, and there is none here.\n"
