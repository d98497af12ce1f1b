"""Eviction by weight and order of use."""

from __future__ import annotations

import pytest

from sr_demo.system.least_recently_used import LeastRecentlyUsed


def test_the_least_recently_used_value_is_evicted_first() -> None:
    cache: LeastRecentlyUsed[str, int] = LeastRecentlyUsed(lambda held: 2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.use("a") == 1
    assert cache.put("c", 3) == 1
    assert cache.keys() == ["a", "c"]
    with pytest.raises(KeyError):
        cache.use("b")


def test_values_are_evicted_until_their_weights_meet_the_limit_but_the_newest_stays() -> None:
    weights: list[int] = []

    def limit(held: int) -> int:
        weights.append(held)
        return 10

    cache: LeastRecentlyUsed[str, str] = LeastRecentlyUsed(limit)
    assert [cache.put(key, key, 4) for key in "abc"] == [0, 0, 1]
    assert cache.put("huge", "huge", 99) == 2
    assert cache.keys() == ["huge"]
    assert weights == [4, 8, 12, 107]


def test_a_replaced_value_counts_once_and_is_the_newest() -> None:
    cache: LeastRecentlyUsed[str, int] = LeastRecentlyUsed(lambda held: 2)
    for key in "aba":
        cache.put(key, 0)
    cache.put("c", 0)
    assert cache.keys() == ["a", "c"]
    cache.drop("a")
    cache.drop("a")
    assert cache.keys() == ["c"]
