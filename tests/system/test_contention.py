"""Waiting for processor cores: measured where threads outnumber them, and where that is not known."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Thread

import pytest

from sr_demo.system import contention
from sr_demo.system.contention import Contention


def write(tasks: Path, *milliseconds: int) -> None:
    for number, waited in enumerate(milliseconds):
        (tasks / str(number)).mkdir(parents=True, exist_ok=True)
        (tasks / str(number) / "schedstat").write_text(f"5000000 {waited * 10**6} 7\n")


def test_the_share_of_waiting_counts_all_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, really_waited: None
) -> None:
    monkeypatch.setattr(contention, "_TASKS", tmp_path)
    used = iter([10.0, 11.0, 20.0, 20.0])
    monkeypatch.setattr(time, "process_time", lambda: next(used))
    write(tmp_path, 500, 100)
    with Contention() as waiting:
        write(tmp_path, 1500, 2100, 0)
    assert waiting.share == pytest.approx(3 / 4)
    with Contention() as ended:
        (tmp_path / "1" / "schedstat").write_text("")
    assert ended.share == 0.0


def test_where_it_is_not_known_nothing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, really_waited: None
) -> None:
    monkeypatch.setattr(contention, "_TASKS", tmp_path / "none")
    with Contention() as waiting:
        pass
    assert waiting.share == 0.0


@pytest.mark.skipif(not Path("/proc/self/task/self").parent.is_dir(), reason="not Linux")
def test_threads_that_share_a_core_wait(really_waited: None) -> None:
    """Real threads: while one hashes, which releases the interpreter, the other waits for the one core."""
    import hashlib

    cores = os.sched_getaffinity(0)
    data = bytes(20_000_000)

    def hashing() -> None:
        os.sched_setaffinity(0, {min(cores)})  # of this thread only
        hashlib.sha256(data).digest()

    threads = [Thread(target=hashing) for _ in range(3)]
    before = contention.core_wait_seconds()
    for thread in threads:
        thread.start()
    most = 0.0
    while any(thread.is_alive() for thread in threads):
        most = max(most, contention.core_wait_seconds() - before)
        time.sleep(0.002)
    assert most > 0.005
