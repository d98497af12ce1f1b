"""A process of its own ends quietly when its caller is gone or stops."""

from __future__ import annotations

import multiprocessing

import pytest

from sr_demo.system.subprocess_call import Report, _child


def _reporting(report: Report) -> int:
    report(0.5, "half")
    return 1


def _interrupted(report: Report) -> int:
    raise KeyboardInterrupt


def test_a_process_whose_caller_was_killed_ends(caplog: pytest.LogCaptureFixture) -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    receiver.close()
    with pytest.raises(SystemExit):
        _child(_reporting, (), sender)  # type: ignore[arg-type]
    assert not caplog.records


def test_ctrl_c_ends_a_process_without_a_traceback() -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with pytest.raises(SystemExit):
        _child(_interrupted, (), sender)  # type: ignore[arg-type]
    assert not receiver.poll()
