"""Ray, for work spread over processes and machines: found, started here or joined, and left again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sr_demo.errors import MissingDependency, SRError

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent


def found() -> Any:
    """The module `ray`, with Ray Data. Raises MissingDependency."""
    try:
        import_module("ray.data")
        return import_module("ray")
    except ImportError as problem:
        raise MissingDependency(
            "--engine ray needs Ray, which is not installed. Run: pip install -r requirements-ray.txt"
        ) from problem


@contextmanager
def joined(address: str, workers: int, runtime_env: dict[str, Any], **own: Any) -> Generator[Any]:
    """The module `ray`, connected: to the cluster at `address`, or to a Ray of its own here with that many `workers`.

    `own` are arguments for a Ray of its own. One that this process had joined before is used as it is, and kept.
    Raises MissingDependency, or SRError where no Ray can be reached or started.
    """
    ray = found()
    if ray.is_initialized():
        yield ray
        return
    common: dict[str, Any] = {"runtime_env": runtime_env, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address=address, **common)
        else:
            ray.init(num_cpus=workers, include_dashboard=False, **common, **own)
    except Exception as problem:  # Ray raises what it likes here, a bare Exception for a helper that starts too late
        where = f"at {address}" if address else "on this machine"
        raise SRError(f"No Ray could be reached or started {where} ({str(problem).splitlines()[0]}).") from problem
    try:
        yield ray
    finally:
        ray.shutdown()
