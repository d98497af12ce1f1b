"""RDN: residual dense network."""

from __future__ import annotations

from sr_demo.spec import Approach, Request, Tiling, Upscaler, card, embedded

_SCALE = 4


def _load(request: Request) -> Upscaler:
    from sr_demo.networks.rdn import RDN
    from sr_demo.torch_runtime import NetworkUpscaler, choose_precision, load_safetensors

    settings = card(request.files[0].stem)["architecture"]["settings"]
    network = load_safetensors(request.files[0], RDN(**settings))
    return NetworkUpscaler(network, choose_precision(request.precision))


APPROACH = Approach(
    id="rdn",
    title="RDN",
    summary="faithful, never invents",
    about="A residual dense network (Zhang et al. 2018, arXiv 1802.08797): every convolution sees the outputs of all "
    "before it. Trained to be right on average, so it stays calm where the input does not say enough.",
    family="convolutional",
    load=_load,
    checkpoints=(embedded("mse", "rdn-mse-x4", "ours, small, trained for MSE", bytes_per_pixel=9000),),
    # 3x3 convolutions in a row: 2 + 5 blocks x 3 + 1 + 1 = 19 pixels of reach; the bicubic skip reaches 2.
    tiling=Tiling("tiles", halo=24, largest=384),
    scale=_SCALE,
)
