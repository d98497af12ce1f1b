"""When a page counts as closed: some minutes after its heartbeat has ended, unless it opens again or there are events."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sr_demo.ui import visits
from sr_demo.ui.visits import Visits


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "_SECONDS_BETWEEN", 0.01)


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_visit_is_forgotten_once_its_page_was_closed_for_a_while() -> None:
    gone: list[str] = []
    there = Visits(gone.append, patience=0.1)
    with there.heartbeat("open"):
        with there.heartbeat("closed"):
            there.seen("closed")
            time.sleep(0.3)
            assert gone == [] and there.is_open("closed")
        assert soon(lambda: gone == ["closed"]) and there.is_open("open")
    assert soon(lambda: gone == ["closed", "open"])
    there.seen("program")
    assert soon(lambda: gone == ["closed", "open", "program"]), "a caller without a page"


def test_a_cut_heartbeat_that_opens_again_or_an_event_keeps_the_visit() -> None:
    gone: list[str] = []
    there = Visits(gone.append, patience=5.0)
    clock = {"now": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visits, "monotonic", lambda: clock["now"])
        with there.heartbeat("again"), there.heartbeat("acts"), there.heartbeat("left"):
            pass
        clock["now"] = 4.0
        there.seen("acts")
        with there.heartbeat("again"):
            clock["now"] = 6.0
            assert soon(lambda: gone == ["left"])
            time.sleep(0.05)
            assert gone == ["left"]


def test_two_heartbeats_of_one_page_are_one_visit() -> None:
    there = Visits(lambda session: None)
    with there.heartbeat("me"):
        with there.heartbeat("me"):
            pass
        assert there.is_open("me")
    assert not there.is_open("me")


def test_of_more_visits_than_there_are_sessions_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "CAPACITY", 2)
    monkeypatch.setattr(visits, "_SECONDS_BETWEEN", 0.5)
    gone: list[str] = []
    there = Visits(gone.append)
    for session in ("a", "b", "c", "a", "d"):
        there.seen(session)
    assert soon(lambda: gone == ["b", "c"])


def test_a_failure_to_forget_one_visit_does_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    gone: list[str] = []

    def forget(session: str) -> None:
        if session == "bad":
            raise OSError("disk")
        gone.append(session)

    there = Visits(forget, patience=0.0)
    there.seen("bad")
    there.seen("good")
    assert soon(lambda: gone == ["good"]) and "could not be removed" in caplog.text
