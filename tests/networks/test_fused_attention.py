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
            torch.nn.init.normal_(parameter, std=1.0)  # the default 0.02 would hide a wrong bias
    return net.eval()


@pytest.mark.parametrize(("window", "size"), [(8, (32, 24)), (8, (13, 41)), (16, (20, 33))])
def test_equal_to_the_plain_attention_in_fp32(window: int, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(window)
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        plain = net(images)
        assert fuse_attention(net) == 2 * 2 + 2
        fused = net(images)
    assert torch.allclose(plain, fused, atol=1e-5), (plain - fused).abs().max()


def tiny_of_its_kind(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "SwinIR":
        from spandrel.architectures.SwinIR import SwinIR

        net: torch.nn.Module = SwinIR(
            img_size=16, embed_dim=12, depths=[2, 2], num_heads=[3, 3], window_size=8, mlp_ratio=2, upscale=4,
            upsampler="pixelshuffledirect",
        )  # fmt: skip
    elif kind == "DAT":
        from spandrel.architectures.DAT import DAT

        net = DAT(
            img_size=16, embed_dim=32, depth=[3, 1], num_heads=[2, 2], split_size=[4, 8], expansion_factor=2.0, upscale=4
        )  # fmt: skip
    else:
        from spandrel.architectures.DRCT import DRCT

        net = DRCT(
            img_size=16, embed_dim=12, depths=(2, 2), num_heads=(3, 3), window_size=8, mlp_ratio=2, gc=4, upscale=4,
            upsampler="pixelshuffle", resi_connection="1conv",
        )  # fmt: skip
    for name, parameter in net.named_parameters():
        if "relative_position_bias_table" in name or ".pos." in name:
            torch.nn.init.normal_(parameter, std=1.0)
    return net.eval()


@pytest.mark.parametrize("kind", ["SwinIR", "DRCT", "DAT"])
@pytest.mark.parametrize("size", [(16, 24), (32, 8), (16, 16)])  # the last one is the shape they are built for
def test_the_others_are_equal_to_the_plain_attention(kind: str, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_of_its_kind(kind)
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        plain = net(images)
        assert fuse_attention(net) > 3
        fused = net(images)
    assert torch.allclose(plain, fused, atol=1e-5), (plain - fused).abs().max()


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT"])
def test_head_widths_are_multiples_of_8(kind: str) -> None:
    """Fused GPU kernels take multiples of 8 only; HAT and SwinIR were published with 30, these networks have 4 and more."""
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


@pytest.mark.parametrize("images", [1, 2])
def test_every_attention_of_hat_runs_on_the_fused_kernel(images: int) -> None:
    """torch silently falls back to plain operations, twice as slow, where a kernel does not apply."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(8)
    fuse_attention(net)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # an error where it cannot be used
        net(torch.rand(images, 3, 16, 24))


def test_every_window_is_in_exactly_one_group_of_windows_with_the_same_mask() -> None:
    from spandrel.architectures.HAT import HAT

    from sr_demo.networks.fused_attention import ShiftMasks

    net = tiny_hat(8)
    assert isinstance(net, HAT)
    mask = net.calculate_mask((40, 32), torch.float32)
    masks = ShiftMasks()
    groups = masks.groups(masks.regions(40, 32, net.window_size, net.shift_size))
    covered = [window for group in groups for at in group.windows for window in range(20)[at]]
    assert sorted(covered) == list(range(20))
    for group in groups:
        for at in group.windows:
            assert all(torch.equal(one, group.mask) if group.mask is not None else not one.any() for one in mask[at])
    # 5 x 4 windows: the inner ones row by row, the right column, the lower row, the corner.
    assert sorted(len(group.windows) for group in groups) == [1, 1, 1, 4]


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT", "DAT"])
@pytest.mark.parametrize("size", [(24, 32), (8, 40), (16, 16), (8, 8)])
def test_a_batch_of_two_equals_two_single_images(kind: str, size: tuple[int, int]) -> None:
    from sr_demo.networks.fused_attention import fuse_attention

    net = tiny_hat(8) if kind == "HAT" else tiny_of_its_kind(kind)
    fuse_attention(net)
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        together = net(images)
        net(torch.rand(1, 3, 16, 32))  # another shape in between: the cache is keyed by shape
        single = torch.cat([net(images[:1]), net(images[1:])])
    assert torch.allclose(together, single, atol=1e-5), (together - single).abs().max()


@pytest.mark.parametrize("kind", ["HAT", "SwinIR", "DRCT", "DAT"])
def test_masks_are_computed_once_for_each_shape(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_demo.networks import fused_attention

    computed: list[tuple[int, int]] = []
    real = fused_attention.regions

    def counted(height: int, width: int, *rest: Any) -> torch.Tensor:
        computed.append((height, width))
        return real(height, width, *rest)

    net = tiny_hat(8) if kind == "HAT" else tiny_of_its_kind(kind)
    monkeypatch.setattr(fused_attention, "regions", counted)
    fused_attention.fuse_attention(net)
    computed.clear()
    with torch.inference_mode():
        for size in [(24, 32), (32, 24), (24, 32), (32, 24)]:
            net(torch.rand(1, 3, *size))
    shifts = 1 if kind == "HAT" else 2  # the others also compute it for layers without a shift
    assert sorted(computed) == sorted([(24, 32), (32, 24)] * shifts)
