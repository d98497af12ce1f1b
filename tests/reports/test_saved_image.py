"""Images of a comparison on disk, and the copies that browsers get of very large ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from sr_demo.image import read, readonly
from sr_demo.reports import saved_image
from tests.conftest import image_of, noise

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_the_copy_of_a_large_image_has_its_colours_and_transparency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_image, "_MAX_SHOWN_PIXELS", 1000)
    alpha = readonly(np.linspace(0.2, 1, 60 * 80, dtype=np.float32).reshape(60, 80))
    image = replace(image_of(noise(60, 80)), alpha=alpha, icc=PROFILE, bits=16)
    saved = saved_image.save(image, tmp_path / "rdn.png", "RDN", "", "Result of RDN")
    assert saved.small_copy is not None and saved.shown == saved_image.shown_file(saved.path) != saved.path
    whole, copy = read(saved.path), read(saved.shown)
    assert copy.size.height * copy.size.width <= 1000 and whole.size == (60, 80)
    assert copy.icc == whole.icc == PROFILE and copy.bits == 8
    assert copy.alpha is not None and copy.alpha.mean() == pytest.approx(alpha.mean(), abs=0.01)
    assert copy.rgb.mean() == pytest.approx(whole.rgb.mean(), abs=0.01)


def test_what_a_browser_can_show_has_no_copy(tmp_path: Path) -> None:
    saved = saved_image.save(image_of(noise(60, 80)), tmp_path / "rdn.png", "RDN", "", "Result of RDN")
    assert saved.small_copy is None and saved.shown == saved.path
    assert [path.name for path in tmp_path.iterdir()] == ["rdn.png"]
