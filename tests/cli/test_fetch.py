"""`fetch`: which checkpoints names stand for, one line for each, and a failure that does not keep the others back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo import catalogue
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.cli.main import main
from sr_demo.errors import BadInput, WeightsUnavailable
from sr_demo.hub import checkpoints, fetching
from sr_demo.system import scratch
from sr_demo.system.unfinished import claimed
from tests import fakes


def published(name: str, *, recommended: bool = False) -> Checkpoint:
    file = WeightFile(f"{name}.pth", "0" * 64, 5_000_000, (f"a/b:{name}.pth",))
    return Checkpoint(name, name.title(), (file,), recommended=recommended)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A catalogue with three published checkpoints, one of which cannot be fetched; collects the others."""
    base = fakes.approach(fakes.Fake(lambda image, _: image))
    one = replace(base, checkpoints=(*base.checkpoints, published("good", recommended=True), published("more")),
                  preferred=("more",))  # fmt: skip
    other = replace(base, id="other", checkpoints=(published("bad", recommended=True),))
    monkeypatch.setattr(catalogue, "APPROACHES", (one, other))
    names: list[str] = []

    def fetch(checkpoint: Checkpoint, *_: object, **__: object) -> tuple[()]:
        if checkpoint.name == "bad":
            raise WeightsUnavailable("It is gone.")
        names.append(checkpoint.name)
        return ()

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    monkeypatch.setattr(checkpoints, "came_from", lambda _: ("a/b:file",))
    return names


def test_one_failure_is_one_line_and_the_rest_goes_on(fetched: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "other", "nothing", "fake:good", "fake:good"]) == 2
    said = capsys.readouterr()
    assert fetched == ["good"]
    assert said.err.splitlines() == [
        "sr_demo: There is no approach 'nothing'. There are: fake, other.", "sr_demo: other:bad: It is gone.",
    ]  # fmt: skip
    assert said.out.split() == ["fake:good", "fetched,", "5.0", "MB,", "from", "a/b:file"]


def test_wheels_lie_where_they_are_swept_once_the_command_is_killed(
    fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, bool]] = []

    def fetch(_: Checkpoint, *__: object, wheels: Path, **___: object) -> tuple[()]:
        (wheels / "big.whl").touch()
        with claimed(wheels) as is_gone:
            seen.append((wheels, is_gone is False))
        return ()

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    assert main(["fetch", "faces"]) == 0
    ((wheels, is_locked),) = seen
    assert is_locked and not wheels.exists()
    wheels.mkdir()  # as a kill leaves it: without a lock, and young
    assert scratch.sweep_cache(wheels.parent) == [wheels]


def test_a_name_alone_stands_for_the_preferred_checkpoint(fetched: list[str]) -> None:
    assert main(["fetch", "fake"]) == 0
    assert fetched == ["more"]


def test_recommended_and_all(fetched: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--recommended", "--json"]) == 2
    records = json.loads(capsys.readouterr().out)
    assert [(record["name"], record["status"], record["message"]) for record in records] == [
        ("fake:good", "fetched", ""), ("other:bad", "failed", "It is gone."),
        ("faces:yunet", "fetched", ""),
    ]  # fmt: skip
    assert main(["fetch", "--all"]) == 2
    assert fetched == ["good", "yunet", "good", "more", "yunet"]


def test_the_face_detector_is_fetched_by_name(fetched: list[str]) -> None:
    assert main(["fetch", "faces"]) == main(["fetch", "faces:yunet"]) == 0
    assert fetched == ["yunet", "yunet"]


def test_nothing_named_is_refused(fetched: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch"]) == 2
    assert "Say what to fetch" in capsys.readouterr().err


def test_what_is_embedded_is_not_fetched() -> None:
    with pytest.raises(BadInput, match="rdn:mse is not downloaded"):
        fetching.by_name(APPROACHES, "rdn")


def test_nothing_large_is_fetched_unless_it_is_named() -> None:
    assert all(not one.checkpoint.asks_first for one in fetching.everything(APPROACHES))
    assert fetching.by_name(APPROACHES, "sd-x4-upscaler").checkpoint.repositories


def test_the_recommended_set_stays_small() -> None:
    recommended = fetching.recommended(APPROACHES)
    assert {"real-esrgan:x4plus", "real-esrgan:general-x4v3", "real-esrgan:animevideo", "dat:x4"} <= {
        one.name for one in recommended
    }
    assert sum(one.checkpoint.bytes for one in recommended) < 150e6
