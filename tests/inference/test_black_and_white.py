"""Black and white in even areas are kept exactly, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import resize
from sr_demo.inference.black_and_white import keep_black_and_white
from sr_demo.inference.runner import Runner
from sr_demo.progress import Progress
from sr_demo.system import large_array
from tests import fakes
from tests.conftest import image_of, noise
from tests.inference.test_runner import job, upscaled


def with_areas() -> Image:
    """Noise between black and white, with an area of each; one at a corner, one inside, one too small to count."""
    image = 0.2 + 0.6 * noise(40, 36)
    image[:12, :10] = 1
    image[20:32, 15:30, 1] = 0
    image[35:39, 2:6] = 1
    return readonly(image)


@pytest.mark.parametrize("size", [(160, 144), (100, 90), (101, 77)], ids=["x4", "x2.5", "uneven"])
def test_what_bicubic_reads_from_one_value_is_kept_and_the_rest_is_as_it_was(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_array, "BAND", 4000)  # several bands, with areas across their borders
    image = with_areas()
    result = readonly(np.full((*size, 3), 0.5, np.float32))
    kept = keep_black_and_white(result.copy(), image)
    changed = kept != 0.5
    assert not kept.flags.writeable
    assert set(np.unique(kept)) == {0, 0.5, 1}
    np.testing.assert_array_equal(kept[changed], resize(image, size)[changed])
    share = np.array(size) / image.shape[:2]
    corner = (share * (9, 7)).astype(int)
    assert (kept[: corner[0], : corner[1]] == 1).all(), "up to the border of the image"
    assert (kept[int(33 * share[0]) :] == 0.5).all(), "four pixels are less than the kernel reads"
    inside = kept[int(23 * share[0]) : int(28 * share[0]), int(18 * share[1]) : int(26 * share[1])]
    assert (inside[..., 1] == 0).all() and (inside[..., [0, 2]] == 0.5).all(), "each channel for itself"


def test_memory_of_another_library_is_copied_first() -> None:
    image = readonly(np.ones((8, 8, 3), np.float32))
    foreign = np.frombuffer(np.full((32, 32, 3), 0.5, np.float32).tobytes(), np.float32).reshape(32, 32, 3)
    assert (keep_black_and_white(foreign, image) == 1).all()
    assert (foreign == 0.5).all()


@pytest.mark.parametrize("invents", [False, True])
def test_methods_that_invent_detail_are_left_as_they_are(invents: bool) -> None:
    def work(image: Image, progress: Progress) -> Image:
        return readonly(upscaled(image) * np.float32(0.99))

    result = Runner().run(
        job(fakes.approach(fakes.Fake(work), invents=invents)), image_of(np.ones((8, 8, 3), np.float32))
    )
    assert (result.image.rgb == (np.float32(0.99) if invents else 1)).all()
