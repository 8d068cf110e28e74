"""Threads of numeric libraries: bounded, and one each where fits run side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager


def limited_threads(threads: int) -> AbstractContextManager[object]:
    """Bound the threads of numeric libraries while something is fitted or scored.

    Linear algebra gets one: its sums depend on the number of threads, a model must not.
    Only libraries that are loaded already are bounded.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits={"openmp": threads, "blas": 1})
    return limits
