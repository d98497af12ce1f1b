"""Fake approaches with one behaviour each, for tests of the runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from sr_demo.checkpoint import WHOLE, Checkpoint, Tiling
from sr_demo.errors import OutOfMemory, SRError
from sr_demo.image import Image, readonly
from sr_demo.inference.jobs import Job
from sr_demo.options import Options, option
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Request, Upscaler

SCALE = 4
TILES = Tiling("tiles", halo=2)


def upscaled(image: Image) -> Image:
    """Nearest-neighbour upscaling: exact for every tiling."""
    return readonly(np.repeat(np.repeat(image, SCALE, axis=0), SCALE, axis=1))


@dataclass(frozen=True)
class FakeOptions(Options):
    strength: float = option(0.5, "Strength", "How much.", minimum=0.0, maximum=1.0)
    steps: int = option(3, "Steps", "How many.", minimum=1, maximum=9)


@dataclass
class Fake:
    """An upscaler made of one function, which records the sizes of its inputs."""

    work: Callable[[Image, Progress], Image]
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None
    seen: list[tuple[int, int]] = field(default_factory=list)
    """Sizes of the images or tiles, in order."""

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        self.seen.append((image.shape[0], image.shape[1]))
        progress.check()
        return self.work(image, progress)


def approach(
    upscaler: Upscaler,
    *,
    name: str = "fake",
    tiling: Tiling = WHOLE,
    invents: bool = False,
    load_options: tuple[str, ...] = (),
    loads: list[Request] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Approach:
    """An approach that loads `upscaler`; `loads` collects the requests to its loader."""

    def load(request: Request) -> Upscaler:
        if loads is not None:
            loads.append(request)
        return upscaler

    return Approach(
        id=name,
        title=name.title(),
        summary="made for tests",
        about="Nothing.",
        family="baseline",
        load=load,
        checkpoints=(checkpoint or Checkpoint("default", "no weights", licence="none needed"),),
        options=FakeOptions,
        load_options=load_options,
        tiling=tiling,
        invents=invents,
    )


def job(made: Approach, **options: object) -> Job:
    """A job with the default checkpoint."""
    return Job(made, made.checkpoints[0], made.options(**options))  # type: ignore[arg-type]


def good(name: str = "good") -> Approach:
    return approach(Fake(lambda image, progress: upscaled(image)), name=name)


def slow(name: str = "slow", seconds: float = 0.02) -> Approach:
    """Many tiles, each of which takes a while."""

    def work(image: Image, progress: Progress) -> Image:
        time.sleep(seconds)
        return upscaled(image)

    return approach(Fake(work), name=name, tiling=replace(TILES, largest=8))


def raising_sr_error(name: str = "refusing") -> Approach:
    def work(image: Image, progress: Progress) -> Image:
        raise SRError("This picture is too green. Choose another.")

    return approach(Fake(work), name=name)


def raising_bug(name: str = "buggy") -> Approach:
    def work(image: Image, progress: Progress) -> Image:
        return {}["the secret of the machine room"]  # type: ignore[index]

    return approach(Fake(work), name=name)


def out_of_memory(fits: int, error: Callable[[], Exception] = OutOfMemory, name: str = "hungry") -> Approach:
    """Runs out of memory on every tile with more than `fits` pixels, halo counted."""

    def work(image: Image, progress: Progress) -> Image:
        if image.shape[0] * image.shape[1] > fits:
            raise error()
        return upscaled(image)

    return approach(Fake(work), name=name, tiling=TILES)


def returning(result: Callable[[Image], Image], name: str = "odd") -> Approach:
    """Returns `result(image)`."""
    return approach(Fake(lambda image, progress: result(image)), name=name)


def upscaler_of(made: Approach) -> Fake:
    """The fake behind an approach."""
    found = made.load(Request(made.checkpoints[0], (), made.options(), "auto", Progress()))
    assert isinstance(found, Fake)
    return found


def fake_clock(step: float = 1.0) -> Iterator[float]:
    """A clock that advances by `step` at every reading."""
    now = 0.0
    while True:
        yield now
        now += step
