"""Finding copies: another size, another format, mirrored, cut out; and no false alarms among different images."""

import tracemalloc
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.datasets.duplicates import duplicates, features, find_crops, groups, leaks
from sr_demo.datasets.inspection import thumbnail
from sr_demo.image import quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.imaging.samples import SAMPLES

NAMES = ("cat", "coffee", "astronaut", "cells", "retina", "brick", "rocket", "hubble")


@pytest.fixture(scope="module")
def photos():
    made = [next(s for s in SAMPLES if s.id == name).make() for name in NAMES]
    return [resize(p, (p.shape[0] * 320 // max(p.shape[:2]), p.shape[1] * 320 // max(p.shape[:2]))) for p in made]


def jpeg(image, quality):
    file = BytesIO()
    Pillow.fromarray(quantize(image)).save(file, "JPEG", quality=quality)
    return readonly(np.asarray(np.asarray(Pillow.open(file)) / 255, np.float32))


def test_different_images_are_not_copies(photos):
    assert duplicates([thumbnail(p) for p in photos]) == []


def test_copies_are_found_and_named(photos):
    cat, coffee, astronaut = photos[:3]
    images = [*photos, cat, resize(jpeg(coffee, 30), (97, 131)), readonly(astronaut[:, ::-1].copy())]
    found = {(c.first, c.second): c.how for c in duplicates([thumbnail(p) for p in images])}
    assert found == {(0, 8): "the same picture", (1, 9): "nearly the same", (2, 10): "mirrored"}


def test_copies_of_copies_are_one_group(photos):
    thumbs = [thumbnail(p) for p in (photos[0], photos[1], photos[0], jpeg(photos[0], 40), photos[1])]
    assert groups(duplicates(thumbs)) == [(0, 2, 3), (1, 4)]


def test_flat_images_are_not_copies():
    flat = [readonly(np.full((40, 40, 3), v, np.float32)) for v in (0.2, 0.21, 0.9)]
    assert duplicates([thumbnail(p) for p in flat]) == []


def test_many_alike_images_take_little_memory_and_few_pairs(photos):
    """Frames of a camera that stands still, and blank patches."""
    rng = np.random.default_rng(0)
    still = [np.clip(thumbnail(photos[0]) + rng.integers(0, 3, (32, 32)), 0, 255).astype(np.uint8) for _ in range(400)]
    blank = [np.full((32, 32), 200, np.uint8)] * 400
    tracemalloc.start()
    found = duplicates([*still, *blank])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert groups(found) == [tuple(range(400))] and len(found) < 410
    assert peak < 250e6, "659 MB where all pairs are correlated at once"


def test_leaks_are_found_mirrored_or_compressed(photos):
    train = [thumbnail(p) for p in photos[:4]]
    test = [thumbnail(p) for p in (photos[5], jpeg(photos[2], 50), readonly(photos[1][:, ::-1].copy()))]
    assert [(c.first, c.second, c.how) for c in leaks(train, test)] == [
        (1, 2, "mirrored"), (2, 1, "nearly the same"),
    ]  # fmt: skip


def test_cut_outs_are_found_only_in_their_own_image(photos):
    astronaut, coffee = photos[2], photos[1]
    part = resize(readonly(np.ascontiguousarray(astronaut[40:220, 60:260])), (234, 260))
    found = find_crops([features(p) for p in (part, coffee, photos[0])], [features(p) for p in (photos[5], astronaut)])
    assert [(c.first, c.second) for c in found] == [(0, 1)]
    assert found[0].how == "part of it"
    assert find_crops([features(readonly(np.zeros((50, 50, 3), np.float32)))], [features(coffee)]) == []
