"""How near a network comes to the one that it imitates."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.image import readonly, write_png
from sr_demo.inference.jobs import job_for
from sr_demo.training import imitation
from sr_demo.training.imitation import compare_with_teacher, gradient, lattice
from tests.conftest import image_of, noise


def test_a_pattern_of_four_pixels_stands_out_and_noise_has_none() -> None:
    plain = np.random.default_rng(0).random((160, 160, 3), np.float32)
    pattern = plain.copy()
    pattern[:, ::4] += 0.5
    assert lattice([readonly(plain)]) < 1.1
    across, down = (lattice([readonly(one)]) for one in (pattern, pattern.transpose(1, 0, 2).copy()))
    assert across == pytest.approx(down)
    assert across > 1.5


def test_the_gradient_is_the_mean_step_between_neighbours() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 11, dtype=np.float32)[None, :, None], (11, 11, 3))
    assert gradient(readonly(ramp.copy())) == pytest.approx(0.05)


def test_the_imitated_method_is_as_near_to_itself_as_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imitation, "SIDE", 128)
    monkeypatch.setattr(imitation, "SEEDS", (0,))
    write_png(image_of(noise(130, 140)), tmp_path / "photo.png")
    teacher, student = (job_for(APPROACHES, name) for name in ("lanczos", "bicubic"))
    (first, same), (second, other) = compare_with_teacher(tmp_path, teacher, [student, teacher])
    assert (first.key, second.key) == ("lanczos", "bicubic")
    assert (same.psnr, same.gradient) == (inf, 1)
    assert 20 < other.psnr < 60 and other.gradient < 1, "bicubic is softer"


def test_photos_that_are_too_small_are_named(tmp_path: Path) -> None:
    write_png(image_of(noise(100, 100)), tmp_path / "photo.png")
    with pytest.raises(BadInput, match="sides of 480 pixels"):
        list(compare_with_teacher(tmp_path, job_for(APPROACHES, "lanczos"), []))
