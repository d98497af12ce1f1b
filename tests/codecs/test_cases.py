"""Files from problems that were reported about such programs, each with the right outcome; and silence of libraries."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from sr_demo.codecs import decode
from sr_demo.errors import BadInput, SRError
from sr_demo.image import read
from tests.codecs.test_file_bombs import entries, png, tiff

RAW, LOST = "This is a camera raw file", "channels of a kind that is not read here"
REFUSED = {
    "DSC_0001.NEF": RAW, "DSC_0001.tif": RAW, "hyperstack16_truncated.tif": "This TIFF holds 4 images",
    "two_channel_contig8.tif": LOST, "two_channel_contig16.tif": LOST, "rgbnir16.tif": LOST, "five_band8.tif": LOST,
    "five_band16.tif": LOST, "._PHOTO.JPG": "is not a picture",
}  # fmt: skip
PROFILE, FRAMES = "carries them as a colour profile", "The first of 4 frames is used."
NOTED = {
    "fading_float.tif": "0 to 217 over all its pages", "dem_nodata.tif": "284 to 1068", "linear_gama8.png": PROFILE,
    "linear_gama16.png": PROFILE, "chrm.png": PROFILE, "anim.gif": FRAMES, "anim.webp": FRAMES, "deep.heic": "10 bits",
    "stack16.tif": "The first of 4 pages is used.", "cmyk.jpg": "approximate",
}  # fmt: skip
TRANSPARENT = ("twobit_trns.png", "onebit_trns.png", "dem_nodata.tif")
PLAIN = ["saved_by_edge.jfif", "scan.jpe", "photo.heif", "gray12.tif", "orient6.jpg", "halftone.png", "white.png"]


@pytest.mark.parametrize("name", sorted({*REFUSED, *NOTED, *PLAIN, *TRANSPARENT}))
def test_reported_cases_have_the_right_outcome(shared_data: Path, name: str) -> None:
    path = shared_data / "cases" / name
    if not path.exists():
        pytest.skip(f"there is no {path}")
    if path.suffix.lower() in (".heic", ".heif"):
        pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    if name in REFUSED:
        with pytest.raises(BadInput, match=REFUSED[name]):
            read(path)
        return
    image = read(path)
    assert any(NOTED[name] in note for note in image.notes) if name in NOTED else image.notes == ()
    assert (image.alpha is not None) == (name in TRANSPARENT)
    if name == "orient6.jpg":
        assert image.rgb.shape == (64, 48, 3) and image.metadata.dpi == (300, 300)
        assert image.metadata.exif is not None and b"2020:01:02 03:04:05" in image.metadata.exif


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EINVAL, None])
def test_only_what_is_wrong_with_a_file_makes_it_count_as_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """A seek to an offset in a damaged file fails with EINVAL, and Pillow's own errors have no number."""
    error = OSError("broken data") if number is None else OSError(number, os.strerror(number))

    def fail(*_: object) -> None:
        raise error

    (tmp_path / "a.png").write_bytes(png())
    monkeypatch.setattr(decode, "_from_pillow", fail)
    with pytest.raises(SRError) as raised:
        read(tmp_path / "a.png")
    damaged = number in (errno.EINVAL, None)
    assert isinstance(raised.value, BadInput) == damaged
    assert str(raised.value).startswith("a.png is damaged" if damaged else "a.png cannot be read: ")


CHILD = """
import sys
from sr_demo.errors import BadInput
from sr_demo.image import read
for path in sys.argv[1:]:
    try:
        read(path)
    except BadInput as exc:
        print(exc)
"""


def test_libraries_write_nothing_before_our_sentence(tmp_path: Path) -> None:
    huge = [
        (tag, kind, count, 2**31 if tag in (256, 257) else value) for tag, kind, count, value in entries(16, 1000, 96)
    ]
    made = {
        "short.tif": tiff(entries(16, 1000, 22, 5), data=bytes(22)),
        "huge.tif": tiff(huge),
        "tag.tif": tiff([*entries(8, 1000), (700, 1, 5000, 200)], data=bytes(48)),
        "deep.png": png(bits=16)[:60],
        "endless.png": png(bits=16)[:-12],
        "early.png": png(bits=16, packed=zlib.compress(bytes(17 * 3))),
        "cut.tif": tiff(entries(16, 1000, 96), data=np.arange(20, dtype=np.uint16).tobytes()),
        "lzw.tif": tiff(entries(8, 1000, 9, 5), data=b"\xff" * 9),
        "jpeg.tif": tiff(entries(8, 1000, 9, 7), data=b"\xff\xd8\xff" * 3),
    }
    paths: list[str] = []
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
        paths.append(str(tmp_path / name))
    shared = Path(os.environ.get("SR_DEMO_SHARED_DATA", Path(__file__).parents[2] / "../shared/data"))
    paths += [str(path) for path in sorted((shared / "hostile").glob("*")) if path.stat().st_size < 10**5]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) >= 4
