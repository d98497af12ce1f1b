"""Training images: aligned patches, and one clear sentence for whatever is wrong with a folder."""

import numpy as np
import pytest
from PIL import Image

from sr_demo.approaches.mosaic.photos import read_photo
from sr_demo.errors import BadInput
from sr_demo.image import quantize, read
from sr_demo.training.data import centre_crops, downscale_8bit, load_folder, read_rgb, sample


def write(folder, name, height, width, seed=0):
    rng = np.random.default_rng(seed)
    lr = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    Image.fromarray(lr).resize((width, height), Image.Resampling.BICUBIC).save(folder / name)


def test_pairs_are_cropped_to_the_scale_and_matched(tmp_path):
    write(tmp_path, "a.png", 67, 50)
    pairs = load_folder(tmp_path, scale=4, smallest=8)
    assert pairs.names == ("a.png",)
    assert pairs.hr[0].shape == (64, 48, 3)
    assert pairs.lr[0].shape == (16, 12, 3)
    np.testing.assert_array_equal(pairs.lr[0], downscale_8bit(pairs.hr[0], 4))


@pytest.mark.parametrize("reader", [read_rgb, lambda path: read_photo(path).pixels], ids=["training", "mosaic"])
def test_files_are_read_as_everywhere_else(tmp_path, reader):
    """16 bits are not clipped, photos are upright, and the colours of invisible pixels are not learned."""
    deep, turned, clear = (tmp_path / name for name in ("deep.png", "turned.jpg", "clear.png"))
    Image.fromarray(np.full((64, 48), 128 * 257, np.uint16)).save(deep)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 64)).save(turned, exif=exif)
    pixels = np.full((64, 48, 4), (0, 0, 255, 255), np.uint8)
    pixels[:32] = (255, 0, 0, 0)
    Image.fromarray(pixels).save(clear)
    assert (reader(deep) == 128).all()
    assert reader(turned).shape == (48, 64, 3)
    assert (reader(clear) == (0, 0, 255)).all()
    for path in (deep, turned, clear):
        np.testing.assert_array_equal(reader(path), quantize(read(path).rgb))


def test_unusable_images_are_skipped_reported_and_counted(tmp_path):
    write(tmp_path, "good.png", 64, 64)
    write(tmp_path, "tiny.png", 16, 16)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:100])
    (tmp_path / "notes.txt").write_text("ignored")
    reported = []
    pairs = load_folder(tmp_path, scale=4, smallest=8, report=reported.append)
    assert pairs.names == ("good.png",)
    assert len(pairs.skipped) == len(reported) == 3
    for name, sentence in zip(("broken.jpg", "cut.png", "tiny.png"), pairs.skipped, strict=True):
        assert sentence.startswith(name)


@pytest.mark.parametrize("case", ["missing", "empty", "nothing usable"])
def test_a_folder_without_usable_images_is_reported_in_one_sentence(tmp_path, case):
    folder = tmp_path / "photos"
    if case != "missing":
        folder.mkdir()
    if case == "nothing usable":
        write(folder, "tiny.png", 8, 8)
    with pytest.raises(BadInput) as caught:
        load_folder(folder, scale=4, smallest=8, report=lambda _: None)
    assert "photos" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_patches_are_aligned_through_flips_and_turns(tmp_path):
    """With nearest-neighbour upscaling every HR pixel must equal the LR pixel it belongs to."""
    write(tmp_path, "a.png", 64, 96)
    pairs = load_folder(tmp_path, scale=4, smallest=8)
    object.__setattr__(pairs, "hr", tuple(lr.repeat(4, 0).repeat(4, 1) for lr in pairs.lr))
    lr, hr = sample(pairs, 32, 8, 4, np.random.default_rng(0))
    assert lr.shape == (32, 8, 8, 3)
    np.testing.assert_array_equal(lr.repeat(4, 1).repeat(4, 2), hr)
    lr, hr = centre_crops(pairs, 8, 4)
    np.testing.assert_array_equal(lr.repeat(4, 1).repeat(4, 2), hr)


def test_all_eight_orientations_occur(tmp_path):
    write(tmp_path, "a.png", 32, 32)
    pairs = load_folder(tmp_path, scale=4, smallest=8)
    lr, _ = sample(pairs, 200, 8, 4, np.random.default_rng(1))
    assert len({patch.tobytes() for patch in lr}) == 8


def test_the_same_stream_gives_the_same_patches(tmp_path):
    write(tmp_path, "a.png", 64, 64)
    pairs = load_folder(tmp_path, scale=4, smallest=8)
    one, other = (sample(pairs, 4, 8, 4, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
