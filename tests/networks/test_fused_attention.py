"""The fused attention computes what spandrel's HAT, SwinIR and DRCT compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")


def tiny_hat(window: int) -> torch.nn.Module:
    from spandrel.architectures.HAT import HAT

    torch.manual_seed(0)
    net = HAT(
        img_size=32, embed_dim=12, depths=(2, 2), num_heads=(3, 3), window_size=window, compress_ratio=3,
        squeeze_factor=6, overlap_ratio=0.5, mlp_ratio=2, upscale=4, upsampler="pixelshuffle", resi_connection="1conv",
    )  # fmt: skip
    for name, parameter in net.named_parameters():
        if "relative_position_bias_table" in name:
            torch.nn.init.normal_(parameter, std=1.0)  # the usual 0.02 would hide a wrong bias
    return net.eval()


@pytest.mark.parametrize(("window", "size"), [(8, (32, 24)), (8, (13, 41)), (16, (20, 33))])
def test_equal_to_the_plain_attention_in_fp32(window: int, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(window)
    pictures = torch.rand(2, 3, *size)
    with torch.inference_mode():
        plain = net(pictures)
        assert fuse_attention(net) == 2 * 2 + 2
        fused = net(pictures)
    assert torch.allclose(plain, fused, atol=1e-5), (plain - fused).abs().max()


def tiny_of_its_kind(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "SwinIR":
        from spandrel.architectures.SwinIR import SwinIR

        net: torch.nn.Module = SwinIR(
            img_size=16, embed_dim=12, depths=[2, 2], num_heads=[3, 3], window_size=8, mlp_ratio=2, upscale=4,
            upsampler="pixelshuffledirect",
        )  # fmt: skip
    else:
        from spandrel.architectures.DRCT import DRCT

        net = DRCT(
            img_size=16, embed_dim=12, depths=(2, 2), num_heads=(3, 3), window_size=8, mlp_ratio=2, gc=4, upscale=4,
            upsampler="pixelshuffle", resi_connection="1conv",
        )  # fmt: skip
    for name, parameter in net.named_parameters():
        if "relative_position_bias_table" in name:
            torch.nn.init.normal_(parameter, std=1.0)
    return net.eval()


@pytest.mark.parametrize("kind", ["SwinIR", "DRCT"])
@pytest.mark.parametrize("size", [(16, 24), (32, 8), (16, 16)])  # the last one is the shape they are built for
def test_swin_and_drct_compute_what_they_computed(kind: str, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_of_its_kind(kind)
    pictures = torch.rand(2, 3, *size)
    with torch.inference_mode():
        plain = net(pictures)
        assert fuse_attention(net) > 3
        fused = net(pictures)
    assert torch.allclose(plain, fused, atol=1e-5), (plain - fused).abs().max()


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT"])
def test_every_head_is_as_wide_as_gpus_want_it(kind: str) -> None:
    """Their fused kernels take multiples of 8 only; HAT and SwinIR were published with 30, and here are 4 and more."""
    from sr_demo.networks import fused_attention as fused

    net = tiny_hat(8) if kind == "HAT" else tiny_of_its_kind(kind)
    fused.fuse_attention(net)
    kinds = (fused.FusedWindowAttention, fused.FusedOverlappingAttention)
    widths = {m.proj.in_features // m.heads for m in net.modules() if isinstance(m, kinds)}
    assert widths == ({8, 16, 24} if kind == "DRCT" else {8})


def test_other_architectures_are_left_alone() -> None:
    from spandrel.architectures.Compact import Compact

    from sr_demo.networks.fused_attention import fuse_attention

    assert fuse_attention(Compact(num_feat=8, num_conv=2)) == 0


@pytest.mark.parametrize("pictures", [1, 2])
def test_every_attention_of_hat_runs_on_the_fused_kernel(pictures: int) -> None:
    """torch falls back to plain operations, twice as slow, for the slightest thing it does not like."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(8)
    fuse_attention(net)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # an error where it cannot be used
        net(torch.rand(pictures, 3, 16, 24))


def test_windows_with_the_same_mask_are_answered_together_each_once() -> None:
    from spandrel.architectures.HAT import HAT

    from sr_demo.networks.fused_attention import Masks

    net = tiny_hat(8)
    assert isinstance(net, HAT)
    mask = net.calculate_mask((40, 32), torch.float32)
    masks = Masks()
    groups = masks.groups(masks.regions(40, 32, net.window_size, net.shift_size))
    covered = [window for group in groups for at in group.windows for window in range(20)[at]]
    assert sorted(covered) == list(range(20))
    for group in groups:
        for at in group.windows:
            assert all(torch.equal(one, group.mask) if group.mask is not None else not one.any() for one in mask[at])
    # 5 x 4 windows: the inner ones row by row, the right column, the lower row, the corner.
    assert sorted(len(group.windows) for group in groups) == [1, 1, 1, 4]


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT"])
@pytest.mark.parametrize("size", [(24, 32), (8, 40), (16, 16), (8, 8)])
def test_two_pictures_at_once_are_two_single_ones(kind: str, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(8) if kind == "HAT" else tiny_of_its_kind(kind)
    fuse_attention(net)
    pictures = torch.rand(2, 3, *size)
    with torch.inference_mode():
        together = net(pictures)
        net(torch.rand(1, 3, 16, 32))  # another shape between: what is kept is kept by shape
        single = torch.cat([net(pictures[:1]), net(pictures[1:])])
    assert torch.allclose(together, single, atol=1e-5), (together - single).abs().max()


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT"])
def test_masks_are_found_once_for_each_shape(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_demo.networks import fused_attention

    asked: list[tuple[int, int]] = []
    real = fused_attention.regions

    def counted(height: int, width: int, *rest: Any) -> torch.Tensor:
        asked.append((height, width))
        return real(height, width, *rest)

    net = tiny_hat(8) if kind == "HAT" else tiny_of_its_kind(kind)
    monkeypatch.setattr(fused_attention, "regions", counted)
    fused_attention.fuse_attention(net)
    asked.clear()
    with torch.inference_mode():
        for size in [(24, 32), (32, 24), (24, 32), (32, 24)]:
            net(torch.rand(1, 3, *size))
    shifts = 1 if kind == "HAT" else 2  # the others ask for layers that are not shifted, too
    assert sorted(asked) == sorted([(24, 32), (32, 24)] * shifts)
