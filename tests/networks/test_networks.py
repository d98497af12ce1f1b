"""Our networks: shapes, parameter counts, and residual scaling."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sr_demo.backends import embedded
from sr_demo.networks.compact import Compact
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.espcn import ESPCN
from sr_demo.networks.rdn import RDN, ResidualDenseBlock
from sr_demo.networks.rrdn import RRDB, RRDN
from sr_demo.networks.srresnet import SRResNet


@pytest.mark.parametrize("network", [RDN(2, 3, 8, 12, 4), RDN(1, 2, 4, 4, 2), EDSR(2, 8, 4), EDSR(1, 4, 3)])
def test_output_is_scale_times_as_large(network):
    image = torch.rand(2, 3, 5, 9)
    with torch.no_grad():
        assert network(image).shape == (2, 3, 5 * network.scale, 9 * network.scale)


def test_rdn_has_the_papers_number_of_parameters():
    d, c, g, g0, scale = 3, 4, 8, 16, 4
    dense = sum(9 * (g0 + i * g) * g + g for i in range(c)) + (g0 + c * g) * g0 + g0
    shallow = 9 * 3 * g0 + g0 + 9 * g0 * g0 + g0
    fusion = d * g0 * g0 + g0 + 9 * g0 * g0 + g0
    tail = 9 * g0 * 3 * scale**2 + 3 * scale**2
    expected = d * dense + shallow + fusion + tail
    assert sum(p.numel() for p in RDN(d, c, g, g0, scale).parameters()) == expected


@pytest.mark.parametrize("network", [RDN(1, 2, 4, 4, 4), EDSR(1, 4, 4)])
def test_the_output_is_added_to_bicubic_upscaling(network):
    for parameter in network.tail.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 6, 7)
    expected = torch.nn.functional.interpolate(image, scale_factor=4, mode="bicubic", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(network(image), expected)


def test_every_block_of_rdn_reaches_the_output():
    network = RDN(3, 2, 4, 4, 2)
    network(torch.rand(1, 3, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_block_with_zero_fusion_is_the_identity():
    block = ResidualDenseBlock(features=4, growth=4, convolutions=2)
    for parameter in block.fusion.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 4, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(block(image), image)


@pytest.mark.parametrize(
    "network",
    [ESPCN([8, 4], 4), RRDN(1, 2, 4, 4, 4), SRResNet(1, 4, 4, residual=False), SRResNet(1, 4, 2, residual=True)],
    ids=["espcn", "rrdn", "baseline", "enhanced"],
)
def test_further_networks_upscale_by_their_scale(network):
    with torch.no_grad():
        assert network(torch.rand(2, 3, 5, 9)).shape == (2, 3, 5 * network.scale, 9 * network.scale)


def test_enhanced_adds_to_bicubic_and_baseline_does_not():
    image = torch.rand(1, 3, 6, 7)
    bicubic = torch.nn.functional.interpolate(image, scale_factor=4, mode="bicubic", align_corners=False)
    for residual, expected in ((True, bicubic), (False, torch.zeros_like(bicubic))):
        network = SRResNet(1, 4, 4, residual=residual)
        for parameter in network.tail.parameters():
            torch.nn.init.zeros_(parameter)
        with torch.no_grad():
            torch.testing.assert_close(network(image), expected)


def test_rrdn_scales_what_its_blocks_add():
    block = RRDB(features=4, growth=2, convolutions=2)
    for dense in block.dense:
        fusion: Any = dense.get_submodule("fusion")
        torch.nn.init.zeros_(fusion.weight)
        torch.nn.init.constant_(fusion.bias, 1.0)
    image = torch.rand(1, 4, 5, 5)
    with torch.no_grad():  # three dense blocks add 0.2 each; the sum of image and 0.6 is scaled by 0.2
        torch.testing.assert_close(block(image), image + 0.2 * (image + 0.6))


def test_cards_name_networks_that_can_be_built():
    network = embedded.build(
        {"name": "RRDN", "settings": {"blocks": 1, "convolutions": 1, "growth": 2, "features": 2, "scale": 4}}
    )
    assert isinstance(network, RRDN)


def test_spandrel_reads_our_compact_network_and_computes_the_same(tmp_path):
    from spandrel import ModelLoader

    ours = Compact(features=64, convolutions=16, scale=4).eval()
    save_file(ours.state_dict(), tmp_path / "compact.safetensors")
    theirs = ModelLoader(device="cpu").load_from_file(tmp_path / "compact.safetensors").model
    images = torch.rand(2, 3, 13, 22)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.slow
def test_the_first_result_does_not_wait_for_spandrel():
    code = (
        "import sys; from sr_demo.catalogue import APPROACHES; from sr_demo.inference.jobs import job_for;"
        "from sr_demo.progress import SILENT; from sr_demo.checkpoint import EMBEDDED; from sr_demo.spec import Request;"
        "job = job_for(APPROACHES, 'real-esrgan'); files = [EMBEDDED / file.name for file in job.checkpoint.files];"
        "job.approach.load(Request(job.checkpoint, files, job.options, 'fp32', SILENT));"
        "print('torch' in sys.modules, 'spandrel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
