"""Several jobs on one image, each in a turn of its own, so that a long comparison does not hold up short ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from sr_demo.errors import Cancelled, SRError
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Failed, Job, Progressed, RunEvent, Started, Stopped
from sr_demo.inference.runner import Runner
from sr_demo.inference.shared_work import SharedWork
from sr_demo.ui.background_work import Finished, working
from sr_demo.ui.callers import Caller

MOST_JOBS = 40
"""Most names in one request."""
_KEPT_PIXELS = 1_000_000
"""A larger input is released while other visitors have their turns, and loaded again."""


class Inputs:
    """The LR input of a comparison and the HR reference, where there is one; loaded in the first turn."""

    def __init__(self, load: Callable[[], tuple[ImageData, Image | None]]) -> None:
        """Take a function that returns input and reference; it may be called several times."""
        self._load = load
        self._loaded: tuple[ImageData, Image | None] | None = None
        self.shared = SharedWork()
        """Of the jobs on this input."""

    def get(self) -> tuple[ImageData, Image | None]:
        """Return input and reference. Call it in a turn only: loading takes memory. Raises what `load` raises."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def rest(self) -> None:
        """Release them if they are large, while the caller waits for a turn."""
        if self._loaded is not None:
            images = [image for image in (self._loaded[0].rgb, self._loaded[1]) if image is not None]
            if sum(image.shape[0] * image.shape[1] for image in images) > _KEPT_PIXELS:
                self._loaded, self.shared = None, SharedWork()


def compared(
    runner: Runner, caller: Caller, jobs: Sequence[Job], seconds: Callable[[Job], float], inputs: Inputs
) -> Iterator[RunEvent]:
    """Run jobs like `Runner.compare`; each waits for its files first, then for its turn.

    A turn lasts until the consumer requests the event after the outcome, so that what it does with a result is part of it.

    Args:
        runner: Runs the jobs.
        caller: Whose turns are used.
        jobs: What to run, in order.
        seconds: Expected seconds of a job.
        inputs: What the jobs are run on.
    """
    for job in jobs:
        yield Started(job)
        try:
            ended = yield from _until_turn(runner, caller, job, seconds(job), inputs)
            if ended is not None:
                yield ended
                continue
            for event in runner.compare([job], *inputs.get(), caller.stop, caller.deadline, inputs.shared):
                if not isinstance(event, Started):
                    yield event
        finally:
            caller.end_turn()


def _until_turn(
    runner: Runner, caller: Caller, job: Job, seconds: float, inputs: Inputs
) -> Generator[Progressed, None, Failed | Stopped | None]:
    """Wait for the files of `job` and for the caller's turn; return the outcome if the job ends before that."""
    try:
        for step in working(lambda progress: runner.fetch(job, progress), caller.stop, "fetch"):
            if not isinstance(step, Finished):
                yield Progressed(job, step.fraction, step.note, None)
        for place in caller.waiting(seconds):
            inputs.rest()
            yield Progressed(job, 0.0, str(place), None)
    except Cancelled:
        return Stopped(job)
    except SRError as exc:
        return Failed(job, str(exc))
    return None
