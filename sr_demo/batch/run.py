"""A batch: from a folder of images to a folder of PNG files with a manifest; can be killed at any moment and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from sr_demo.batch.manifest import NAME, Key, Manifest, Record, held
from sr_demo.codecs.image_files import find_images
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Limits, page_numbers
from sr_demo.inference.jobs import Job
from sr_demo.options import as_dict
from sr_demo.spec import Precision
from sr_demo.system.storage import sha256_of

LIMITS = Limits(max_bytes=2**40)
"""No limit on the file size, for long stacks; a single page still has to fit into memory."""


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
    """Folder of HR references, same names (or without `x4` at the end): scores go into the manifest."""
    settled: Precision | None = None
    """What `auto` was resolved to: a batch is computed in one precision, even if a later probe would choose another."""

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
        """Which line of the manifest is about this task."""
        return self.source, self.page


@dataclass
class Summary:
    """Counts of a finished batch."""

    done: int = 0
    kept: int = 0
    """Results that existed already."""
    failed: list[str] = field(default_factory=list)
    """Name and reason of each skipped image, those of earlier runs included."""
    noted: int = 0
    """Results of this run whose line in the manifest has notes."""
    left_out: str = ""
    """The files of the folder that are no images, as a phrase; empty where there are none."""


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
        batch: what to do.
        perform: how to do it: in this process, in several, or on Ray.
        report: called for every finished image.

    Raises:
        BadInput: when a folder cannot be used, or holds another batch.
        StorageError: when the results cannot be written.
    """
    if not batch.source.is_dir():
        raise BadInput(f"{batch.source} is not a folder.")
    if batch.references is not None and not batch.references.is_dir():
        raise BadInput(f"{batch.references} is not a folder.")
    if batch.source.resolve() == batch.out.resolve():
        raise BadInput("Results cannot go into the folder of the pictures: choose another --out.")
    with held(batch.out):
        manifest = Manifest(batch.out)
        if manifest.records and not batch.resume:
            raise BadInput(f"{batch.out} holds a batch already. Add --resume to go on, or choose another --out.")
        batch = _as_before(batch, manifest)
        tasks, left_out = plan(batch, manifest)
        summary, open_tasks = _open_tasks(batch, manifest, tasks)
        summary.left_out = left_out
        manifest.sweep()
        begun = time.monotonic()
        for count, record in enumerate(perform(batch, open_tasks), 1):
            if record["status"] == "done":
                manifest.publish(record)
                summary.done += 1
                summary.noted += bool(record["notes"])
            else:
                manifest.append(record)
                summary.failed.append(_failure_line(record))
            left = (time.monotonic() - begun) / count * (len(open_tasks) - count)
            report(Event(record, len(tasks) - len(open_tasks) + count, len(tasks), left))
    return summary


def plan(batch: Batch, manifest: Manifest) -> tuple[list[Task], str]:
    """Return a task per image and page, by name, and what else is in the folder; results keep their names between runs.

    Raises BadInput without images.
    """
    found = find_images(batch.source, recursive=batch.recursive, without=batch.out)
    if not found.images:
        raise BadInput(
            f"{batch.source} holds no pictures{'' if batch.recursive else ' (--recursive includes its subfolders)'}."
        )
    taken = {record["result"].lower() for record in manifest.records.values() if record["result"]}
    tasks: list[Task] = []
    for path in found.images:
        source = path.relative_to(batch.source).as_posix()
        for page in _pages(path):
            known = manifest.records.get((source, page))
            target = known["result"] if known and known["result"] else _free(source, page, taken)
            tasks.append(Task(source, page, target))
    return tasks, found.left_out


def _pages(path: Path) -> tuple[int | None, ...]:
    """Return the pages of a stack, or (None,) for a single image and for a file that cannot be read."""
    try:
        numbers = page_numbers(path, LIMITS)
    except SRError:
        return (None,)
    return (None,) if len(numbers) == 1 else numbers


def _free(source: str, page: int | None, taken: set[str]) -> str:
    """Return an unused name: `a/b.png` for `a/b.jpg`, `a/b_p0001.png` for its first page; numbered where it is taken."""
    number, stem = 1, PurePosixPath(source).with_suffix("").as_posix() + ("" if page is None else f"_p{page + 1:04d}")
    target = f"{stem}.png"
    while target.lower() in taken:
        number += 1
        target = f"{stem}_{number}.png"
    taken.add(target.lower())
    return target


def settings(batch: Batch) -> Record:
    """Return the settings that must be equal for two runs to be the same batch."""
    return {
        "approach": batch.job.approach.id,
        "checkpoint": batch.job.checkpoint.name,
        "checkpoint_sha256": [file.sha256 for file in batch.job.checkpoint.files],
        "options": as_dict(batch.job.options),
        "precision_asked": batch.job.precision,
    }


def _as_before(batch: Batch, manifest: Manifest) -> Batch:
    """Return the batch with the precision of its first run. Raises BadInput when the folder holds another batch."""
    wanted = settings(batch)
    for record in manifest.records.values():
        for name, value in wanted.items():
            if record[name] != value:
                raise BadInput(
                    f"{batch.out / NAME} belongs to another batch: {name.replace('_', ' ')} was {record[name]}, "
                    f"now it is {value}. Choose another --out."
                )
    done = next((r for r in manifest.records.values() if r["status"] == "done"), None)
    return batch if done is None else with_precision(batch, done)


def with_precision(batch: Batch, done: Record) -> Batch:
    """Return the batch fixed to the precision that a finished image was computed in."""
    return replace(batch, settled=done["precision"]) if done["precision"] in get_args(Precision) else batch


def _open_tasks(batch: Batch, manifest: Manifest, tasks: list[Task]) -> tuple[Summary, list[Task]]:
    """Return a summary of what is finished already, and the tasks that are left."""
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
    page = "" if record["page"] is None else f", page {record['page'] + 1}"
    return f"{record['source']}{page}: {record['message']}"
