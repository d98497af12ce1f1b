"""The training benchmark: FLOPs equal to a count by hand, adversarial steps, and the share as a ratio."""

import argparse
import json
from dataclasses import replace

import pytest
import torch

from sr_demo.cli import train
from sr_demo.errors import BadInput
from sr_demo.networks.edsr import EDSR
from sr_demo.training import benchmark as module
from sr_demo.training import loop
from sr_demo.training.recipes import find

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(loop, "cpu_gains_from_bf16", lambda: False)
    monkeypatch.setattr(module, "_SIDE", {"cpu": 64})
    for name, value in (("_STEP_SECONDS", 0.05), ("_PRODUCT_SECONDS", 0.02), ("_ROUNDS", 1)):
        monkeypatch.setattr(module, name, value)


def tiny(name):
    recipe = find(name)
    phases = tuple(replace(p, patch=16, batch=2) for p in recipe.phases)
    return replace(recipe, phases=phases, build=lambda: EDSR(1, 8, 4))


def test_flops_equal_the_count_by_hand():
    """EDSR of 1 block, 8 features: head 3-8, body 8-8 three times, tail 8-48, all 3 x 3 at 16 x 16; batch 2.

    Forward once; backward once for weights and once for inputs, but not for the input image. Its bicubic
    upscaling is a convolution too, 5 x 5 with 16 results for each colour, forward only.
    """
    found = module.measure(tiny("edsr"), CPU, train.make_trainer, rounds=1)
    layers = [module_ for module_ in EDSR(1, 8, 4).modules() if isinstance(module_, torch.nn.Conv2d)]
    each = [2 * 9 * conv.in_channels * conv.out_channels * 16 * 16 * 2 for conv in layers]
    upscaled = 2 * 25 * 48 * 16 * 16 * 2
    assert found.flops_per_iteration == 3 * sum(each) - each[0] + upscaled


def test_the_share_is_the_ratio_to_the_matrix_product(capsys):
    found = module.measure(tiny("edsr"), CPU, train.make_trainer, rounds=1)
    assert found.iterations_per_second > 0 and found.product_tflops > 0
    exact = found.iterations_per_second * found.flops_per_iteration / 1e12 / found.product_tflops
    assert found.share == pytest.approx(exact, rel=0.05, abs=2e-4)


def test_adversarial_steps_count_the_discriminator_too():
    plain = module.measure(tiny("edsr"), CPU, train.make_trainer, rounds=1)
    adversarial = module.measure(tiny("real-esrgan-direct"), CPU, train.make_trainer, rounds=1)
    assert "gan" in adversarial.losses and adversarial.flops_per_iteration > 2 * plain.flops_per_iteration


def _arguments(*given):
    parser = argparse.ArgumentParser()
    train.add_train_arguments(parser)
    return parser.parse_args(given)


def test_the_benchmark_needs_no_data_and_prints_json(capsys, monkeypatch):
    monkeypatch.setattr(train, "RECIPES", (tiny("edsr"),))
    monkeypatch.setattr(train, "choose_device", lambda name: CPU)
    assert train.run_train(_arguments("--benchmark", "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [r["recipe"] for r in printed["recipes"]] == ["edsr"] and printed["device"]
    assert train.run_train(_arguments("--benchmark")) == 0
    assert "edsr" in capsys.readouterr().out


def test_training_needs_its_arguments(capsys):
    assert train.run_train(_arguments("edsr")) == 2
    assert "RECIPE, --data and --out" in capsys.readouterr().err
    with pytest.raises(BadInput):
        find("nothing")
