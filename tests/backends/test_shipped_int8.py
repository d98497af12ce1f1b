"""What lies in `weights/int8/`: small, complete, for checkpoints of the catalogue, and close enough to fp32."""

from __future__ import annotations

from pathlib import Path

import pytest

from sr_demo.backends import shipped_int8
from sr_demo.backends.shipped_int8 import SetScore
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import WeightFile
from sr_demo.export import int8_forms
from sr_demo.spec import Approach
from sr_demo.system.storage import sha256_of

CARDS = sorted(shipped_int8.FOLDER.glob("*.json"))


def _forms(file: WeightFile) -> set[str]:
    """The sha256 of everything that may lie in the place of a weight file."""
    return {file.sha256, *(source.sha256 for source in file.sources if not isinstance(source, str))}


def _owner(form: shipped_int8.ShippedInt8) -> Approach | None:
    for approach in APPROACHES:
        for checkpoint in approach.checkpoints:
            files = checkpoint.files
            if len(files) == len(form.weights) and all(
                sha256 in _forms(file) for sha256, file in zip(form.weights, files, strict=True)
            ):
                return approach
    return None


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_each_int8_form_belongs_to_a_checkpoint_and_costs_next_to_nothing(path: Path) -> None:
    form = shipped_int8.read_card(path)
    owner = _owner(form)
    assert owner is not None, "its weights are in the catalogue"
    assert form.is_good(owner.family) and {"Set5", "Set14"} <= set(form.scores)
    assert sha256_of(path.with_name(form.file)) == form.sha256
    assert 0 < form.kept < form.of


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_the_table_in_the_docs_has_what_the_card_has(path: Path) -> None:
    page = shipped_int8.FOLDER.parents[1] / "docs" / "performance.md"
    assert int8_forms.table_row(shipped_int8.read_card(path)) in page.read_text(encoding="utf-8").splitlines()


def test_all_int8_forms_together_are_small_and_each_file_has_its_card() -> None:
    files = [*shipped_int8.FOLDER.iterdir()]
    assert CARDS and {file.stem for file in files} == {path.stem for path in CARDS}
    assert sum(file.stat().st_size for file in files) < 7e6


@pytest.mark.parametrize(
    ("family", "loss", "agreement", "good"),
    [
        ("convolutional", 0.019, 30.0, True),
        ("convolutional", 0.021, 60.0, False),
        ("adversarial", 0.049, 45.0, True),
        ("adversarial", 0.051, 60.0, False),
        ("adversarial", -0.051, 60.0, False),
        ("adversarial", 0.0, 44.9, False),
    ],
)
def test_the_worse_test_set_decides_whether_a_network_is_good_in_int8(
    family: str, loss: float, agreement: float, good: bool
) -> None:
    fine, worse = SetScore(30.0, 30.0, 60.0, 60.0), SetScore(30.0, 30.0 - loss, agreement, 20.0)
    for scores in ({"Set5": fine, "Set14": worse}, {"Set5": worse, "Set14": fine}):
        form = shipped_int8.ShippedInt8(("0" * 64,), "x.zip", "0" * 64, 0, 2, 9, 50.0, scores)
        assert form.is_good(family) is good and form.loss_db == pytest.approx(max(loss, 0))


def test_a_card_that_cannot_be_read_is_left_out_and_the_app_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = CARDS[0]
    (tmp_path / "good.json").write_bytes(good.read_bytes())
    (tmp_path / "bad.json").write_text('{"scores": {"Set5": {"fp32": 1}}}')
    (tmp_path / "worse.json").write_text("[]")
    monkeypatch.setattr(shipped_int8, "FOLDER", tmp_path)
    weights = shipped_int8.read_card(good).weights
    found = [
        shipped_int8.of(checkpoint)
        for approach in APPROACHES
        for checkpoint in approach.checkpoints
        if tuple(file.sha256 for file in checkpoint.files) == weights
    ]
    assert found == [shipped_int8.read_card(good)]
