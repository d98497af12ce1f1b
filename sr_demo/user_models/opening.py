"""`open_model`: opens a user's model file as an approach like any other."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sr_demo import __version__
from sr_demo.approaches import liif
from sr_demo.backends import openvino_backend
from sr_demo.checkpoint import STATED_BY_USER, Checkpoint, Tiling, WeightFile
from sr_demo.inference.time_estimates import threads
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach
from sr_demo.system import integrity, storage, subprocess_call
from sr_demo.timing import Timing
from sr_demo.user_models import model_file
from sr_demo.user_models.networks import Loader
from sr_demo.user_models.trial import TrialFindings, options_of, try_out

ID = "own"
"""Id of all approaches of users' files; the name of their checkpoint is the stem of the file."""
UNSTATED = "not stated"
_FORMAT = 3
"""Version of the findings of trials; those of other versions are not used."""
TRIAL_SECONDS = 180.0
"""Longest trial in a separate process, in seconds, while others may wait."""
_MOST_BYTES = 6 * 10**9
"""Largest number of bytes that such a trial may take."""


def open_model(
    path: Path,
    progress: Progress = SILENT,
    *,
    licence: str = "",
    max_bytes: int = model_file.MAX_BYTES,
    keep: bool = True,
) -> Approach:
    """Open a model file of a user.

    Its network is tried out on a small image; the findings are cached, so that the trial is not repeated.

    Args:
        path: A `.safetensors`, `.pth` or `.onnx` file, which must not be moved afterwards.
        progress: Receives the progress, and is checked for Stop.
        licence: Licence that the user states; it is shown as such.
        max_bytes: Largest file that is accepted.
        keep: Whether to store the findings in the cache folder; False for files that must leave no trace.

    Returns:
        An approach with the id "own" and one checkpoint, named after the file without its suffix.

    Raises:
        SRError: The file cannot be used; in one sentence with the reason and a remedy.
        Cancelled: Stop was pressed.
    """
    path = path.absolute()
    model_file.check(path, max_bytes)
    sha256 = integrity.digest(path)
    kept = _kept_file(path, sha256)
    facts = _read_kept(kept)
    if facts is None:
        facts = try_out(path, progress)
        if keep:
            _keep(kept, facts)
    progress(1.0)
    return _approach(path, sha256, facts, licence)


def open_model_in_subprocess(
    path: Path,
    progress: Progress = SILENT,
    *,
    licence: str = "",
    max_bytes: int = model_file.MAX_BYTES,
    keep: bool = False,
    seconds: float = TRIAL_SECONDS,
) -> Approach:
    """Like `open_model`, but in a separate process with limits on memory and time (`seconds`), for untrusted files.

    A file can describe a network of any size, and the parser of a library can crash.
    """
    model_file.check(path, max_bytes)
    sha256 = integrity.digest(path)
    if (facts := _read_kept(_kept_file(path, sha256))) is not None:
        return _approach(path.absolute(), sha256, facts, licence)
    arguments = (path, licence, max_bytes, keep)
    return subprocess_call.call_in_subprocess(_open, arguments, progress, seconds=seconds, most_bytes=_MOST_BYTES)


def _open(path: Path, licence: str, max_bytes: int, keep: bool, report: subprocess_call.Report) -> Approach:
    return open_model(path, Progress(report), licence=licence, max_bytes=max_bytes, keep=keep)


def _approach(path: Path, sha256: str, facts: TrialFindings, licence: str) -> Approach:
    size = path.stat().st_size
    timing = Timing("torch" if facts.loader.kind != "onnx" else "OpenVINO", threads(), (facts.side,),
                    *((seconds,) for seconds in facts.seconds))  # fmt: skip
    checkpoint = Checkpoint(
        name=model_file.public_name(path.stem),
        title=f"{facts.architecture}, your own file",
        files=(WeightFile(path.name, sha256, size, path=path),),
        licence=f"{' '.join(licence.split())[:80]}, {STATED_BY_USER}" if licence.strip() else UNSTATED,
        parameters=facts.parameters,
        bytes_per_pixel=facts.bytes_per_pixel,
        timings=(timing,),
        flops_per_pixel=facts.flops_per_pixel,
    )
    what = "cleans" if facts.loader.scale == 1 else f"enlarges {facts.loader.scale}x"
    return Approach(
        id=ID,
        title=path.stem[:60],
        summary=f"your own file: {facts.architecture}, {what}",
        about=f"A file that you opened: a network of the architecture {facts.architecture}. Only you know its licence, "
        "what it was trained on, and whether it invents detail.",
        family=facts.family,
        load=facts.loader,
        checkpoints=(checkpoint,),
        options=type(options_of(facts.loader.kind)),
        load_options=liif.APPROACH.load_options if facts.loader.kind == "liif" else (),
        tiling=facts.tiling,
        scale=facts.loader.scale,
        rendered=liif.APPROACH.rendered if facts.loader.kind == "liif" else 0.0,
        invents=True,
        preselected=False,
    )


def with_unique_names(approaches: list[Approach]) -> list[Approach]:
    """Return approaches of files with unique names: if names are equal, all but the first get a number."""
    taken: set[str] = set()
    found: list[Approach] = []
    for approach in approaches:
        checkpoint, number = approach.checkpoints[0], 1
        name = checkpoint.name
        while name in taken:
            number += 1
            name = f"{checkpoint.name}-{number}"
        taken.add(name)
        title = approach.title if number == 1 else f"{approach.title} ({number})"
        found.append(replace(approach, title=title, checkpoints=(replace(checkpoint, name=name),)))
    return found


def _kept_file(path: Path, sha256: str) -> Path:
    """Return the path of the findings of a trial; its name includes everything that they depend on."""
    with suppress(OSError):
        card = path.with_suffix(".json").read_bytes()
        sha256 += hashlib.sha256(card).hexdigest()
    parts = [str(_FORMAT), sha256, path.suffix.lower(), __version__, _version("spandrel"), _version("torch"),
             openvino_backend.installed_version(), openvino_backend.processor()]  # fmt: skip
    return storage.cache_folder() / "own" / f"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}.json"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read_kept(file: Path) -> TrialFindings | None:
    """Return the findings of an earlier trial; None if there are none, or if the file is damaged."""
    try:
        found = integrity.read_json_with_checksum(file)
        loader, tiling = found.pop("loader"), found.pop("tiling")
        loader["precisions"] = tuple(loader["precisions"])
        found["seconds"] = tuple(found["seconds"])
        return TrialFindings(loader=Loader(**loader), tiling=Tiling(**tiling), **found)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _keep(file: Path, facts: TrialFindings) -> None:
    with suppress(OSError):  # with a full or read-only disk, the trial is repeated next time
        file.parent.mkdir(parents=True, exist_ok=True)
        storage.write_atomically(file, integrity.json_with_checksum(asdict(facts)))
