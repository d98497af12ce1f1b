"""Fair scheduling: whose turn is next, who is refused, and what waiting visitors are shown."""

from __future__ import annotations

from threading import Thread

import pytest

from sr_demo.errors import Busy
from sr_demo.ui.fair_queue import FairQueue, Ticket, Visitor

ANN, BOB, CAT = (Visitor(f"10.0.0.{number}", "page") for number in range(3))


def served(turns: FairQueue, tickets: list[Ticket]) -> list[Ticket]:
    """The order in which `tickets` have their turns."""
    left, order = list(tickets), []
    while left:
        ticket = next(one for one in left if turns.wait(one, 0) is None)
        order.append(ticket)
        left.remove(ticket)
        turns.end(ticket)
    return order


def test_visitors_have_their_turns_one_after_the_other_however_much_each_waits_for() -> None:
    turns = FairQueue()
    many = [turns.join(ANN) for _ in range(4)]
    few, one = [turns.join(BOB) for _ in range(2)], turns.join(CAT)
    assert served(turns, [*many, *few, one]) == [many[0], few[0], one, many[1], few[1], many[2], many[3]]


def test_pages_of_one_address_share_its_turns() -> None:
    turns = FairQueue()
    first = turns.join(CAT)
    crowd = [turns.join(Visitor("10.0.0.9", f"page {number}")) for number in range(3)]
    other = [turns.join(ANN) for _ in range(2)]
    assert served(turns, [first, *crowd, *other]) == [first, crowd[0], other[0], crowd[1], other[1], crowd[2]]


def test_whoever_joins_again_after_a_turn_stands_behind_those_who_waited() -> None:
    turns = FairQueue()
    first, waiting = turns.join(ANN), turns.join(BOB)
    turns.end(first)
    again = turns.join(ANN)
    assert turns.wait(waiting, 0) is None and turns.wait(again, 0) is not None


def test_one_has_the_turn_at_a_time_and_leaving_the_line_wakes_no_other() -> None:
    turns = FairQueue()
    running, gone, waiting = turns.join(ANN), turns.join(BOB), turns.join(CAT)
    turns.end(gone)
    turns.end(gone)
    assert turns.wait(running, 0) is None and turns.wait(waiting, 0) is not None
    turns.end(running)
    assert turns.wait(waiting, 0) is None


def test_the_place_in_the_line_counts_what_goes_before_and_how_long_it_takes() -> None:
    now = [100.0]
    turns = FairQueue(clock=lambda: now[0])
    turns.join(ANN, 10)
    turns.join(ANN, 30)
    turns.join(BOB, 2)
    last = turns.join(CAT, 5)
    now[0] += 4
    place = turns.wait(last, 0)
    assert place is not None and (place.before, place.seconds) == (3, 6 + 30 + 2)
    assert str(place) == "waiting: 3 before you, about 38 s"
    now[0] += 100
    place = turns.wait(last, 0)
    assert place is not None and place.seconds == 32, "what takes longer than expected counts for nothing more"


def test_a_full_line_names_the_expected_wait() -> None:
    turns = FairQueue(places=2)
    for visitor in (ANN, BOB):
        turns.enter(visitor, 9)
        turns.join(visitor, 60)
    with pytest.raises(Busy, match=r"all 2 places are taken, and the queue takes about 2 min\. Please try again"):
        turns.enter(CAT, 9)
    turns.leave(ANN)
    turns.enter(CAT, 9)


def test_one_visitor_and_one_address_have_limits_of_their_own() -> None:
    turns = FairQueue(places=8)
    turns.enter(ANN, 2)
    turns.enter(ANN, 2)
    with pytest.raises(Busy, match="2 of your jobs are waiting or running already"):
        turns.enter(ANN, 2)
    for page in range(2):
        turns.enter(Visitor(ANN.address, f"forged {page}"), 2)
    with pytest.raises(Busy, match="4 jobs from your address are waiting or running, as many as one address may have"):
        turns.enter(Visitor(ANN.address, "another"), 2)
    turns.enter(BOB, 2)


def test_many_threads_never_compute_at_once() -> None:
    turns, inside, most, done = FairQueue(), [0], [0], [0]

    def work(visitor: Visitor) -> None:
        for _ in range(20):
            ticket = turns.join(visitor)
            while turns.wait(ticket, 1) is not None:
                pass
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            done[0] += 1
            inside[0] -= 1
            turns.end(ticket)

    threads = [Thread(target=work, args=(Visitor(str(number % 3), str(number)),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == ([1], [160])
