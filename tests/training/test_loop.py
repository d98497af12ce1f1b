"""Every recipe trains at tiny size, and a run that was killed ends where an uninterrupted one does."""

import argparse
import copy
import csv
import hashlib
import json
import shutil
import signal
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sr_demo.backends.torch_backend import load_safetensors
from sr_demo.cli import train
from sr_demo.errors import BadInput
from sr_demo.metrics.full_reference import ssim_y
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.espcn import ESPCN
from sr_demo.networks.liif import LIIF
from sr_demo.networks.rdn import RDN
from sr_demo.networks.rrdn import RRDN
from sr_demo.networks.shift_unet import ShiftUNet
from sr_demo.networks.srresnet import SRResNet
from sr_demo.training import cycle, diffusion, drct, hat, liif, loop, losses, run_state, sources
from sr_demo.training.adversarial import Discriminator
from sr_demo.training.cycle import CycleTrainer, Degrader
from sr_demo.training.data import load_folder
from sr_demo.training.discriminator import UNetDiscriminator
from sr_demo.training.ema import averaged
from sr_demo.training.loop import CURVE, Trainer, batch_tensor, run
from sr_demo.training.muon import Muon, MuonAdamW
from sr_demo.training.recipes import RECIPES, find
from sr_demo.training.schedule import Budget, Phase, learning_rate, phase_at, phases_until
from sr_demo.training.unpaired_degradation import unknown_track

CPU = torch.device("cpu")
TINY_HAT = hat.SETTINGS | {"embed_dim": 16, "depths": [2], "num_heads": [2], "squeeze_factor": 4, "num_feat": 8}
TINY_DRCT = drct.SETTINGS | {"embed_dim": 16, "depths": [6], "num_heads": [2], "gc": 4, "img_size": 16}


def _tiny_compact():
    from sr_demo.networks.compact import Compact

    return Compact(8, 2, 4)


BUILDERS = {
    "RDN": lambda: RDN(2, 2, 8, 8, 4),
    "EDSR": lambda: EDSR(2, 8, 4),
    "HAT": partial(hat.build_hat, TINY_HAT),
    "Compact": _tiny_compact,
    "LIIF": lambda: LIIF(2, 8, 16, 2),
    "ESPCN": lambda: ESPCN([8, 8], 4),
    "RRDN": lambda: RRDN(1, 2, 8, 8, 4),
    "SRResNet": lambda: SRResNet(2, 8, 4, residual=True),
    "DRCT": partial(drct.build_drct, TINY_DRCT),
    "ShiftUNet": lambda: ShiftUNet([8, 8, 8], levels=4, kappa=0.1, least=0.01, power=0.7, spread=0.1),
}
SHIPS = {"HAT": partial(hat.as_shipped, settings=TINY_HAT), "DRCT": partial(drct.as_shipped, settings=TINY_DRCT)}


def tiny(recipe):
    """The recipe with its own losses and degradation, on a network and patches of toy size."""
    phases = tuple(replace(p, patch=16, batch=2, rate=(3e-3, 1e-3)) for p in recipe.phases)
    name = recipe.architecture.name
    small = replace(recipe, phases=phases, build=BUILDERS[name], warm_up=0.0, begin="")
    return replace(small, ship=SHIPS[name]) if name in SHIPS else small


@pytest.fixture(autouse=True)
def _fp32_without_shared_files(monkeypatch, tmp_path):
    """bf16 depends on the chip and the feature file on the machine: results here must not."""
    monkeypatch.setattr(loop, "cpu_gains_from_bf16", lambda: False)
    monkeypatch.setattr(diffusion, "embedded_network", lambda stem: BUILDERS["RDN"]())
    monkeypatch.setattr(liif, "embedded_edsr", BUILDERS["EDSR"])
    monkeypatch.setattr(cycle, "embedded_edsr", BUILDERS["EDSR"])
    monkeypatch.setenv("SR_DEMO_SHARED_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("SR_DEMO_SHARED_DATA", str(tmp_path))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(2):
        small = np.random.default_rng(i).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def pairs(photos):
    return load_folder(photos, 4, 16)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_error_on_the_same_images_falls(recipe, pairs):
    """Measured on fixed LR pictures: the loss of a batch depends on how badly that batch was degraded."""
    trainer = train.make_trainer(tiny(recipe), pairs, pairs, CPU, 0)
    before, _ = trainer.validation.score(trainer.as_upscaler(trainer.network))
    for _ in range(20):
        trainer.step(0.0)
    after, _ = trainer.validation.score(trainer.as_upscaler(trainer.network))
    assert after > before + 0.3


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_last_phase_runs_and_everything_stays_finite(recipe, pairs):
    trainer = train.make_trainer(tiny(recipe), pairs, pairs, CPU, 0)
    assert all(np.isfinite(trainer.step(0.99)) for _ in range(3))
    assert all(p.isfinite().all() for p in trainer.ema.module.parameters())


@pytest.mark.parametrize("name", ["srgan", "real-esrgan-direct", "cyclegan"])
def test_patches_cut_to_a_small_image_still_fit_the_networks(name, tmp_path, capsys):
    """Arrays may be of any size: 100 x 100 pixels are 25 x 25 in LR, and the discriminator halves HR three times."""
    size = 120 if name == "cyclegan" else 100  # its second network halves LR three times
    large = np.random.default_rng(0).integers(0, 255, (2, size, size, 3), dtype=np.uint8)
    np.savez(tmp_path / "hr.npz", large)
    pairs = sources.load(tmp_path / "hr.npz", 4, 48, lambda _: None)
    recipe = find(name)
    recipe = replace(tiny(recipe), phases=tuple(replace(phase, batch=1) for phase in recipe.phases))
    recipe = train._with_fitting_patches(recipe, pairs)
    assert {phase.patch for phase in recipe.phases} == {24}
    assert np.isfinite(train.make_trainer(recipe, pairs, pairs, CPU, 0).step(0.99))
    assert f"cut to 24: the smallest picture's side is {size // 4}" in capsys.readouterr().out


def test_an_image_that_is_too_small_for_a_patch_is_refused(tmp_path):
    np.savez(tmp_path / "hr.npz", np.zeros((2, 16, 16, 3), np.uint8))
    pairs = sources.load(tmp_path / "hr.npz", 4, 48, lambda _: None)
    with pytest.raises(BadInput, match="has 4 pixels a side, and cyclegan needs 8"):
        train._with_fitting_patches(find("cyclegan"), pairs)


@pytest.mark.parametrize("name", ["rdn-mse", "real-esrgan-direct"])
def test_killed_and_resumed_equals_uninterrupted(name, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    recipe, budget = tiny(find(name)), Budget(iterations=10)
    whole = Trainer(recipe, pairs, pairs, CPU)
    file, left_behind = tmp_path / "run.pt", tmp_path / "killed.pt"

    def keep_the_state_that_a_kill_would_leave(status):
        if status.iteration == 9:
            shutil.copy(file, left_behind)

    run(whole, budget, file, keep_the_state_that_a_kill_would_leave)
    resumed = Trainer(recipe, pairs, pairs, CPU, seed=99)
    resumed.restore(run_state.load(left_behind, name))
    assert resumed.iteration == 8
    run(resumed, budget, file, lambda status: None)
    for a, b in zip(whole.ema.module.parameters(), resumed.ema.module.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    assert whole.curves["psnr_y"] == resumed.curves["psnr_y"]
    assert whole.curves["loss"] == resumed.curves["loss"]
    assert whole.plans == resumed.plans == [{"from": 0, **budget.length}]
    run(resumed, Budget(iterations=resumed.iteration + 2), file, lambda status: None)
    assert [plan["from"] for plan in resumed.plans] == [0, whole.iteration], "the longer plan is recorded"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_in_the_middle_of_a_step_ends_the_run_after_that_step(number, photos, tmp_path, monkeypatch, capsys):
    """Weights, moments and random streams of the saved state belong to one step, so that --resume goes on exactly."""
    recipe = tiny(find("rdn-mse"))
    monkeypatch.setattr(train, "find", lambda name: recipe)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    update = Trainer._update

    def interrupted(self, *arguments):
        if self.iteration == 2:
            signal.raise_signal(number)
        update(self, *arguments)

    try:
        assert train.run_train(_arguments(photos, whole, "--iterations", "5")) == 0
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_update", interrupted)
            assert train.run_train(_arguments(photos, parts, "--iterations", "5")) == 130
        assert "--resume goes on" in capsys.readouterr().err and not parts.exists()
        assert run_state.load(parts.with_suffix(".state.pt"))["iteration"] == 3
        assert train.run_train(_arguments(photos, parts, "--resume")) == 0
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert parts.read_bytes() == whole.read_bytes()
    capsys.readouterr()


def test_an_error_in_the_middle_of_a_step_leaves_the_state_that_was_saved_last(pairs, tmp_path, monkeypatch):
    trainer, file = Trainer(tiny(find("espcn")), pairs, pairs, CPU), tmp_path / "run.pt"
    run(trainer, Budget(iterations=2), file, lambda status: None)
    saved = file.read_bytes()

    def fail(network):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.ema, "update_parameters", fail)
    with pytest.raises(KeyboardInterrupt):
        run(trainer, Budget(iterations=4), file, lambda status: None)
    assert file.read_bytes() == saved


def test_muon_updates_the_inner_layers_of_the_network_in_place():
    """The singular values of such a step are about equal; AdamW updates the first and the last layer and the biases."""
    torch.manual_seed(0)
    network: Any = EDSR(2, 16, 4).to(memory_format=torch.channels_last)
    before = copy.deepcopy(network)
    optimiser = MuonAdamW(network)
    for group in optimiser.param_groups:
        group["lr"] = 1e-2
    network(torch.rand(2, 3, 16, 16)).square().mean().backward()
    optimiser.step()
    inner, old = network.blocks[0].conv1.weight, before.blocks[0].conv1.weight
    step, gradient = (inner - old).detach().flatten(1), inner.grad.flatten(1)
    values, steep = torch.linalg.svdvals(step), torch.linalg.svdvals(gradient)
    assert steep[10] < 0.2 * steep[0] and values[10] > 0.5 * values[0] > 0
    assert values[0] == pytest.approx(1e-2 * 0.2 * step.shape[1] ** 0.5, rel=0.3)
    first = (network.head.weight - before.head.weight).detach().abs()
    torch.testing.assert_close(first, torch.full_like(first, 1e-2), rtol=0.01, atol=0)


def test_muon_takes_the_same_steps_as_torch():
    """Several matrices of one shape, wide and high ones, one without a gradient at first, and a state that is loaded."""
    shapes = [(16, 144)] * 3 + [(48, 16)] * 2 + [(16, 16)]
    ours, theirs = (
        [nn.Parameter(torch.randn(s, generator=torch.Generator().manual_seed(i))) for i, s in enumerate(shapes)]
        for _ in "ab"
    )
    optimisers = [Muon(ours), torch.optim.Muon(theirs, lr=0.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")]
    for step in range(4):
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(shapes[i], generator=torch.Generator().manual_seed(100 * step + i))
            for matrix in pair:
                matrix.grad = None if (step, i) == (0, 1) else gradient.clone()
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = 1e-2
            optimiser.step()
        if step == 2:
            optimisers[1].load_state_dict(copy.deepcopy(optimisers[0].state_dict()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_muon_refuses_a_network_whose_kernels_it_would_have_to_copy():
    with pytest.raises(ValueError, match="channels last"):
        MuonAdamW(EDSR(1, 8, 4))


def test_adamw_updates_the_layers_outside_of_muons_prefix():
    network: Any = hat.build_hat(TINY_HAT).to(memory_format=torch.channels_last)
    optimiser = MuonAdamW(network, "layers.")
    upsample, linear = network.upsample[0].weight, network.layers[0].residual_group.blocks[0].attn.qkv.weight
    owned = [
        {p.data_ptr() for group in part.param_groups for p in group["params"]}
        for part in (optimiser._muon, optimiser._adamw)
    ]
    assert linear.data_ptr() in owned[0] and upsample.data_ptr() in owned[1]
    assert owned[0] | owned[1] == {p.data_ptr() for p in network.parameters()} and not owned[0] & owned[1]


def test_a_run_continues_from_a_state_of_another_optimiser(pairs):
    """The weights are loaded; the state of the other optimiser is ignored."""
    recipe = tiny(find("edsr"))
    other = Trainer(replace(recipe, optimiser="adamw"), pairs, pairs, CPU)
    other.step(0.0)
    trainer = Trainer(recipe, pairs, pairs, CPU, seed=1)
    trainer.restore(other.state())
    for a, b in zip(trainer.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    assert np.isfinite(trainer.step(0.5))


def test_an_interrupted_write_leaves_the_old_state(tmp_path):
    file = tmp_path / "run.pt"
    run_state.save(file, {"recipe": "edsr", "iteration": 1})

    def fail(target):
        target.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_state.write_atomically(file, fail)
    assert run_state.load(file, "edsr")["iteration"] == 1
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [{"head.weight": torch.zeros(1)}, torch.zeros(1)])
def test_weights_without_the_rest_of_a_run_are_no_state(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    for recipe in (None, "edsr"):
        with pytest.raises(BadInput, match="not a training state"):
            run_state.load(tmp_path / "weights.pth", recipe)


@pytest.mark.parametrize("content", [None, b"", b"nonsense", "other recipe"])
def test_a_state_that_cannot_be_resumed_is_reported_in_one_sentence(tmp_path, content):
    file = tmp_path / "run.pt"
    if content == "other recipe":
        run_state.save(file, {"recipe": "hat"})
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=r"run\.pt"):
        run_state.load(file, "edsr")


def _arguments(photos, out, *more, recipe="edsr"):
    parser = argparse.ArgumentParser()
    train.add_train_arguments(parser)
    return parser.parse_args([recipe, "--data", str(photos), "--out", str(out), "--device", "cpu", *more])


def test_the_command_goes_from_photos_to_weights_and_card(photos, tmp_path, monkeypatch, capsys):
    recipe = tiny(find("edsr"))
    monkeypatch.setattr(train, "find", lambda name: recipe)
    out = tmp_path / "weights" / "edsr-x4.safetensors"
    assert train.run_train(_arguments(photos, out, "--iterations", "8", "--licence", "CC0-1.0")) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (card["file"], card["bytes"], card["scale"]) == (out.name, out.stat().st_size, 4)
    assert card["iterations"] == card["curves"]["iteration"][-1] == 8
    assert card["recipe"]["optimiser"] == "muon"
    assert card["data"]["licence"] == "CC0-1.0"
    assert 10 < card["scores"]["val"]["psnr_y"] < 60
    network = load_safetensors(out, recipe.build())
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    with out.with_suffix(".csv").open() as handle:
        rows = list(csv.reader(handle))
    assert rows[0] == list(CURVE)
    assert len(rows) == 9
    before = out.read_bytes()
    assert train.run_train(_arguments(photos, out, "--iterations", "8", "--snapshot")) == 0
    assert out.read_bytes() == before
    capsys.readouterr()


def test_a_saved_run_keeps_its_length_unless_another_is_given(photos, tmp_path, monkeypatch, capsys):
    recipe = tiny(find("srgan"))
    monkeypatch.setattr(train, "find", lambda name: recipe)
    out, state = tmp_path / "srgan.safetensors", tmp_path / "srgan.state.pt"

    def card(*more):
        assert train.run_train(_arguments(photos, out, *more)) == 0
        capsys.readouterr()
        return json.loads(out.with_suffix(".json").read_text())

    card("--iterations", "4")
    values = run_state.load(state, "srgan")
    run_state.save(state, values | {"plans": [{"from": 0, "seconds": 14400.0}], "seconds": 3600.0})
    snapshot = card("--snapshot")
    assert (snapshot["done"], snapshot["losses"]) == (0.25, ["l1"]), "an hour of four"
    assert card("--snapshot", "--minutes", "120")["done"] == 0.5
    run_state.save(state, values | {"plans": [{"from": 0, "iterations": 6}]})
    resumed = card("--resume")
    assert (resumed["iterations"], resumed["done"], resumed["plans"]) == (6, 1.0, [{"from": 0, "iterations": 6}])


def test_the_length_of_a_run_is_the_given_one_else_the_planned_one_else_the_default():
    plans = [{"from": 0, "iterations": 9}, {"from": 5, "seconds": 90.0}]
    assert Budget.chosen(7, 2.0, plans, 30.0) == Budget(iterations=7)
    assert Budget.chosen(None, 2.0, plans, 30.0) == Budget(seconds=120.0)
    assert Budget.chosen(None, None, plans, 30.0) == Budget(seconds=90.0)
    assert Budget.chosen(None, None, plans[:1], 30.0) == Budget(iterations=9)
    assert Budget.chosen(None, None, [], 30.0) == Budget(seconds=1800.0)
    for given in ((0, None), (None, 0.0), (-1, 5.0)):
        with pytest.raises(BadInput, match="more than zero"):
            Budget.chosen(*given, plans, 30.0)


def test_the_command_reports_what_is_wrong(photos, tmp_path, capsys):
    out, nowhere = tmp_path / "e.safetensors", tmp_path / "nowhere"
    cases = (
        (_arguments(photos, tmp_path / "e.pth"), "safetensors"),
        (_arguments(nowhere, out), "nowhere"),
        (_arguments(photos, out), "192 x 192"),
        (_arguments(photos, out, "--resume"), "nothing to resume"),
        (_arguments(photos, out, "--minutes", "0"), "zero minutes"),
        (_arguments(photos, out, "--minutes", "nan"), "zero minutes"),
        (_arguments(photos, out, "--minutes", "inf"), "an end"),
        (_arguments(photos, out, "--iterations", "0"), "zero minutes"),
        (_arguments(photos, out, "--device", "abacus"), "abacus"),
        (_arguments(photos, out, "--seed", "-1"), "--seed takes a number"),
        (_arguments(photos, out, "--pictures", "0"), "--pictures takes a number"),
        (_arguments(photos, out, "--synthetic", "-1"), "--synthetic takes a number"),
        (_arguments(photos, out, "--crops", "0"), "--crops takes a number"),
        (_arguments(nowhere, out, "--teacher", "edsr", recipe="cyclegan"), "leave out --teacher"),
        (_arguments(nowhere, out, "--synthetic", "2", recipe="cyclegan"), "leave out --synthetic"),
    )
    for arguments, word in cases:
        assert train.run_train(arguments) == 2
        assert word in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "height", "width"), [("hat", 16, 24), ("hat", 19, 33), ("drct", 16, 32), ("drct", 19, 33)]
)
def test_transformers_are_shipped_in_spandrels_layout(pairs, tmp_path, name, height, width):
    """spandrel's network computes what was trained, to fp16, also for images that are no multiple of a window."""
    from safetensors.torch import load_file
    from spandrel import ModelLoader

    from sr_demo.training.cards import write_weights

    recipe = tiny(find(name))
    trainer = Trainer(recipe, pairs, pairs, CPU)
    for _ in range(5):
        trainer.step(0.0)
    path = tmp_path / f"{name}.safetensors"
    write_weights(recipe.ship(trainer.network), path)
    assert load_file(path)["conv_first.weight"].dtype == torch.float16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # HAT calls torch.meshgrid the old way
        descriptor: Any = ModelLoader(device="cpu").load_from_file(path)
    assert (descriptor.architecture.id, descriptor.scale) == (name.upper(), 4)
    image = torch.rand(1, 3, height, width)
    with torch.no_grad():
        ours, theirs = trainer.network.eval()(image), descriptor(image)
    torch.testing.assert_close(ours.clamp(0, 1), theirs, atol=4e-3, rtol=0)


def test_the_untrained_hat_interpolates():
    network = hat.build_hat(TINY_HAT)
    ramp = torch.linspace(0.2, 0.8, 24)[None, None, None].expand(1, 3, 16, 24).contiguous()
    wanted = torch.nn.functional.interpolate(ramp, scale_factor=4, mode="bilinear", align_corners=False)
    with torch.no_grad():
        error = (network(ramp) - wanted)[..., 16:-16, 16:-16].abs().mean()
    assert error < 0.002


def test_ema_forgets_the_initial_weights_and_then_follows_slowly():
    source = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(source.weight)
    ema: Any = averaged(source, decay=0.99)
    torch.nn.init.ones_(source.weight)
    value = 0.0
    for n in range(1, 301):
        ema.update_parameters(source)
        decay = min(0.99, (1 + n) / (10 + n))
        value = decay * value + (1 - decay)
        assert float(ema.module.weight.detach()) == pytest.approx(value, abs=1e-5)
    assert 0.5 < value < 1.0
    assert not any(p.requires_grad for p in ema.parameters())


def test_ema_equals_the_formula_written_out_for_every_parameter_and_buffer():
    """The definition before torch's `AveragedModel` was used: lerp of all parameters, buffers copied."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3)).to(
        memory_format=torch.channels_last
    )
    expected = copy.deepcopy(network)
    ema = averaged(network, decay=0.9)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for n in range(1, 101):
        optimiser.zero_grad()
        network(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimiser.step()
        ema.update_parameters(network)
        decay = min(0.9, (1 + n) / (10 + n))
        with torch.no_grad():
            for old, new in zip(expected.parameters(), network.parameters(), strict=True):
                old.lerp_(new, 1.0 - decay)
            for old, new in zip(expected.buffers(), network.buffers(), strict=True):
                old.copy_(new)
    for found, wanted in zip(ema.module.state_dict().values(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted, atol=0, rtol=0)


def in_earlier_layout(state):
    """A run's state with the keys that earlier versions wrote."""
    names = {new: old for old, new in run_state._RENAMED.items()}
    old = {names.get(key, key): value for key, value in state.items() if key != "ema"}
    weights = {name.removeprefix("module."): value for name, value in state["ema"].items() if name != "n_averaged"}
    return old | {"average": weights, "updates": int(state["ema"]["n_averaged"]) - 1}


@pytest.mark.parametrize("name", ["srgan", "cyclegan"])
def test_states_of_earlier_versions_are_resumed(name, pairs, tmp_path):
    recipe = tiny(find(name))
    whole = train.make_trainer(recipe, pairs, pairs, CPU, 0)
    whole.step(0.99)
    old = in_earlier_layout(copy.deepcopy(whole.state()))
    assert old["updates"] == 1 and {"critic", "average"} <= set(old)  # words: ok
    assert "ema" not in old and "discriminator" not in old
    run_state.save(tmp_path / "old.pt", old)
    resumed = train.make_trainer(recipe, pairs, pairs, CPU, 3)
    resumed.restore(run_state.load(tmp_path / "old.pt", name))
    assert whole.step(0.99) == resumed.step(0.99)
    for a, b in zip(whole.ema.state_dict().values(), resumed.ema.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_discriminator_is_spectrally_normalised():
    """After some forward passes every inner convolution has largest singular value 1, however large its weights."""
    network = UNetDiscriminator(4)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and torch.nn.utils.parametrize.is_parametrized(module, "weight"):
            with torch.no_grad():
                parametrized: Any = module.get_submodule("parametrizations.weight")
                parametrized.original.mul_(50)
    inner = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m not in (network.first, network.last)]
    assert len(inner) == 7
    with torch.no_grad():
        for _ in range(60):
            logits = network(torch.rand(1, 3, 16, 24))
        for conv in inner:
            assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2) == pytest.approx(1.0, abs=0.05)
    assert logits.shape == (1, 1, 16, 24)


def test_discriminator_learns_to_separate_real_from_fake_and_hands_gradients_to_the_fake():
    torch.manual_seed(0)
    discriminator = Discriminator(CPU, features=4)
    real, fake = torch.rand(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.5)
    losses = [discriminator.step(fake, real, 2e-3, reduced=False) for _ in range(25)]
    assert losses[-1] < 0.8 * losses[0]
    fake.requires_grad_(True)
    discriminator.logits(fake, reduced=False).mean().backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0


def test_learning_rate_rises_falls_and_changes_phase():
    phases = (Phase(0.5, (("l1", 1.0),), (1.0, 0.5), 8, 2), Phase(0.5, (("mse", 1.0),), (0.5, 0.0), 16, 2))
    assert learning_rate(phases, 0.0, 0.1) == pytest.approx(0.1)
    assert learning_rate(phases, 0.25, 0.1) == pytest.approx(0.75)
    assert learning_rate(phases, 0.75, 0.1) == pytest.approx(0.25)
    assert learning_rate(phases, 1.0, 0.1) == pytest.approx(0.0)
    assert phase_at(phases, 0.49)[0] is phases[0]
    assert phase_at(phases, 0.5) == (phases[1], 0.0)
    assert phases_until(phases, 0.49) == phases[:1]
    assert phases_until(phases, 1.0) == phases


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_phases_of_a_recipe_fill_the_run(recipe):
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1.0)
    assert find(recipe.name) is recipe
    with pytest.raises(BadInput, match=recipe.name):
        find("nonsense")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_gradient_reaches_the_first_layer_of_the_real_network(recipe):
    """Deep plain stacks with a careless initialisation never learn; the tiny networks above cannot show it."""
    torch.manual_seed(0)
    network = recipe.build()
    small = torch.rand(1, 3, 16, 16)
    state_and_start = torch.rand(2, 1, 3, 64, 64)
    shown = (*state_and_start, small, torch.tensor([9])) if isinstance(network, ShiftUNet) else (small,)
    network(*shown).abs().mean().backward()
    convs = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    gradients = (convs[0].weight.grad, convs[-1].weight.grad)
    size = [0.0 if gradient is None else float(gradient.abs().mean()) for gradient in gradients]
    assert size[0] > 1e-3 * size[1]


def test_ssim_loss_agrees_with_the_metric():
    """On images whose values are whole 8-bit steps, without cropping a border."""
    rng = np.random.default_rng(0)
    a = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).resize((48, 40), Image.Resampling.BICUBIC)
    hr = np.asarray(a)
    sr = np.clip(hr.astype(int) + rng.integers(-25, 25, hr.shape), 0, 255).astype(np.uint8)
    sr, hr = (image.astype(np.float32) / 255.0 for image in (sr, hr))
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (sr, hr)]
    assert 1.0 - float(losses.ssim(*tensors)) == pytest.approx(ssim_y(sr, hr, border=0), abs=1e-5)
    assert float(losses.ssim(tensors[1], tensors[1])) == pytest.approx(0.0, abs=1e-6)


def test_grid_loss_is_zero_without_a_regular_pattern_and_known_with_one():
    torch.manual_seed(0)
    hr = torch.rand(2, 3, 64, 64)
    pattern = torch.zeros(64, 64)
    pattern[::4, ::4] = 0.05
    assert float(losses.grid(hr, hr)) == 0.0
    assert float(losses.grid(hr + 0.05, hr)) == pytest.approx(0.0, abs=1e-6)
    # One position of sixteen is off by 0.05: it deviates from the mean by 15/16 of that, the fifteen others by 1/16.
    assert float(losses.grid(hr + pattern, hr)) == pytest.approx(0.05 * 2 * 15 / 256, rel=1e-3)


def test_texture_loss_counts_how_much_detail_a_window_has_and_not_where():
    torch.manual_seed(0)
    hr = torch.rand(2, 3, 64, 64)
    assert float(losses.texture(hr, hr)) == 0.0
    # Another noise of the same strength has as much detail; L1 would prefer gray.
    other, gray = torch.rand(2, 3, 64, 64), torch.full_like(hr, 0.5)
    assert float(losses.texture(other, hr)) < 0.2 * float(losses.texture(gray, hr))
    assert float(losses.l1(other, hr)) > float(losses.l1(gray, hr))
    # The same number of steps, all at one position of four: as much detail, but in a pattern.
    steps = torch.zeros(64, 64)
    steps[:, 1::4] = 0.4
    spread = torch.zeros(64, 64)
    spread[:, 1::5] = 0.5
    found = float(losses.texture(steps.expand(1, 3, -1, -1), spread.expand(1, 3, -1, -1)))
    assert found > 0.05
    assert float((steps.diff().abs().mean() - spread.diff().abs().mean()).abs()) < 0.1 * found


def test_a_run_can_start_from_a_state_of_another_recipe_of_the_same_network(pairs, tmp_path):
    first = Trainer(tiny(find("rdn-mse")), pairs, pairs, CPU)
    first.step(0.0)
    first.validate(1e-3)
    run_state.save(tmp_path / "mse.pt", first.state())
    second = Trainer(tiny(find("rdn-ssim")), pairs, pairs, CPU)
    second.restore(run_state.load(tmp_path / "mse.pt"))
    assert (second.iteration, second.began_as, second.curves) == (1, "rdn-mse", first.curves)
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    with pytest.raises(BadInput, match="another network"):
        Trainer(tiny(find("edsr")), pairs, pairs, CPU).restore(run_state.load(tmp_path / "mse.pt"))


def test_a_cycle_can_start_from_a_run_of_its_network_and_that_run_from_a_cycle(pairs):
    """There is a degrader in one of the two states only."""
    for first, second in (("edsr", "cyclegan"), ("srgan", "cyclegan"), ("cyclegan", "srgan")):
        begun = train.make_trainer(tiny(find(first)), pairs, pairs, CPU, 0)
        begun.step(0.99)
        trainer = train.make_trainer(tiny(find(second)), pairs, pairs, CPU, 1)
        trainer.restore(copy.deepcopy(begun.state()))
        for a, b in zip(begun.network.parameters(), trainer.network.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=0, rtol=0)
        assert np.isfinite(trainer.step(0.99)) and trainer.iteration == 2


def test_a_run_that_has_used_up_the_length_is_no_start(pairs, photos, tmp_path, monkeypatch, capsys):
    edsr, srgan = tiny(find("edsr")), tiny(find("srgan"))
    monkeypatch.setattr(train, "find", lambda name: srgan)
    first = Trainer(edsr, pairs, pairs, CPU)
    first.step(0.0)
    run_state.save(tmp_path / "edsr.pt", first.state() | {"seconds": 14400.0})
    out = tmp_path / "srgan.safetensors"
    started = ("--start", str(tmp_path / "edsr.pt"))
    cases = (
        ((), "240 minutes of training, which count, and the whole run has 30: give more than 240 with --minutes"),
        (("--iterations", "1"), "1 iterations of training, which count, and the whole run has 1: give more than 1"),
    )
    for more, sentence in cases:
        assert train.run_train(_arguments(photos, out, *started, *more)) == 2
        assert sentence in capsys.readouterr().err
    assert not out.exists()
    assert train.run_train(_arguments(photos, out, *started, "--iterations", "2")) == 0
    assert json.loads(out.with_suffix(".json").read_text())["iterations"] == 2
    capsys.readouterr()


def test_rdn_is_trained_for_ssim_and_goes_on_for_mse():
    mse, ssim = find("rdn-mse"), find("rdn-ssim")
    assert mse.begin == ssim.stem and mse.architecture == ssim.architecture
    assert {name for name, _ in mse.phases[-1].losses} == {"mse"}
    assert "ssim" in dict(ssim.phases[-1].losses)


def test_unknown_degradation_is_the_same_for_all_images_and_its_noise_grows_with_brightness(photos):
    pairs = load_folder(photos, 4, 16)
    first, again, other = (unknown_track(pairs.hr, 4, seed) for seed in (7, 7, 8))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    flat = unknown_track([np.full((256, 256, 3), level, np.uint8) for level in (20, 200)], 4, 7)
    assert flat[0].shape == (64, 64, 3)
    assert [abs(p.mean() - level) < 0.5 for p, level in zip(flat, (20, 200), strict=True)] == [True, True]
    assert 1.5 * flat[0].std() < flat[1].std() < 20


@pytest.mark.slow
def test_the_cycle_closes(pairs):
    """Upscaling and degrading again comes closer to the input."""
    recipe = tiny(find("cyclegan"))
    trainer = CycleTrainer(recipe, pairs, pairs, CPU)
    tail: Any = trainer.network.get_submodule("tail")
    tail.bias.data.fill_(0.2)  # a network with wrong brightness

    def error():
        with torch.no_grad():
            x = batch_tensor(np.stack([lr[:16, :16] for lr in trainer.pairs.lr]), CPU)
            back = trainer.degrader(trainer.network(x), None)
            return float((back - x).abs().mean())

    before = error()
    for _ in range(40):
        trainer.step(0.0)
    assert error() < 0.7 * before


def test_the_degrader_blurs_and_adds_noise_but_keeps_colours():
    degrader = Degrader(4)
    colour = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    flat = colour.expand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(degrader(flat, None), colour.expand(1, 3, 16, 16), atol=1e-5)
        edge = torch.zeros(1, 3, 64, 64)
        edge[..., 32:] = 1.0
        row = degrader(edge, None)[0, 0, 8]
        grainy = degrader(flat, torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert (row.diff() >= 0).all() and 0.02 < row[7] < 0.5 and torch.allclose(row[7] + row[8], torch.tensor(1.0))
    spread = grainy.std((0, 2, 3))
    assert 0.01 < spread[0] < spread[1] < spread[2] < 0.05


def test_a_cycle_needs_a_clean_and_a_degraded_image(pairs):
    with pytest.raises(BadInput, match="cyclegan needs two training pictures or more"):
        train.make_trainer(tiny(find("cyclegan")), pairs.subset([0]), pairs, CPU, 0)


def test_a_cycle_resumes_where_it_was_killed(pairs):
    recipe = tiny(find("cyclegan"))
    whole = CycleTrainer(recipe, pairs, pairs, CPU)
    whole.step(0.5)
    saved = copy.deepcopy(whole.state())
    resumed = CycleTrainer(recipe, pairs, pairs, CPU, seed=3)
    resumed.restore(saved)
    whole.step(0.6)
    resumed.step(0.6)
    for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
