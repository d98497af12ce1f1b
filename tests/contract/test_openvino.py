"""The contract of an upscaler for the converted networks, in each precision that this CPU computes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino")

from sr_demo.backends import openvino_backend, quantization, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint, Tiling
from sr_demo.inference import int8
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach, Precision, Request, Upscaler
from tests.conftest import image_of, noise

QUICK = {"espcn"}
"""Networks that are converted in a second; the others are marked slow."""


def _small(request: Request) -> Upscaler:
    import torch

    from sr_demo.backends.torch_backend import NetworkUpscaler
    from sr_demo.networks.edsr import EDSR

    torch.manual_seed(0)
    return NetworkUpscaler(EDSR(2, 16, 4), "fp32")


SMALL = Approach(
    id="small-edsr", title="", summary="", about="", family="convolutional", load=_small,
    checkpoints=(Checkpoint("random", ""),), tiling=Tiling("tiles", halo=9),
)  # fmt: skip
"""Skips and sums, which `espcn` has none of."""
JOBS = [pytest.param(Job(SMALL, SMALL.checkpoints[0], SMALL.options()), id=SMALL.id)] + [
    pytest.param(Job(a, c, a.options()), id=a.id, marks=[] if a.id in QUICK else [pytest.mark.long])
    for a in APPROACHES
    for c in a.checkpoints[:1]
    if c.kind == "embedded" and a.family in ("convolutional", "adversarial", "attention")
]
Converted = Callable[[Job, Precision], Job]
each = pytest.mark.parametrize("job", JOBS)
in_each_precision = pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 2 / 255), ("int8", 4 / 255)], ids=["fp32", "bf16", "int8"]
)
"""In int8, differences far below a level flip the rounding of a few values, most of all on noise."""
LEAST = {"fp32": 80, "bf16": 45, "int8": 35}
"""dB between a converted network and the plain one, on noise, which is the hardest."""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """The job, with an approach that opens the converted network; each is converted once."""
    folders: dict[str, Path] = {}

    def made(job: Job, precision: Precision) -> Job:
        if precision == "bf16" and not openvino_backend.supports_bf16():
            pytest.skip("this CPU does not compute bf16")
        if job.key not in folders:
            folder = tmp_path_factory.mktemp("converted")
            files = [EMBEDDED / file.name for file in job.checkpoint.files]
            loaded = job.approach.load(Request(job.checkpoint, files, job.options, "fp32", SILENT))
            assert selection.can_prepare(loaded)
            openvino_backend.convert(selection.graph(loaded), folder)
            folders[job.key] = folder
        folder = folders[job.key]
        if precision == "int8" and (form := shipped_int8.of(job.checkpoint)) is not None:
            shipped_int8.place(form, [EMBEDDED / file.name for file in job.checkpoint.files], folder, lambda: None)
        if precision == "int8" and not (folder / int8.MODEL).exists():
            model = folder / openvino_backend.MODEL
            boldest = quantization.exclusion_sets(quantization.operations(model))[0]
            quantization.quantize(model, folder / int8.MODEL, boldest, quantization.calibration(4))

        def load(request: Request) -> ConvertedNetwork:
            model = int8.MODEL if request.precision == "int8" else openvino_backend.MODEL
            return ConvertedNetwork(folder, request.precision, job.approach.scale, model=model)

        return replace(job, approach=replace(job.approach, load=load), precision=precision)

    return made


@pytest.fixture(autouse=True)
def _opened_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open what is quantized already; quantization is tested in `tests/inference/test_int8.py`."""

    def load(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
        return job.approach.load(Request(job.checkpoint, files, job.options, job.precision, progress))

    monkeypatch.setattr(int8, "load", load)


@each
@in_each_precision
def test_a_converted_network_keeps_the_contract(
    converted: Converted, job: Job, precision: Precision, tolerance: float
) -> None:
    runner, wanted = Runner(), converted(job, precision)
    for size in ((1, 1), (1, 7), (7, 5), (33, 17)):
        image = noise(*size)
        before = image.copy()
        first, second = (runner.run(wanted, image_of(image)) for _ in range(2))
        rgb = first.image.rgb
        assert rgb.shape == (4 * size[0], 4 * size[1], 3) and rgb.dtype == np.float32
        assert np.isfinite(rgb).all() and rgb.min() >= 0 and rgb.max() <= 1 and not rgb.flags.writeable
        assert (first.backend, first.precision) == ("OpenVINO", precision)
        np.testing.assert_array_equal(rgb, second.image.rgb)
        np.testing.assert_array_equal(image, before)


@each
@in_each_precision
def test_a_converted_network_gives_the_same_in_tiles_and_what_torch_gives(
    converted: Converted, job: Job, precision: Precision, tolerance: float
) -> None:
    lr, wanted = image_of(noise(40, 45)), converted(job, precision)
    rule = replace(job.approach.tiling_of(job.checkpoint), largest=32, max_aspect=1)
    small = replace(wanted, checkpoint=replace(job.checkpoint, tiling=rule))
    seen: list[float] = []
    whole = Runner().run(wanted, lr)
    tiled = Runner().run(small, lr, progress=Progress(lambda fraction, note: seen.append(fraction)))
    assert (whole.tiles, tiled.tiles) == (1, 4)
    if rule.blend == 0:
        np.testing.assert_allclose(tiled.image.rgb, whole.image.rgb, atol=tolerance, rtol=0)
    else:
        assert psnr_rgb(tiled.image.rgb, whole.image.rgb) > 40
    assert seen[-1] == 1
    exact = Runner().run(replace(job, precision="fp32"), lr)
    assert exact.backend == "torch"
    assert psnr_rgb(whole.image.rgb, exact.image.rgb, border=0) > LEAST[precision]


def test_conversion_sends_no_telemetry_and_does_not_fork() -> None:
    """A fork while another thread is inside OpenBLAS deadlocks the process."""
    code = "import sr_demo.backends.openvino_backend, openvino.tools.ovc.telemetry_utils as t; print(t.tm.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub"]
