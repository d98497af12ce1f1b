"""Connection to Ray: to an existing cluster, or to one that is started here for the duration of a job."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sr_demo.errors import MissingDependency, SRError

PACKAGE = Path(__file__).resolve().parent.parent
ROOT = PACKAGE.parent


def import_ray() -> Any:
    """Import Ray with Ray Data and return the module. Raises MissingDependency."""
    try:
        import_module("ray.data")
        return import_module("ray")
    except ImportError as problem:
        raise MissingDependency(
            "--engine ray needs Ray, which is not installed. Run: pip install -r requirements-ray.txt"  # words: ok
        ) from problem


@contextmanager
def ray_connection(address: str, workers: int, runtime_env: dict[str, Any], **own: Any) -> Generator[Any]:
    """Connect to Ray and disconnect at the end. An existing connection of this process is used and kept.

    Args:
        address: Address of a cluster; empty to start Ray here.
        workers: Number of CPUs of a Ray that is started here.
        runtime_env: Environment of the workers, for `ray.init`.
        **own: Further arguments of `ray.init` for a Ray that is started here.

    Yields:
        The module `ray`.

    Raises:
        MissingDependency: Ray is not installed.
        SRError: Ray cannot be reached or started.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    common: dict[str, Any] = {"runtime_env": runtime_env, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address=address, **common)
        else:
            ray.init(num_cpus=workers, include_dashboard=False, **common, **own)
    except Exception as problem:  # Ray raises many types, and a bare Exception when a helper process starts too late
        where = f"at {address}" if address else "on this computer"
        raise SRError(f"No Ray could be reached or started {where} ({str(problem).splitlines()[0]}).") from problem
    try:
        yield ray
    finally:
        ray.shutdown()
