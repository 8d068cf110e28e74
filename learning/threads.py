"""Threads of numeric libraries: bounded, and one each where fits run side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def limited_threads(threads: int) -> AbstractContextManager[object]:
    """Bound the threads of numeric libraries while something is fitted or scored.

    Linear algebra gets one: its sums depend on the number of threads, a model must not.
    Only libraries that are loaded already are bounded.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits={"openmp": threads, "blas": 1})
    return limits


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Work on so many items at a time, each on one thread, and return the results in the items' order."""
    return list(in_turn(work, items, threads))


def in_turn(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Work on so many items at a time, each on one thread, and give the results in the items' order.

    At most that many results wait to be taken: fitted models are large.
    """

    def alone(item: Item) -> Result:
        # OpenMP's bound is of the thread that sets it.
        with limited_threads(1):
            return work(item)

    n_workers = max(1, min(threads, len(items)))
    waiting: deque[Future[Result]] = deque()
    # Bounded here too: a thread that ends before the others must leave linear algebra bounded.
    with limited_threads(1), ThreadPoolExecutor(n_workers) as pool:
        for item in items:
            if len(waiting) == n_workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(alone, item))
        while waiting:
            yield waiting.popleft().result()
