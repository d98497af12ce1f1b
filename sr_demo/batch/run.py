"""A batch: from a folder of images to a folder of results with a manifest; can be killed at any moment and resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from sr_demo.batch.manifest import NAME, Key, Manifest, Record, manifest_lock
from sr_demo.codecs.image_files import ImageFiles, find_images
from sr_demo.codecs.sniff import kind_of, with_file_name
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Limits, Output, page_numbers
from sr_demo.inference.jobs import Job
from sr_demo.options import as_dict
from sr_demo.spec import Precision
from sr_demo.system.outputs import free_path, identities, truncated_name
from sr_demo.system.storage import sha256_of


@dataclass(frozen=True)
class Batch:
    """One approach to apply to all images of a folder."""

    job: Job
    source: Path
    """Folder of images."""
    out: Path
    """Folder for results and manifest; created if it does not exist."""
    recursive: bool = False
    resume: bool = False
    references: Path | None = None
    """Folder of HR references with the same names (or without `x4` at the end), for scores in the manifest."""
    overwrite: bool = False
    """Whether results may replace files that no batch wrote; otherwise they get another name."""
    output: Output = Output()
    """How results are written."""
    settled: Precision | None = None
    """The precision that `auto` was resolved to; a batch keeps it even if a later probe would choose another."""

    @property
    def running(self) -> Job:
        """The job with the precision of the batch."""
        return self.job if self.settled is None else replace(self.job, precision=self.settled)


@dataclass(frozen=True)
class Task:
    """One image, or one page of a stack."""

    source: str
    """Path below the input folder, with forward slashes."""
    page: int | None
    target: str
    """Path of the result below the output folder."""

    @property
    def key(self) -> Key:
        """Key of the task's line in the manifest."""
        return self.source, self.page


@dataclass
class Summary:
    """Counts of a finished batch."""

    done: int = 0
    kept: int = 0
    """Results that existed already."""
    failed: list[str] = field(default_factory=list)
    """Name and reason of each skipped image, those of earlier runs included."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each subfolder that cannot be read, and for each broken link."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Conversions while reading, with the images that each of them applies to."""
    left_out: str = ""
    """Phrase for the other files in the folder; empty if there are only images."""


@dataclass(frozen=True)
class Plan:
    """The tasks of a batch, and the files that were found."""

    tasks: list[Task]
    found: ImageFiles
    """The files in the input folder."""
    failed: list[str]
    """Name and reason of each file that cannot be read now, and may have several pages."""


@dataclass(frozen=True)
class Event:
    """One image is finished."""

    record: Record
    done: int
    total: int
    seconds_left: float


Perform = Callable[[Batch, "list[Task]"], Iterator[Record]]
"""Processes tasks in any order and yields a line for each, whose result is complete under its temporary name."""


def run(batch: Batch, perform: Perform, report: Callable[[Event], None] = lambda event: None) -> Summary:
    """Process a whole batch.

    Args:
        batch: The batch.
        perform: Processes the tasks: in this process, in several, or on Ray.
        report: Called for every finished image.

    Raises:
        BadInput: A folder cannot be used, or holds another batch.
        StorageError: The results cannot be written.
    """
    if batch.source.is_file():
        raise BadInput(f"{batch.source} is a file, and `batch` takes a folder. `upscale` takes files.")
    if not batch.source.is_dir():
        raise BadInput(f"There is no folder {batch.source}.")
    if batch.references is not None and not batch.references.is_dir():
        raise BadInput(f"{batch.references} is not a folder.")
    if batch.references is not None:
        batch.job.test_scale  # noqa: B018 - raises where the requested size has no whole factor
    if batch.source.resolve() == batch.out.resolve():
        raise BadInput("Results cannot go into the folder of the pictures: choose another --out.")
    found = find_images(batch.source, recursive=batch.recursive, without=batch.out)
    _refuse_empty(batch, found.images)
    with manifest_lock(batch.out):
        manifest = Manifest(batch.out)
        if manifest.records and not batch.resume:
            raise BadInput(f"{batch.out} holds a batch already. Add --resume to go on, or choose another --out.")
        batch = _as_before(batch, manifest)
        planned = plan(batch, manifest, found)
        tasks = planned.tasks
        summary, open_tasks = _open_tasks(batch, manifest, tasks)
        summary.failed += planned.failed
        summary.left_out, summary.unreadable = planned.found.left_out, list(planned.found.unreadable)
        manifest.sweep()
        begun = time.monotonic()
        for count, record in enumerate(perform(batch, open_tasks), 1):
            if record["status"] == "done":
                manifest.publish(record)
                summary.done += 1
            else:
                manifest.append(record)
                summary.failed.append(_failure_line(record))
            for note in record.get("notes", ()):
                summary.notes.setdefault(note, []).append(_name(record))
            left = (time.monotonic() - begun) / count * (len(open_tasks) - count)
            report(Event(record, len(tasks) - len(open_tasks) + count, len(tasks), left))
    return summary


def _refuse_empty(batch: Batch, files: Sequence[Path]) -> None:
    if not files:
        raise BadInput(
            f"{batch.source} holds no pictures{'' if batch.recursive else ' (--recursive includes its subfolders)'}."
        )


def plan(batch: Batch, manifest: Manifest, found: ImageFiles) -> Plan:
    """Return one task per image and page, sorted by name; results keep their names between runs.

    Results inside the input folder are not processed. Raises BadInput if there are no images.
    """
    results = {record["result"] for record in manifest.records.values() if record["result"]}
    made = {(batch.out / result).resolve() for result in results}
    files = [path for path in found.images if path.resolve() not in made]
    _refuse_empty(batch, files)
    taken, inputs = {result.lower() for result in results}, identities(files)
    sources = [path.relative_to(batch.source) for path in files]
    # Results of a file `x.jpg` beside a folder `x.png` do not take the name of the folder.
    taken |= {parent.as_posix().lower() for source in sources for parent in source.parents}

    def is_taken(target: str) -> bool:
        path = batch.out / target
        if target.lower() in taken:
            return True
        return os.path.lexists(path) and not (batch.overwrite and path.is_file() and not identities([path]) & inputs)

    tasks: list[Task] = []
    failed: list[str] = []
    for path, source in zip(files, map(Path.as_posix, sources), strict=True):
        try:
            pages = _pages(path)
        except SRError as exc:
            failed.append(with_file_name(source, str(exc)))
            continue
        for page in pages:
            known = manifest.records.get((source, page))
            suffix = batch.output.like(kind_of(path)).file_format.suffix
            target = known["result"] if known and known["result"] else _free(source, page, suffix, is_taken)
            taken.add(target.lower())
            tasks.append(Task(source, page, target))
    return Plan(tasks, found, failed)


def _pages(path: Path) -> tuple[int | None, ...]:
    """Return the pages of a stack, or (None,) for a single image and for an invalid file. Raises SRError for a disk error."""
    try:
        numbers = page_numbers(path, Limits())
    except BadInput:
        return (None,)
    return (None,) if len(numbers) == 1 else numbers


def _free(source: str, page: int | None, suffix: str, is_taken: Callable[[str], bool]) -> str:
    """Return an unused name: `a/b.png` for `a/b.jpg`, `a/b_p0001.png` for its first page; numbered if it is taken."""
    path, ending = PurePosixPath(source), suffix if page is None else f"_p{page + 1:04d}{suffix}"
    wanted = Path(path.with_name(truncated_name(path.stem, ending)))
    return free_path(wanted, lambda target: is_taken(target.as_posix())).as_posix()


def settings(batch: Batch) -> Record:
    """Return the settings that must be equal for two runs to be the same batch."""
    return {
        "approach": batch.job.approach.id,
        "checkpoint": batch.job.checkpoint.name,
        "checkpoint_sha256": [file.sha256 for file in batch.job.checkpoint.files],
        "options": as_dict(batch.job.options),
        "precision_asked": batch.job.precision,
        "size": None if batch.job.size is None else str(batch.job.size),
        **{f"output_{name}": value for name, value in batch.output.as_dict().items()},
    }


def _as_before(batch: Batch, manifest: Manifest) -> Batch:
    """Return the batch with the precision of its first run. Raises BadInput when the folder holds another batch."""
    wanted = settings(batch)
    # Manifests of versions that wrote only PNG do not name the output format.
    unnamed = {f"output_{name}": value for name, value in Output().as_dict().items()}
    for record in manifest.records.values():
        for name, value in wanted.items():
            before = record[name] if name in record else unnamed.get(name)  # earlier versions wrote no size
            if before != value:
                raise BadInput(
                    f"{batch.out / NAME} belongs to another batch: {name.replace('_', ' ')} was {before}, "
                    f"now it is {value}. Choose another --out."
                )
    done = next((r for r in manifest.records.values() if r["status"] == "done"), None)
    return batch if done is None else with_precision(batch, done)


def with_precision(batch: Batch, done: Record) -> Batch:
    """Return the batch fixed to the precision that a finished image was computed in."""
    return replace(batch, settled=done["precision"]) if done["precision"] in get_args(Precision) else batch


def _open_tasks(batch: Batch, manifest: Manifest, tasks: list[Task]) -> tuple[Summary, list[Task]]:
    """Return a summary of the images that are finished already, and the remaining tasks."""
    summary, left, hashes = Summary(), list[Task](), dict[str, str]()
    for task in tasks:
        record = manifest.records.get(task.key)
        if record is None or not _same_input(batch, task, record, hashes):
            left.append(task)
        elif record["status"] == "done" and manifest.has_result(record):
            summary.kept += 1
        elif record["status"] == "unreadable":
            summary.failed.append(_failure_line(record))
        else:
            left.append(task)
    return summary, left


def _same_input(batch: Batch, task: Task, record: Record, hashes: dict[str, str]) -> bool:
    try:
        if task.source not in hashes:
            hashes[task.source] = sha256_of(batch.source / task.source)
    except OSError:
        return False
    return record["input_sha256"] == hashes[task.source]


def _failure_line(record: Record) -> str:
    if record["page"] is None:
        return with_file_name(record["source"], record["message"])
    return f"{_name(record)}: {record['message']}"


def _name(record: Record) -> str:
    return record["source"] + ("" if record["page"] is None else f", page {record['page'] + 1}")
