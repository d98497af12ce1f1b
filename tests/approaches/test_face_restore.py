"""Face restoration with the real class of GFPGAN at tiny size and random weights, and with functions in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_demo.approaches import face_restore
from sr_demo.approaches.face_restore import APPROACH, NO_FACE, NOT_THE_PERSON, FaceRestoreOptions, FaceRestorer
from sr_demo.backends import embedded
from sr_demo.checkpoint import Checkpoint
from sr_demo.errors import WeightsUnavailable
from sr_demo.faces import detection
from sr_demo.faces.detection import Face
from sr_demo.hub import checkpoints, fetching
from sr_demo.image import Image, ImageData, readonly
from sr_demo.imaging.resize import resize
from sr_demo.inference.faithful import can_limit_face_detail
from sr_demo.inference.jobs import ImageResult, Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.inference.weights import WeightResolver
from sr_demo.progress import SILENT
from sr_demo.reports.saved_image import save_result
from sr_demo.reports.table import record
from sr_demo.spec import Request, Upscaler
from sr_demo.ui import method_choices
from tests.conftest import image_of, noise
from tests.faces.test_alignment import face_at


def red(face: Image) -> Image:
    """Narrow stripes in red: what colour matching must take back, and what it must not."""
    made = face * np.float32(0.8)
    made[..., 0] += np.float32(0.2)
    bright = np.arange(512) // 16 % 2 == 0
    made[bright] += np.float32(0.1)
    made[~bright] -= np.float32(0.1)
    return readonly(np.clip(made, 0, 1))


def gentle(image: Image) -> Image:
    return readonly(image * np.float32(0.5) + np.float32(0.25))


def unrestored(face: Image) -> Image:
    return face


def approach_with(restore: Callable[[Image], Image]) -> Job:
    """The approach without its file: `restore` in place of the network, bicubic for everything else."""

    def load(request: Request) -> Upscaler:
        return FaceRestorer(restore, None)

    made = replace(
        APPROACH,
        load=load,
        checkpoints=(Checkpoint("default", "made for tests"),),
        preferred=(),
        fetch=None,
    )
    return job_for([made], "face-restore")


PHOTO = image_of(gentle(resize(noise(12, 16), (96, 128))))
"""Away from black and white, so that nothing is clipped."""


def found(monkeypatch: pytest.MonkeyPatch, *faces: Face) -> None:
    def detect(image: Image) -> tuple[Face, ...]:
        return faces if image.shape == PHOTO.rgb.shape else ()  # not again in views of a face

    monkeypatch.setattr(detection, "detect", detect)


def run(job: Job, photo: ImageData = PHOTO) -> ImageResult:
    return Runner().run(job, photo)


@pytest.mark.parametrize("count", [1, 40])
def test_faces_change_and_everything_else_is_the_background(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    places = [(12 + 14 * (i % 8), 12 + 17 * (i // 8)) for i in range(40)] if count == 40 else [(60, 40)]
    found(monkeypatch, *(face_at(x, y, 16 if count == 40 else 50, 7 * i) for i, (x, y) in enumerate(places)))
    made, plain = run(approach_with(red)), resize(PHOTO.rgb, (384, 512))
    changed = np.abs(made.rgb - plain).max(axis=2)
    assert all(changed[4 * y - 6 : 4 * y + 6, 4 * x - 6 : 4 * x + 6].max() > 0.05 for x, y in places)
    assert changed[:, -4:].max() == 0 and (changed == 0).mean() > 0.2
    assert made.remarks == (f"{count} face{'' if count == 1 else 's'} drawn anew", NOT_THE_PERSON)


def test_the_colours_of_a_face_stay_those_of_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, face_at(60, 40, 70))
    made, plain = run(approach_with(red)), resize(PHOTO.rgb, (384, 512))
    shift = np.abs((made.rgb - plain)[120:200, 200:280].mean(axis=(0, 1)))
    assert shift.max() < 1 / 255


def test_the_strength_is_that_of_the_faces_and_at_0_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, face_at(60, 40, 50))
    job, plain = approach_with(red), resize(PHOTO.rgb, (384, 512))
    whole, half, none = (run(replace(job, options=FaceRestoreOptions(strength=share))) for share in (1, 0.5, 0))
    np.testing.assert_allclose(half.rgb - plain, (whole.rgb - plain) / 2, atol=2e-3)
    np.testing.assert_array_equal(none.rgb, plain)
    assert half.remarks == whole.remarks and none.remarks == ()


def test_without_a_face_the_background_comes_with_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found(monkeypatch)
    made = run(approach_with(red))
    np.testing.assert_array_equal(made.rgb, resize(PHOTO.rgb, (384, 512)))
    assert record(made)["notes"] == [NO_FACE] and NO_FACE in save_result(made, tmp_path).note


def test_the_remark_stands_wherever_notes_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found(monkeypatch, face_at(60, 40, 50))
    made = run(approach_with(red))
    assert NOT_THE_PERSON in record(made)["notes"] and NOT_THE_PERSON in made.without_image().all_notes
    assert NOT_THE_PERSON in save_result(made, tmp_path).note
    assert NOT_THE_PERSON in APPROACH.summary


def tiny() -> torch.nn.Module:
    from spandrel.architectures.GFPGAN import GFPGAN

    torch.manual_seed(0)
    # `narrow` is declared as int.
    return GFPGAN(num_style_feat=8, channel_multiplier=1, narrow=1 / 8, num_mlp=1).eval()  # pyright: ignore[reportArgumentType]


def test_the_real_network_draws_the_same_face_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, face_at(60, 40, 50))
    restore = face_restore.restorer(tiny())
    background = embedded.load(
        Request(
            face_restore.BACKGROUND, checkpoints.fetch(face_restore.BACKGROUND), FaceRestoreOptions(), "fp32", SILENT
        )
    )
    restorer = FaceRestorer(restore, background)
    options = FaceRestoreOptions()
    one, other = (restorer.upscale(PHOTO.rgb, options, SILENT) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (384, 512, 3) and one.dtype == np.float32 and np.isfinite(one).all()
    plain = FaceRestorer(unrestored, background).upscale(PHOTO.rgb, FaceRestoreOptions(strength=0), SILENT)
    assert np.abs(one - plain).max() > 0.01 and np.abs(one - plain)[:, -20:].max() == 0


def test_the_network_is_given_and_gives_values_from_minus_1_to_1() -> None:
    seen: list[torch.Tensor] = []

    def network(given: torch.Tensor, **named: object) -> tuple[torch.Tensor, list[object]]:
        seen.append(given)
        assert named == {"return_rgb": False, "randomize_noise": False}
        return given, []

    face = readonly(np.random.default_rng(0).random((512, 512, 3), np.float32))
    np.testing.assert_allclose(face_restore.restorer(network)(face), face, atol=1e-6)
    assert seen[0].min() < -0.99 and seen[0].max() > 0.99


def test_without_the_detector_one_sentence_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    assert APPROACH.fetch is not None
    with pytest.raises(WeightsUnavailable, match=r"YuNet .* is not here: run `python -m sr_demo fetch faces`"):
        APPROACH.fetch(SILENT)


def test_the_network_is_fetched_only_where_the_person_agreed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    job = job_for([APPROACH], "face-restore")
    with pytest.raises(WeightsUnavailable, match="about 349 MB must be downloaded first, and nothing that large"):
        WeightResolver().resolve(job, SILENT)
    assert method_choices.downloads([APPROACH]) == "Face restoration about 349 MB"
    assert not [one for one in fetching.everything([APPROACH]) if one.owner == "face-restore"]
    assert fetching.by_name([APPROACH], "face-restore").checkpoint is APPROACH.checkpoint()


def test_it_is_neither_ticked_nor_recommended() -> None:
    at_once, _ = method_choices.offered([APPROACH])
    assert not at_once and not APPROACH.preselected and not APPROACH.checkpoint().recommended
    assert not can_limit_face_detail(job_for([APPROACH], "face-restore")), "it is there to draw faces"
