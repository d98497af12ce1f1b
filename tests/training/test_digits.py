"""Training of the digits lab, on a few drawn digits: a resumed run equals an uninterrupted one."""

from __future__ import annotations

import argparse
import copy
import json
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from sr_demo.cli.main import main
from sr_demo.cli.train import add_train_arguments, run_train
from sr_demo.cli.train_digits import mnist as mnist_here
from sr_demo.digits import data
from sr_demo.digits.data import load
from sr_demo.errors import BadInput
from sr_demo.networks import digits as networks
from sr_demo.training import run_state
from sr_demo.training.digit_recipes import find
from sr_demo.training.digits import DigitTrainer
from tests.digit_images import written_digits
from tests.training.test_loop import in_earlier_layout


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, labels = written_digits(160)
    file = tmp_path_factory.mktemp("mnist") / "mnist.npz"
    np.savez(
        file, x_train=images[:120], y_train=labels[:120], x_test=images[120:], y_test=labels[120:]
    )  # fmt: skip
    return file


def train(recipe: str, mnist: Path, out: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    return run_train(
        parser.parse_args(
            [recipe, "--data", str(mnist), "--out", str(out), "--device", "cpu", "--licence", "ours", *more]
        )
    )


def test_a_resumed_run_gives_the_weights_of_one_that_was_not_stopped(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    assert train("digits-cppn-vaegan", mnist, whole, "--iterations", "5") == 0
    original = DigitTrainer._coder_step

    def interrupted(self: DigitTrainer, lr: torch.Tensor, hr: torch.Tensor, fraction: float) -> float:
        loss = original(self, lr, hr, fraction)
        if self.iteration == 3:
            signal.raise_signal(signal.SIGINT)
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(DigitTrainer, "_coder_step", interrupted)
        assert train("digits-cppn-vaegan", mnist, parts, "--iterations", "5") == 130
    assert not parts.exists() and run_state.load(parts.with_suffix(".state.pt"))["iteration"] == 4
    assert train("digits-cppn-vaegan", mnist, parts, "--iterations", "5", "--resume") == 0
    one, other = load_file(whole), load_file(parts)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values, err_msg=name)


def test_a_resumed_run_keeps_its_length_unless_another_is_given(mnist: Path, tmp_path: Path) -> None:
    out, state = tmp_path / "reader.safetensors", tmp_path / "reader.state.pt"
    assert train("digits-reader", mnist, out, "--iterations", "2") == 0
    run_state.save(state, run_state.load(state) | {"plans": [{"from": 0, "iterations": 3}]})
    assert train("digits-reader", mnist, out, "--resume") == 0
    assert run_state.load(state)["iteration"] == 3
    assert train("digits-reader", mnist, out, "--resume", "--iterations", "4") == 0
    assert run_state.load(state)["plans"] == [{"from": 0, "iterations": 3}, {"from": 3, "iterations": 4}]


def test_a_run_that_goes_on_from_another_has_its_network_and_says_so(
    mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, sharper = tmp_path / "plain.safetensors", tmp_path / "sharper.safetensors"
    assert train("digits-cppn-l2", mnist, plain, "--iterations", "3") == 0
    began = ("--start", str(plain.with_suffix(".state.pt")))
    assert train("digits-cppn-vaegan", mnist, sharper, "--iterations", "1", *began) == 0
    before, after = load_file(plain), load_file(sharper)
    assert max(float(np.abs(after[name] - before[name]).max()) for name in before) < 0.01
    assert train("digits-cppn-vaegan", mnist, sharper, "--iterations", "2", "--resume") == 0
    start = json.loads(sharper.with_suffix(".json").read_text())["recipe"]["start"]
    assert start["recipe"] == "digits-cppn-l2" and start["iterations"] == 3
    assert train("digits-reader", mnist, tmp_path / "other.safetensors", "--iterations", "1", *began) == 2
    assert "encoders differ" in capsys.readouterr().err


def test_a_cppn_takes_over_the_encoder_of_another_decoder_and_leaves_it_alone_at_first(
    mnist: Path, tmp_path: Path
) -> None:
    vaegan, cppn = tmp_path / "vaegan.safetensors", tmp_path / "cppn.safetensors"
    assert train("digits-vaegan", mnist, vaegan, "--iterations", "2") == 0
    start = str(vaegan.with_suffix(".state.pt"))
    assert train("digits-cppn-vaegan", mnist, cppn, "--iterations", "2", "--start", start) == 0
    before, after = load_file(vaegan), load_file(cppn)
    for name in (name for name in before if name.startswith("encoder.")):
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)


def test_states_of_earlier_versions_are_resumed(mnist: Path, tmp_path: Path) -> None:
    recipe, (digits, _) = find("digits-vaegan"), load(mnist)
    whole = DigitTrainer(recipe, digits, torch.device("cpu"))
    whole.step(0.9)
    old = in_earlier_layout(copy.deepcopy(whole.state()))
    assert {"critic", "judge", "average", "updates"} <= set(old)  # words: ok
    run_state.save(tmp_path / "old.pt", old)
    resumed = DigitTrainer(recipe, digits, torch.device("cpu"), seed=3)
    resumed.restore(run_state.load(tmp_path / "old.pt", recipe.name))
    assert whole.step(0.95) == resumed.step(0.95)


def test_a_state_of_a_network_of_other_sizes_is_refused_with_a_sentence(mnist: Path, tmp_path: Path) -> None:
    recipe, (digits, _) = find("digits-vaegan"), load(mnist)
    smaller = replace(recipe, build=partial(networks.vaegan, latent=32, encoder=24, decoder=24))
    state = DigitTrainer(smaller, digits, torch.device("cpu")).state()
    with pytest.raises(BadInput, match="holds another network"):
        DigitTrainer(recipe, digits, torch.device("cpu")).restore(state)


def test_digits_need_no_data_but_a_file_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits-vaegan"]) == 2
    assert capsys.readouterr().err == "train digits-vaegan needs --out.\n"


@pytest.mark.parametrize("recipe", ["digits-vaegan", "digits-reader"])
def test_each_recipe_learns_and_writes_its_card(recipe: str, mnist: Path, tmp_path: Path) -> None:
    out = tmp_path / f"{recipe}.safetensors"
    assert train(recipe, mnist, out, "--iterations", "8") == 0
    card = json.loads(out.with_suffix(".json").read_text())
    losses = card["curves"]["loss"]
    assert card["iterations"] == 8 and card["recipe"]["name"] == recipe and card["bytes"] < 1_000_000
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    assert card["data"]["licence"] == "ours" and "test" in card["scores"]


def test_an_unknown_recipe_is_named_with_the_known_ones(
    mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("digits-nothing", mnist, tmp_path / "x.safetensors") == 2
    assert "digits-nothing" in capsys.readouterr().err


def test_another_file_type_is_refused(mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("digits-reader", mnist, tmp_path / "weights.bin", "--iterations", "1") == 2
    assert ".safetensors" in capsys.readouterr().err


def test_a_failed_download_of_mnist_leaves_nothing_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that earlier versions left, with some of the files or none, count as no download."""
    images, labels = written_digits(6)
    fails = True

    def download(root: str, *, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for part in ("train", "t10k"):
            head = np.array([6, 28, 28], ">u4").tobytes()
            (raw / f"{part}-images-idx3-ubyte").write_bytes(bytes((0, 0, 8, 3)) + head + images.tobytes())
            if fails:
                raise RuntimeError("no network")
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1)) + head[:4] + labels.tobytes())

    monkeypatch.setattr("torchvision.datasets.MNIST", download)
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SR_DEMO_SHARED_DATA", str(tmp_path))
    with pytest.raises(BadInput, match="no network"):
        mnist_here()
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "cache" / "mnist" / "MNIST" / "raw").mkdir(parents=True)
    assert data.test_digits.__wrapped__() is None
    fails = False
    assert [len(digits) for digits in load(mnist_here())] == [6, 6]
    assert len(data.test_digits.__wrapped__() or ()) == 6
