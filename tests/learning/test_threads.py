"""Fits side by side: in turn, bounded, and the same whatever the number of threads."""

from __future__ import annotations

import threading

import pytest

from learning.threads import in_turn, side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    last_first = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            # The first is finished last.
            assert last_first.wait(10)
        if item == 1:
            last_first.set()
        return item * item

    assert side_by_side(work, range(6), 2) == [0, 1, 4, 9, 16, 25]
    assert side_by_side(work, [], 2) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_no_more_results_wait_than_there_are_threads(threads: int) -> None:
    lock, begun, taken, most = threading.Lock(), 0, 0, 0

    def work(item: int) -> int:
        nonlocal begun, most
        with lock:
            begun += 1
            most = max(most, begun - taken)
        return item

    for n_taken, item in enumerate(in_turn(work, range(20), threads), start=1):
        assert item == n_taken - 1
        with lock:
            taken = n_taken
    assert begun == 20
    # One more: it is begun before the caller has counted the one that it was given.
    assert most <= threads + 1


def test_an_error_ends_the_work_and_reaches_the_caller() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("of item 1")
        return item

    with pytest.raises(ValueError, match="of item 1"):
        side_by_side(work, range(1_000), 2)
    assert len(begun) <= 4
