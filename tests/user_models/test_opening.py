"""Files of users: what can be opened runs, tiled and untiled alike; what cannot is refused in the right sentence."""

from __future__ import annotations

import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sr_demo.backends import spandrel_loader
from sr_demo.checkpoint import EMBEDDED
from sr_demo.errors import BadInput, SRError, WeightsUnavailable
from sr_demo.export.formats import torch_run
from sr_demo.hub.checkpoints import is_available
from sr_demo.inference.jobs import Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.spec import Approach
from sr_demo.user_models import folder, model_file, networks, onnx_format, opening, trial
from sr_demo.user_models.opening import open_model, with_unique_names
from sr_demo.user_models.state_dicts import from_shapes, unwrapped
from tests.conftest import image_of, noise


def opened(path: Path) -> Approach:
    return open_model(path, keep=False)


def job(approach: Approach, precision: Any = "fp32") -> Job:
    return Job(approach, approach.checkpoints[0], approach.options(), precision)


def upscaled(approach: Approach, height: int = 23, width: int = 31) -> np.ndarray:
    result = Runner().run(job(approach), image_of(noise(height, width)))
    return result.image.rgb


class Tiny(nn.Module):
    """A network of one convolution that upscales, for ONNX."""

    def __init__(self, scale: int = 2, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels * scale**2, 3, padding=1)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(nn.functional.pixel_shuffle(self.conv(x), self.scale))


def onnx_of(
    module: nn.Module, path: Path, sides: tuple[int | None, int | None] = (None, None), channels: int = 3
) -> Path:
    """Write an ONNX file with the small exporter that needs no graph capture."""
    pytest.importorskip("onnx")
    example = torch.rand(1, channels, sides[0] or 40, sides[1] or 56)
    dynamic: dict[str, Any] = {} if sides[0] else {"dynamic_axes": {"x": {2: "h", 3: "w"}, "y": {2: "H", 3: "W"}}}
    torch.onnx.export(
        module.eval(), (example,), str(path), input_names=["x"], output_names=["y"], dynamo=False, **dynamic
    )
    return path


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    """State dicts of tiny random networks, made with spandrel's own classes."""
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
    from spandrel.architectures.DAT.__arch.DAT import DAT
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet
    from spandrel.architectures.SwinIR.__arch.SwinIR import SwinIR

    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
    swin = SwinIR(
        upscale=2, window_size=8, img_size=16, embed_dim=12, depths=[2], num_heads=[2], mlp_ratio=2,
        upsampler="pixelshuffledirect",
    )  # fmt: skip
    dat = DAT(
        img_size=16, embed_dim=32, depth=[2], num_heads=[2], split_size=[8, 8], expansion_factor=2, upscale=2,
        upsampler="pixelshuffledirect",
    )  # fmt: skip
    compact = SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2)
    rrdb = RRDBNet(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=4)
    return {
        name: {key: value.clone().contiguous() for key, value in module.state_dict().items()}
        for name, module in (("SwinIR", swin), ("DAT", dat), ("Compact", compact), ("ESRGAN", rrdb))
    }


@pytest.mark.parametrize(("name", "scale"), [("Compact", 2), ("ESRGAN", 4), ("SwinIR", 2), ("DAT", 2)])
def test_networks_of_spandrel_run_on_odd_sizes(states: Any, tmp_path: Path, name: str, scale: int) -> None:
    path = tmp_path / f"my {name}.pth"
    torch.save({"params_ema": states[name]}, path)
    approach = opened(path)
    assert (approach.id, approach.scale, approach.checkpoints[0].licence) == ("own", scale, "not stated")
    assert approach.checkpoints[0].name == f"my_{name}"
    assert job(approach).key == f"own:my_{name}"
    result = upscaled(approach)
    assert result.shape == (23 * scale, 31 * scale, 3)
    descriptor = spandrel_loader.detect(dict(states[name]), path)
    with torch.inference_mode():
        lr = torch.from_numpy(noise(23, 31).copy()).permute(2, 0, 1)[None]
        plain = descriptor(lr)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(result, plain, atol=1e-4)


def bare(network: nn.Module, path: Path) -> bool:
    """Whether the module of a network of spandrel runs without the descriptor around it."""
    save_file({key: value.clone().contiguous() for key, value in network.state_dict().items()}, path)
    return trial._runs_bare(networks.read(path), path.name)


def test_a_network_that_changes_its_input_runs_without_the_descriptor(tmp_path: Path) -> None:
    from spandrel.architectures.RCAN import RCAN

    network = RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4, norm=True)
    assert bare(network, tmp_path / "norm.safetensors")
    image = noise(6, 8).transpose(2, 0, 1)[None].copy()
    before = image.copy()
    torch_run(network)(image)
    np.testing.assert_array_equal(image, before)


def test_a_network_that_takes_no_small_images_keeps_the_padding_of_its_descriptor(tmp_path: Path) -> None:
    from spandrel.architectures.RealCUGAN import UpCunet2x

    assert not bare(UpCunet2x(), tmp_path / "cugan.safetensors")


def test_the_old_names_of_esrgan_are_understood(states: Any, tmp_path: Path) -> None:
    """spandrel's own network has the old names: `model.0.weight`, a prefix that must not be removed."""
    assert all(key.startswith("model.") for key in states["ESRGAN"])
    save_file(states["ESRGAN"], tmp_path / "old.safetensors")
    assert "ESRGAN" in opened(tmp_path / "old.safetensors").checkpoints[0].title


@pytest.mark.parametrize("wrap", [
    lambda state: {"params": state},
    lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
    lambda state: {f"module.{key}": value for key, value in state.items()},
    lambda state: {"state_dict": {**{f"model.{k}": v for k, v in state.items()}, "loss.weight": torch.ones(3)}},
])  # fmt: skip
def test_wrapped_names_are_unwrapped(states: Any, tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    torch.save(wrap(states["Compact"]), tmp_path / "wrapped.pth")
    assert opened(tmp_path / "wrapped.pth").scale == 2


@pytest.mark.parametrize(
    "stem",
    ["espcn-x4", "edsr-x4", "rdn-mse-x4", "rrdn-x4", "srresnet-baseline-x4", "srresnet-enhanced-x4", "liif"],
)
def test_our_networks_are_recognised_by_their_tensors_as_their_cards_have_them(stem: str) -> None:
    state = load_file(EMBEDDED / f"{stem}.safetensors")
    card = json.loads((EMBEDDED / f"{stem}.json").read_text())["architecture"]
    found = from_shapes(state)
    assert found is not None and found["name"] == card["name"]
    assert found["settings"].items() <= card["settings"].items()


def test_an_srresnet_without_card_gets_the_variant_that_was_trained() -> None:
    from sr_demo.user_models.state_dicts import build_filled

    for stem in ("srresnet-baseline-x4", "srresnet-enhanced-x4"):
        state = load_file(EMBEDDED / f"{stem}.safetensors")
        card = json.loads((EMBEDDED / f"{stem}.json").read_text())["architecture"]
        architecture = from_shapes(state)
        assert architecture is not None
        assert build_filled(state, architecture, stem).residual is card["settings"]["residual"]


def test_our_own_file_gives_what_the_catalogue_gives(tmp_path: Path) -> None:
    from sr_demo.catalogue import APPROACHES

    path = tmp_path / "copy.safetensors"
    path.write_bytes((EMBEDDED / "espcn-x4.safetensors").read_bytes())
    approach = opened(path)
    assert approach.invents and approach.tiling.blend == 0
    embedded = replace(job_for(APPROACHES, "espcn"), precision="fp32")
    expected = Runner().run(embedded, image_of(noise(23, 31))).image.rgb
    np.testing.assert_allclose(upscaled(approach), expected, atol=1e-6)


def test_tiles_of_a_measured_halo_leave_no_seams(states: Any, tmp_path: Path) -> None:
    save_file(states["Compact"], tmp_path / "c.safetensors")
    approach = opened(tmp_path / "c.safetensors")
    assert approach.tiling.blend == 0
    small = replace(approach, tiling=replace(approach.tiling, largest=32, max_input_width=64))
    result = Runner().run(job(small), image_of(noise(80, 90)))
    assert result.tiles > 1
    np.testing.assert_allclose(result.image.rgb, upscaled(approach, 80, 90), atol=1 / 4096)


@pytest.mark.parametrize("sides", [(None, None), (48, 64)])
def test_an_onnx_file_runs_with_any_and_with_a_fixed_size(tmp_path: Path, sides: tuple[int | None, int | None]) -> None:
    torch.manual_seed(0)
    module = Tiny()
    approach = opened(onnx_of(module, tmp_path / "tiny.onnx", sides))
    assert approach.scale == 2
    result = upscaled(approach, 75, 90)
    with torch.inference_mode():
        plain = module(torch.from_numpy(noise(75, 90).copy()).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    # Beyond the border of the photo a fixed size shows its repeated border instead of what the network itself pads with.
    inner = np.s_[4:-4, 4:-4] if sides[0] else np.s_[:]
    np.testing.assert_allclose(result[inner], plain[inner], atol=2e-3)


class Half(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tiny = Tiny().half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tiny(x.half()).float()


@pytest.mark.parametrize("module", [Tiny, Half])
def test_the_parameters_of_an_onnx_file_are_counted_whatever_their_type(
    tmp_path: Path, module: type[nn.Module]
) -> None:
    checkpoint = opened(onnx_of(module(), tmp_path / "tiny.onnx")).checkpoints[0]
    assert checkpoint.parameters == 12 * (27 + 1) and checkpoint.flops_per_pixel == 2 * 12 * (27 + 1)


def test_an_onnx_file_of_scale_1_whose_sides_must_be_multiples_of_4(tmp_path: Path) -> None:
    class Cleaner(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.pixel_shuffle(nn.functional.pixel_unshuffle(x, 4), 4) * 0.5

    approach = opened(onnx_of(Cleaner(), tmp_path / "clean.onnx"))
    assert approach.scale == 1 and approach.load.multiple_of == 4  # type: ignore[attr-defined]
    np.testing.assert_allclose(upscaled(approach), noise(23, 31) * 0.5, atol=1e-5)


def hostile(name: str, path: Path) -> Path:
    """Write one file that must be refused."""
    good = (EMBEDDED / "espcn-x4.safetensors").read_bytes()
    state = load_file(EMBEDDED / "espcn-x4.safetensors")
    path = path / name
    if name == "truncated.safetensors":
        path.write_bytes(good[: len(good) // 2])
    elif name == "code.pth":

        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return (exec, ("raise SystemExit('executed')",))

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}))
            archive.writestr("archive/version", "3\n")
    elif name in ("script.pth", "script.pt"):
        with zipfile.ZipFile(path, "w") as archive:  # the members by which torch recognises TorchScript
            for member in ("script/constants.pkl", "script/code/__torch__.py", "script/data.pkl"):
                archive.writestr(member, b"")
    elif name == "other.safetensors":
        save_file({"encoder.weight": torch.rand(4, 4)}, path)
    elif name == "nan.safetensors":
        state["conv1.weight"][0, 0, 0, 0] = float("nan")
        save_file(state, path)
    elif name == "header.safetensors":
        path.write_bytes(struct.pack("<Q", 2**40) + b"{}" + b"\0" * 5000)
    elif name == "empty.onnx":
        path.write_bytes(b"")
    elif name == "text.pth":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1234\n")
    elif name == "bomb.pth":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data/0", b"\0" * 2**24)
    elif name == "tensor.pth":
        torch.save(torch.ones(3), path)
    elif name == "damaged.onnx":
        path.write_bytes(b"\x08\x07\x3a\xff\xff" + bytes(range(256)))
    else:
        path.write_bytes(good)
    return path


SENTENCES = {
    "truncated.safetensors": "damaged",
    "code.pth": "could run as a program. Convert it to .safetensors",
    "script.pth": "TorchScript, which is a program. Convert it to .safetensors",
    "script.pt": "a .pt file can hold a program. Convert it to .safetensors",
    "other.safetensors": "no network that this app knows",
    "nan.safetensors": "weights that are not numbers",
    "header.safetensors": "its header would be longer than the file",
    "empty.onnx": "is empty",
    "text.pth": "is text, not a model",
    "bomb.pth": "unpacks to more than its size",
    "tensor.pth": "no checkpoint|no named tensors",
    "damaged.onnx": "damaged or no ONNX file",
    "weights.exe": "must end in .safetensors, .pth or .onnx",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_broken_and_hostile_files_are_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SRError, match=SENTENCES[name]) as caught:
        opened(hostile(name, tmp_path))
    assert str(caught.value).startswith(name)


def classifier() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def test_onnx_files_that_are_not_image_to_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SRError, match="not image to image"):
        opened(onnx_of(classifier(), tmp_path / "classes.onnx"))
    with pytest.raises(SRError, match="takes 1 channels, and a colour image has 3"):
        opened(onnx_of(Tiny(channels=1), tmp_path / "gray.onnx", channels=1))


@pytest.mark.slow
def test_our_own_export_of_edsr_gives_what_edsr_gives(tmp_path: Path) -> None:
    """The file is written by `export`'s own writer, at a tiny size of the network."""
    pytest.importorskip("onnxscript")
    from sr_demo.export.formats import Portable, writer
    from sr_demo.networks.edsr import EDSR

    torch.manual_seed(0)
    network = EDSR(blocks=1, features=8, scale=4).eval()
    writer("onnx").write(Portable(network, 4, 1).eval(), tmp_path / "edsr.onnx", {"approach": "edsr"})
    approach = opened(tmp_path / "edsr.onnx")
    assert approach.scale == 4 and approach.tiling.blend == 0
    with torch.inference_mode():
        lr = torch.from_numpy(noise(40, 37).copy()).permute(2, 0, 1)[None]
        plain = network(lr)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(upscaled(approach, 40, 37), plain, atol=1e-4)


class Noisy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


def test_onnx_files_that_are_not_deterministic_or_not_for_0_to_1_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SRError, match="another result each time"):
        opened(onnx_of(Noisy(), tmp_path / "noisy.onnx"))

    class Bytes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 255

    with pytest.raises(SRError, match="Export it for colours from 0 to 1"):
        opened(onnx_of(Bytes(), tmp_path / "bytes.onnx"))


def test_external_data_and_custom_operators_of_onnx_are_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = onnx_of(Tiny(), tmp_path / "tiny.onnx")
    model = onnx.load(str(path))
    onnx_format.check(memoryview(path.read_bytes()), "tiny.onnx")
    onnx.save(
        model, str(tmp_path / "outside.onnx"), save_as_external_data=True, size_threshold=0, location="weights.bin"
    )
    with pytest.raises(SRError, match="keeps its weights in another file"):
        opened(tmp_path / "outside.onnx")
    model = onnx.load(str(path))
    model.graph.node[0].domain = "evil"
    model.opset_import.append(onnx.helper.make_opsetid("evil", 1))
    (tmp_path / "custom.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SRError, match="custom operators"):
        opened(tmp_path / "custom.onnx")


@pytest.mark.parametrize("attribute", ["sparse_tensor", "sparse_tensors"])
def test_sparse_tensors_of_onnx_are_refused(attribute: str) -> None:
    """Their values may lie in another file, as those of dense ones."""
    onnx = pytest.importorskip("onnx")
    constant = onnx.helper.make_node("Constant", [], ["c"])
    given = constant.attribute.add(name="sparse_value", type=getattr(onnx.AttributeProto, attribute.upper()))
    held = given.sparse_tensor if attribute == "sparse_tensor" else given.sparse_tensors.add()
    held.dims.append(16)
    held.values.data_location = onnx.TensorProto.EXTERNAL
    held.values.external_data.add(key="location", value="secret.bin")
    inner = onnx.helper.make_node("If", ["x"], ["y"], then_branch=onnx.helper.make_graph([constant], "inner", [], []))
    for node in (constant, inner):
        model = onnx.helper.make_model(onnx.helper.make_graph([node], "graph", [], []))
        with pytest.raises(SRError, match="holds sparse tensors, which are not read here"):
            onnx_format.check(memoryview(model.SerializeToString()), "sparse.onnx")


def test_a_field_of_onnx_cannot_be_hidden_by_bits_that_protocol_buffers_drop() -> None:
    onnx = pytest.importorskip("onnx")
    tensor = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL).SerializeToString()
    plain = bytes([5 << 3 | 2])  # the key of an initializer, a field of a graph
    longer = bytes([plain[0] | 128, 128, 128, 128, 1 << 4])  # with the bit 2^32
    for key, sentence in ((plain, "keeps its weights in another file"), (longer, "damaged or no ONNX file")):
        graph = key + bytes([len(tensor)]) + tensor
        with pytest.raises(SRError, match=sentence):
            onnx_format.check(memoryview(bytes([7 << 3 | 2, len(graph)]) + graph), "hidden.onnx")


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    path.write_bytes(b"\1" * 3000)
    with pytest.raises(SRError, match="at most"):
        open_model(path, max_bytes=2000)


def test_a_file_that_changed_since_it_was_opened_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((EMBEDDED / "espcn-x4.safetensors").read_bytes())
    approach = opened(path)
    path.write_bytes((EMBEDDED / "edsr-x4.safetensors").read_bytes())
    with pytest.raises(WeightsUnavailable, match="changed or removed"):
        upscaled(approach)


def test_the_findings_are_kept_so_that_the_next_time_needs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((EMBEDDED / "espcn-x4.safetensors").read_bytes())
    first = open_model(path, licence="MIT")
    assert is_available(first.checkpoints[0])
    monkeypatch.setattr(opening, "try_out", lambda *_: pytest.fail("a second trial"))
    assert open_model(path, licence="MIT") == first
    assert first.checkpoints[0].licence == "MIT, stated by you"
    assert pickle.loads(pickle.dumps(first)) == first


def test_models_of_one_name_get_different_names(tmp_path: Path) -> None:
    paths = [tmp_path / name / "mine.safetensors" for name in "ab"]
    for path, stem in zip(paths, ("espcn-x4", "espcn-x4"), strict=True):
        path.parent.mkdir()
        path.write_bytes((EMBEDDED / f"{stem}.safetensors").read_bytes())
    approaches = with_unique_names([open_model(path) for path in paths])
    assert [job(one).key for one in approaches] == ["own:mine", "own:mine-2"]
    assert job_for(approaches, "own:mine-2").checkpoint.files[0].path == paths[1]


def test_a_broken_file_in_the_folder_of_a_server_is_one_line_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        folder, "open_model_in_subprocess", lambda path, **_: open_model(path)
    )  # no process of its own here
    (tmp_path / "good.safetensors").write_bytes((EMBEDDED / "espcn-x4.safetensors").read_bytes())
    (tmp_path / "bad.safetensors").write_bytes(b"\0" * 100)
    (tmp_path / "notes.txt").write_text("not a model")
    found = folder.approaches(folder.from_environment({"SR_DEMO_MODELS": str(tmp_path)}))
    assert [one.checkpoints[0].name for one in found] == ["good"]
    assert len(caplog.records) == 1 and "bad.safetensors" in caplog.text


def test_a_prefix_is_removed_only_after_the_names_were_tried_as_they_are() -> None:
    tried = [list(state) for state in unwrapped({"model.0.weight": 1, "model.1.weight": 2})]
    assert tried == [["model.0.weight", "model.1.weight"], ["0.weight", "1.weight"]]


def test_the_name_of_a_file_is_made_plain() -> None:
    assert model_file.public_name("my model:<b>") == "my_model__b_"


def test_a_file_that_may_not_be_read_is_a_sentence_and_the_others_of_the_folder_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Path.open

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.suffix == ".onnx":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    (tmp_path / "mine.onnx").write_bytes(b"x")
    (tmp_path / "gone.onnx").symlink_to(tmp_path / "nowhere.onnx")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match=r"mine\.onnx cannot be read: Permission denied"):
        open_model(tmp_path / "mine.onnx")
    assert folder.approaches(tmp_path) == []
    assert "mine.onnx cannot be read" in caplog.text and "no model file gone.onnx" in caplog.text

    def closed(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        folder.approaches(tmp_path)
