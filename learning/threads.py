"""Threads of numeric libraries: bounded, and one each where fits run side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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

    def alone(item: Item) -> Result:
        # OpenMP's bound is of the thread that sets it.
        with limited_threads(1):
            return work(item)

    # Bounded here too: a thread that ends before the others must leave linear algebra bounded.
    with limited_threads(1), ThreadPoolExecutor(max(1, min(threads, len(items)))) as pool:
        return list(pool.map(alone, items))
