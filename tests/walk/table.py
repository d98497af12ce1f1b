"""The right behaviour of every file in `data/cases`, in `data/hostile`, and of those that `make_hostile.py` makes.

Data, not code: what a file must become is written down here, how that is checked in `verdict.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["picture", "sentence", "either"]
Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Case:
    """What becomes of one file."""

    folder: Literal["cases", "hostile", "made"]
    name: str
    outcome: Outcome
    size: Size | None = None
    """Size of the file's image; None where any size is right."""
    said: str = ""
    """A pattern that occurs in what is said beside the picture: on the page, in the report, the manifest, the output."""
    holds: tuple[str, ...] = ()
    """Properties of the result, by name: see `verdict.PROPERTIES`."""
    never: str = ""
    """A pattern that must not occur in the sentence, since it would be untrue."""
    pages: int = 1
    """Results that a batch makes of it."""


_SMALL = (64, 48)
_EXTENSIONS = ("png", "jpg", "tif", "webp", "gif", "bmp", "heic", "avif")
_FRAMES, _PAGES = r"first of \d+ frames", r"first of 4 pages"


def _made(outcome: Outcome, names: str, size: Size | None = _SMALL) -> list[Case]:
    return [Case("made", name, outcome, size) for name in names.split()]


CASES: tuple[Case, ...] = (
    Case("cases", "._PHOTO.JPG", "sentence"),
    Case("cases", "DSC_0001.NEF", "sentence"),
    Case("cases", "DSC_0001.tif", "sentence"),
    Case("cases", "README.md", "sentence"),
    Case("cases", "names-and-environments.sh", "sentence"),
    Case("cases", "mac.zip", "sentence"),
    Case("cases", "anim.gif", "picture", _SMALL, said=_FRAMES),
    Case("cases", "anim.webp", "picture", _SMALL, said=_FRAMES),
    Case("cases", "stack16.tif", "picture", _SMALL, said=_PAGES, holds=("16 bit",), pages=4),
    Case("cases", "hyperstack16_truncated.tif", "either", _SMALL, said=r"first of 4 (pages|planes)", pages=4),
    Case("cases", "fading_float.tif", "picture", _SMALL, said=_PAGES, holds=("16 bit",), pages=4),
    Case("cases", "cmyk.jpg", "picture", _SMALL, said="CMYK"),
    Case("cases", "deep.heic", "picture", (64, 16), said=r"\b10.bit"),
    Case("cases", "chrm.png", "picture", _SMALL, holds=("cHRM, iCCP or said",)),
    Case("cases", "linear_gama8.png", "picture", _SMALL, holds=("gAMA, iCCP or said",)),
    Case("cases", "linear_gama16.png", "picture", _SMALL, holds=("16 bit", "gAMA, iCCP or said")),
    Case("cases", "dem_nodata.tif", "picture", _SMALL, holds=("16 bit", "wide range")),
    Case("cases", "two_channel_contig8.tif", "either", _SMALL, never="damaged"),
    Case("cases", "two_channel_contig16.tif", "either", _SMALL, said=r"\bchannel"),
    Case("cases", "rgbnir16.tif", "either", _SMALL, said=r"\bchannel"),
    Case("cases", "gray12.tif", "either", _SMALL, never="damaged"),
    Case("cases", "five_band8.tif", "either", _SMALL, never="damaged"),
    Case("cases", "five_band16.tif", "either", _SMALL, never="damaged"),
    Case("cases", "onebit_trns.png", "picture", (16, 16), holds=("partly transparent",)),
    Case("cases", "twobit_trns.png", "picture", (16, 16), holds=("partly transparent",)),
    Case("cases", "orient6.jpg", "picture", (48, 64), holds=("300 dpi",)),
    Case("cases", "halftone.png", "picture", (64, 64), holds=("gray",)),
    Case("cases", "white.png", "picture", (40, 40), holds=("white",)),
    Case("cases", "photo.heif", "picture", _SMALL),
    Case("cases", "saved_by_edge.jfif", "picture", _SMALL),
    Case("cases", "scan.jpe", "picture", _SMALL),
    Case("hostile", "bits16_short.tif", "either", _SMALL),
    Case("hostile", "bomb_9999.png", "sentence"),
    Case("hostile", "g16_bad.png", "either", _SMALL),
    Case("hostile", "huge_dims16.tif", "sentence"),
    Case("hostile", "ifd_loop.tif", "either", _SMALL),
    Case("hostile", "tag_count.tif", "either", _SMALL),
)

MADE: tuple[Case, ...] = (
    *_made("picture", "good.png good.jpg good.tif good.webp good.gif good.bmp good.heic good.avif"),
    *_made(
        "either",
        " ".join(f"{kind}{i}.{ext}" for ext in _EXTENSIONS for kind in ("trunc", "flip") for i in range(3)),
        None,
    ),
    *_made("sentence", "bomb_50000.png bomb.gif bomb.jpg bomb.webp bomb.bmp zero.bmp huge_dims8.tif huge_dims16.tif"),
    *_made("sentence", "f32_nan.tif f32_inf.tif bomb_over16.tif manychan.tif manychan16.tif zero_w.png neg_png.png"),
    *_made("sentence", "evil.svg svg_as.png eps.eps doc.pdf pickle.png pickle.npz gz.png empty.png null.png random.png"),
    *_made("sentence", "onlymagic.jpg mp4.heic riff.webp jpg_huge_sof.jpg"),
    # Within the limits of a server, and minutes of work: refused here by a limit of fewer pixels (`doors.LIMITS`).
    *_made("sentence", "bomb_9999.png bomb_9999_16.png big9000.webp bomb_deflate16.tif"),
    *_made("either", "bomb_iccp.png bomb_ztxt.png bomb_itxt.png bomb_many_ztxt.png idat_more_than_header.png"),
    *_made("either", "topdown.bmp negwidth.bmp bomb.heic bomb.avif jpg_scan_bomb.jpg 1000000x1.png poly_gif_js.gif", None),
    *_made("either", "ifd_loop.tif huge_strip.tif rps0.tif bits16_short.tif many_ifds.tif tag_count.tif g16_bad.png"),
    *_made("either", "tiny_header_big_deflate16.tif tiny_header_big_deflate8.tif poly_png_zip.png"),
    *_made("either", "f32_huge.tif f64.tif i64.tif c64.tif", (20, 20)),
    *_made("either", "pal_short.png", (8, 8)),
    *_made("picture", "u16.tif", (20, 20)),
    *_made("picture", "65535x1.png", (65535, 1)),
    *_made("picture", "1x65535.png", (1, 65535)),
    *_made("picture", "1x1.png 1x1.gif", (1, 1)),
    *_made("picture", "interlaced16.png anim_5000.gif", (8, 8)),
    *_made("picture", "jpg_progressive_many.jpg", (64, 64)),
    *_made("picture", "anim.gif anim.webp anim.png cmyk.jpg cmyk.tif cmyk_badicc.jpg cmyk_badicc2.jpg icc_trunc.png"),
    *_made("picture", "icc_flip.jpg icc_lab.tif pal_alpha.png bit1.png g16.png exif_bad.jpg exif_loop.jpg"),
    *_made("picture", "poly_jpg_html.jpg -rf.png $(id).png ..png"),
    Case("made", '"><img src=x onerror=alert(1)>.png', "picture", _SMALL),
    Case("made", "line\nbreak\ttab.png", "picture", _SMALL),
    Case("made", "ünï \u202egnp.exe 😀.png", "picture", _SMALL),
    Case("made", "a" * 250 + ".png", "picture", _SMALL),
    Case("made", "bad\udcff\udcfe.png", "picture", _SMALL),
)  # fmt: skip

MANIFEST: dict[str, tuple[Outcome, ...]] = {
    "ok": ("picture",), "refuse": ("sentence",), "any": ("either",), "bomb": ("sentence",),
}  # fmt: skip
"""What the words in the manifest of `make_hostile.py` allow above."""
