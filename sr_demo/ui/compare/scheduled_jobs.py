"""Running several jobs on one image, each in a turn of its own, so that a long comparison does not delay short ones."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from sr_demo.errors import Cancelled, SRError
from sr_demo.image import Image, ImageData
from sr_demo.inference.jobs import Failed, Job, Progressed, RunEvent, Started, Stopped
from sr_demo.inference.runner import Runner
from sr_demo.inference.shared_work import SharedWork
from sr_demo.ui.background_work import WorkResult, run_in_thread
from sr_demo.ui.callers import Caller

MOST_JOBS = 40
"""Largest number of jobs in one request."""
_KEPT_PIXELS = 1_000_000
"""Largest number of pixels of images that stay in memory during other visitors' turns; larger ones are loaded again."""


class ComparisonInputs:
    """The LR input of a comparison and its HR reference, if any; loaded in the first turn."""

    def __init__(self, load: Callable[[], tuple[ImageData, Image | None]]) -> None:
        """Store `load`, which returns input and reference, and which may be called several times."""
        self._load = load
        self._loaded: tuple[ImageData, Image | None] | None = None
        self.shared = SharedWork()
        """Intermediate results that the jobs on this input share."""

    def get(self) -> tuple[ImageData, Image | None]:
        """Return input and reference. Call this during a turn only: loading takes memory. Raises what `load` raises."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def rest(self) -> None:
        """Release the images if they are large, since the caller waits for a turn."""
        if self._loaded is not None:
            images = [image for image in (self._loaded[0].rgb, self._loaded[1]) if image is not None]
            if sum(image.shape[0] * image.shape[1] for image in images) > _KEPT_PIXELS:
                self._loaded, self.shared = None, SharedWork()


def run_in_turns(
    runner: Runner, caller: Caller, jobs: Sequence[Job], seconds: Callable[[Job], float], inputs: ComparisonInputs
) -> Iterator[RunEvent]:
    """Run jobs as `Runner.compare` does; each waits for its files first, then for its turn.

    A turn lasts until the consumer requests the event after the outcome, so that it includes the processing of the result.

    Args:
        runner: Runs the jobs.
        caller: The caller who takes the turns.
        jobs: Jobs to run, in order.
        seconds: Returns the expected seconds of a job.
        inputs: The LR image to run the jobs on, and the reference.
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
    runner: Runner, caller: Caller, job: Job, seconds: float, inputs: ComparisonInputs
) -> Generator[Progressed, None, Failed | Stopped | None]:
    """Wait for the files of `job` and for the caller's turn; return the outcome if the job ends before that."""
    try:
        for step in run_in_thread(lambda progress: runner.fetch(job, progress), caller.stop, "fetch"):
            if not isinstance(step, WorkResult):
                yield Progressed(job, step.fraction, step.note, None)
        for place in caller.waiting(seconds):
            inputs.rest()
            yield Progressed(job, 0.0, str(place), None)
    except Cancelled:
        return Stopped(job)
    except SRError as exc:
        return Failed(job, str(exc))
    return None
