"""A comparison as one HTML file with the viewer, the images and the numbers, which opens from disk without a network.

The scripts of the viewer and of the table's sorting are the files that the page itself runs. A Content-Security-Policy in the
file allows this one script and no loading from elsewhere, so that names are never executed. The images have no metadata of
the photo, which may contain its GPS position.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sr_demo import __version__
from sr_demo.codecs import png
from sr_demo.image import Image, ImageData, Size, encode_png, read
from sr_demo.inference.jobs import ImageResult, Result
from sr_demo.options import as_dict
from sr_demo.reports import formatting
from sr_demo.reports.bundle import Comparison, disk_errors_translated, machine
from sr_demo.reports.html import png_uri, stream
from sr_demo.reports.saved_image import SavedImage, reduced, save, save_result
from sr_demo.reports.table import html_table
from sr_demo.system.file_sizes import file_size
from sr_demo.system.storage import write_atomically
from sr_demo.ui.languages import document_script, texts_script
from sr_demo.ui.viewer.viewer import ViewerImage, script, source, viewer_value

LIMIT_BYTES = 48 * 2**20
"""Largest sum of a page's image files, before base64. If it is exceeded, large images are replaced by smaller copies."""
_TEXTS = ("viewer", "word", "table", "column")
_NOT_SHOWN = (
    "word_x_",
    "word_d_",
    "word_g_",
    "word_f_",
    "word_i_",
    "word_l_",
    "word_p_",
    "word_r_",
    "word_s_",
    "word_t_",
    "word_z_",
    "word_e_",
    "word_m_",
)
"""Prefixes of texts that are left out: errors, and texts of other tabs."""
_TABLE = Path(__file__).parents[1] / "compare" / "table.js"


def write_page(comparison: Comparison, target: Path) -> Path:
    """Write the page of a comparison to `target` atomically, and return `target`. Raises StorageError."""

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:  # file names may be invalid Unicode
            file.writelines(_parts(comparison))

    with disk_errors_translated():
        write_atomically(target, write)
    return target


def write_results_page(
    image: ImageData, results: Sequence[ImageResult], target: Path, reference: Image | None = None
) -> Path:
    """Write a page of results that are in memory only, and return it.

    Args:
        image: Input of the methods.
        results: Results of different jobs.
        target: HTML file to write.
        reference: (H, W, 3) float32 in [0, 1], the HR reference of the scores; None if there is none.

    Raises:
        StorageError: A file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="sr_demo_page_") as name, disk_errors_translated():
        folder = Path(name)
        images = [save(image, folder / "input.png", "Input", "", "The input")]
        how = "Enlarged as it is; there is no original to compare with."
        if reference is not None:
            how = "Scored against the original."
            hr = ImageData(reference)
            images.insert(0, save(hr, folder / "truth.png", "Original", "", "The original", reference=True))
        images += [save_result(result, folder) for result in results]
        size = Size.of(image.rgb)
        return write_page(Comparison(image.name, size, how, [r.without_image() for r in results], images), target)


def page(comparison: Comparison) -> str:
    """Return the page of a comparison as HTML."""
    return "".join(_parts(comparison))


def policy() -> str:
    """Return the Content-Security-Policy of a page: only its own script, and images inside it."""
    digest = base64.b64encode(hashlib.sha256(_script().encode("utf-8")).digest()).decode("ascii")
    # Inline styles cannot load anything, since images and fonts from elsewhere are not allowed.
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _parts(comparison: Comparison) -> Iterator[str]:
    """Yield the page in parts, so that only one of its images is in memory at a time."""
    images = comparison.images
    large, most = _too_large(images)

    def address(image: SavedImage) -> str:
        content = _smaller(image.shown, most) if image in large else image.shown.read_bytes()
        return png_uri(png.without_metadata(content))

    return stream(
        "comparison.html",
        comparison=comparison,
        policy=policy(),
        style=source("shared_page.css") + source("viewer.css"),
        viewer=source("viewer.html"),
        script=_script(),
        value=viewer_value(
            [_for_viewer(image, index) for index, image in enumerate(images)],
            pair=comparison.pair,
            centre=comparison.centre,
        ),
        address=address,
        inventing=[r.job.title for r in comparison.results if r.job.approach.invents_with(r.job.checkpoint)],
        smaller=[image.label for image in images if image in large or image.small_copy],
        limit=file_size(LIMIT_BYTES * 4 / 3),
        table=html_table(comparison.results),
        methods=[_method(result) for result in comparison.results],
        machine=machine(),
        version=__version__,
    )


@cache
def _script() -> str:
    """Return the page's script: the function bodies that Gradio would run, wrapped in functions, and the calls of these."""
    table = _TABLE.read_text(encoding="utf-8")
    return (
        f"{texts_script(_TEXTS, _NOT_SHOWN)}const runTranslation = () => {{\n{document_script()}}};\n"
        f"const runViewer = (element, props, watch) => {{\n{script()}}};\n"
        f"const runTable = (element, props, watch) => {{\n{table}}};\n{source('shared_page.js')}"
    )


def _for_viewer(image: SavedImage, index: int) -> ViewerImage:
    """Return the image in the viewer's format; the script replaces the address by the image's bytes."""
    return ViewerImage(
        id=image.id, label=image.label, url=f"#image-{index}", width=image.size.width, height=image.size.height,
        alt=image.alt, scores=image.scores, note=image.note, reference=image.reference,
        part=image.part,
    )  # fmt: skip


class _Method(NamedTuple):
    """A method and facts about its result."""

    title: str
    facts: list[str]


def _method(result: Result) -> _Method:
    job, checkpoint = result.job, result.job.checkpoint
    height, width = result.size
    size = f"{width} x {height} pixels"
    made = [f"licence: {formatting.licence(checkpoint)}", formatting.how(result)]
    if result.is_brought:  # its costs are not known, and its checkpoint stands for the file that was brought
        return _Method(job.title, [size, *made, *result.all_notes])
    facts = [f"{size}, in {formatting.seconds(result.seconds)}", *made]
    if checkpoint.bytes:
        trained = f", {formatting.parameters_phrase(checkpoint.parameters)}" if checkpoint.parameters else ""
        facts.append(f"{checkpoint.title}: {file_size(checkpoint.bytes)}{trained}")
    facts += [f"sha256 of its weights: {file.sha256}" for file in checkpoint.files]
    if options := as_dict(job.options):
        facts.append("options: " + ", ".join(f"{name} = {value}" for name, value in options.items()))
    if job.approach.invents_with(checkpoint):
        facts.append("may invent detail")
    return _Method(job.title, [*facts, *result.all_notes])


def _too_large(images: Sequence[SavedImage]) -> tuple[list[SavedImage], int]:
    """Return the images that must be downscaled so that all fit, and the largest number of bytes for each of them."""
    sizes = [image.shown.stat().st_size for image in images]
    if sum(sizes) <= LIMIT_BYTES:
        return [], LIMIT_BYTES
    most = LIMIT_BYTES // len(images)
    return [image for image, size in zip(images, sizes, strict=True) if size > most], most


def _smaller(file: Path, most: int) -> bytes:
    """Return a downscaled copy of the image in `file` as PNG of at most `most` bytes."""
    whole = read(file)
    height, width = shape = Size.of(whole.rgb)
    size, ratio, content = file.stat().st_size, 1.0, b""
    while size > most and max(shape) > 1:
        ratio *= min(0.9, (most / size) ** 0.5)  # a smaller image takes more bytes per pixel: one step may not suffice
        shape = Size(max(int(height * ratio), 1), max(int(width * ratio), 1))
        content = encode_png(reduced(whole, shape))
        size = len(content)
    return content
