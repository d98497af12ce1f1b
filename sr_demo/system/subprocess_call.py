"""Function calls in a separate process, with separate memory, so that a crash does not affect this process."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import psutil

from sr_demo.errors import SRError, log_unexpected
from sr_demo.progress import SILENT, Progress

Report = Callable[[float, str], None]
"""Receives the finished share, 0..1, and a note."""


def call_in_subprocess(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    progress: Progress = SILENT,
    *,
    seconds: float,
    most_bytes: int | None = None,
) -> Any:
    """Call `function(*arguments, report)` in a new process and return its value. Stop ends the process.

    Args:
        function: A module-level function, so that it can be pickled; its last argument is a `Report`.
        arguments: Values that can be pickled.
        progress: Receives what the function reports, and may stop.
        seconds: Time limit in seconds.
        most_bytes: Limit of the process's resident memory; None for no limit.

    Raises:
        SRError: The function failed, with its message, or a limit was exceeded.
        Cancelled: Stop was pressed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, arguments, sender), daemon=True)
    with _no_main_module():
        process.start()
    sender.close()
    deadline = time.monotonic() + seconds
    try:
        while True:
            progress.check()
            if not receiver.poll(0.1):
                if time.monotonic() > deadline:
                    raise SRError(f"It was stopped after {seconds / 60:g} minutes.")
                if most_bytes is not None and _resident_bytes(process.pid) > most_bytes:
                    raise SRError(f"It was stopped because it took more than {most_bytes / 1e9:.1f} GB of memory.")
                continue
            kind, value = receiver.recv()
            if kind == "value":
                return value
            if kind == "failed":
                raise SRError(value)
            progress(*value)
    except EOFError as exc:
        process.join()
        raise SRError(
            f"Its process was ended by the system (status {process.exitcode}), most often because memory ran out."
        ) from exc
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        receiver.close()


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # the process has just ended
        return 0


@contextmanager
def _no_main_module() -> Generator[None]:
    """Prevent new processes from importing the main program, since that of the page would load Gradio into their memory."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _child(function: Callable[..., Any], arguments: tuple[Any, ...], pipe: Connection) -> None:
    def send(kind: str, value: object) -> None:
        try:
            pipe.send((kind, value))
        except BrokenPipeError:  # the caller was killed
            sys.exit(1)

    def report(fraction: float, note: str) -> None:
        send("progress", (fraction, note))

    try:
        send("value", function(*arguments, report))
    except SRError as exc:
        send("failed", str(exc))
    except KeyboardInterrupt:  # Ctrl-C reaches every process of a command; the caller says that it stopped
        sys.exit(130)
    except Exception as exc:
        send("failed", log_unexpected(exc, f"running {function.__name__} in a process of its own"))
