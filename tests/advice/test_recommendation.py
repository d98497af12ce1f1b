"""The recommendation: the rule for each kind of photo, never more certain than what it rests on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sr_demo.advice import sentences
from sr_demo.advice.estimates import Certainty, Estimate, PhotoEstimates
from sr_demo.advice.recommendation import recommend, record
from sr_demo.advice.rules import RULES
from sr_demo.catalogue import APPROACHES
from sr_demo.cli.main import main
from sr_demo.hub import checkpoints
from sr_demo.image import Size, write_png
from sr_demo.inference.jobs import Job
from tests.conftest import image_of, noise

LIKELY, UNSURE = Certainty.LIKELY, Certainty.UNSURE
CLEAN = PhotoEstimates(
    Size(600, 800), Estimate(None, LIKELY), Estimate(1.0, LIKELY), Estimate(1.0, LIKELY), Estimate(None, UNSURE),
    Estimate(False, LIKELY), Estimate(0, LIKELY), Estimate(0, LIKELY),
)  # fmt: skip
JOBS = [Job(a, c, a.options()) for a in APPROACHES if not a.large for c in a.checkpoints]
EMBEDDED = [job for job in JOBS if job.checkpoint.kind in ("none", "embedded")]
CASES = {
    "clean": CLEAN,
    "jpeg": replace(CLEAN, jpeg_quality=Estimate(40, Certainty.SURE)),
    "noise": replace(CLEAN, noise=Estimate(12.0, LIKELY)),
    "soft": replace(CLEAN, detail_end=Estimate(0.4, LIKELY)),
    "letters": replace(CLEAN, letters=Estimate(90, LIKELY), jpeg_quality=Estimate(40, LIKELY)),
    "drawing": replace(CLEAN, drawing=Estimate(True, LIKELY)),
}


@pytest.fixture
def all_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "is_available", lambda _: True)


@pytest.mark.parametrize("rule", CASES)
def test_each_kind_of_photo_has_its_rule(rule: str, all_stored: None) -> None:
    found = recommend(CASES[rule], JOBS)
    assert found is not None and found.rule.id == rule
    assert found.looks.full_name == found.rule.looks[0]
    assert not found.measuring.approach.invents_with(found.measuring.checkpoint)


def test_rules_name_checkpoints_of_the_catalogue() -> None:
    known = {job.full_name for job in JOBS}
    assert {name for rule in RULES for name in (*rule.looks, *rule.measuring)} <= known
    assert RULES[-1].when(CLEAN)


def test_only_what_is_offered_and_stored_is_recommended() -> None:
    for estimates in CASES.values():
        found = recommend(estimates, JOBS)
        assert found is not None and all(checkpoints.is_available(job.checkpoint) for job in found.jobs)
        found = recommend(estimates, EMBEDDED[:1])
        assert found is not None and found.looks is found.measuring is EMBEDDED[0]
    assert recommend(CLEAN, []) is None


@pytest.mark.parametrize("unsure", ["jpeg_quality", "noise", "detail_end"])
def test_a_recommendation_is_as_certain_as_the_least_certain_estimate(unsure: str) -> None:
    found = recommend(CLEAN, JOBS)
    assert found is not None and found.certainty is LIKELY
    guessed = replace(CLEAN, **{unsure: replace(getattr(CLEAN, unsure), certainty=UNSURE)})
    found = recommend(guessed, JOBS)
    assert found is not None and found.certainty is UNSURE
    assert "A may look best" in sentences.lines(found, "A", "B")[0]


def test_what_may_be_texture_is_no_reason_to_remove_noise() -> None:
    found = recommend(replace(CLEAN, noise=Estimate(14.0, UNSURE)), JOBS)
    assert found is not None and found.rule.id == "clean"


def test_sentences_name_the_photo_the_methods_and_what_to_watch_for() -> None:
    photo = replace(
        CLEAN,
        size=Size(200, 300),
        jpeg_quality=Estimate(40, LIKELY),
        faces=Estimate(1, LIKELY),
        letters=Estimate(3, LIKELY),
    )
    found = recommend(photo, EMBEDDED)
    assert found is not None and found.notes == ("faces",)
    assert sentences.lines(found, "A", "B") == [
        "For this photo (small, JPEG of about quality 40, a face): A should look best; B if you will measure in it.",
        found.rule.reason,
        "Faces may change: compare them with your photo.",
        "Estimated from the photo, before any method has run: JPEG quality about 40, by its pixels; noise of about 1 of 255 "
        "levels; detail up to 100 % of what its pixels could hold.",
    ]
    faithful = recommend(replace(photo, jpeg_quality=Estimate(None, LIKELY)), EMBEDDED)
    assert faithful is not None and faithful.notes == ()
    assert (
        sentences.lines(faithful, "A", "A")[0]
        == "For this photo (small, a face): A should look best, and you can measure in it."
    )


def test_the_ends_of_detail_and_signal_are_fractions_in_json_and_percents_in_sentences() -> None:
    photo = replace(CLEAN, detail_end=Estimate(0.406, LIKELY), signal_end=Estimate(0.394, LIKELY))
    found = recommend(photo, EMBEDDED)
    assert found is not None
    estimates = record(found)["estimates"]
    assert (estimates["detail_end"]["value"], estimates["signal_end"]["value"]) == (0.406, 0.394)
    facts = sentences.lines(found, "A", "B")[-1]
    assert "detail up to 41 % of" in facts and "39 %" in facts


def test_the_command_prints_sentences_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photo.png"
    write_png(image_of(noise(80, 96)), path)
    assert main(["advise", str(path)]) == 0
    assert capsys.readouterr().out.startswith("For this photo (small")
    assert main(["advise", str(path), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["width"] == 96 and written["looks"] in {job.full_name for job in JOBS}
    named = {"jpeg_quality", "noise", "detail_end", "signal_end", "drawing", "letters", "faces"}
    assert set(written["estimates"]) == named
    assert main(["advise", str(tmp_path / "absent.png")]) == 2
    assert "absent.png" in capsys.readouterr().err
