"""The plain policies: what people do without a drift report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.policy.life import Answer, Look


@dataclass(frozen=True)
class Never:
    """The first model serves for ever."""

    is_gated: bool = False

    def look(self, look: Look) -> Answer:
        """Never ask."""
        del look
        return Answer(is_requested=False)


@dataclass(frozen=True)
class EveryBatch:
    """Train at every window's end, and serve what comes out."""

    is_gated: bool = False

    def look(self, look: Look) -> Answer:
        """Always ask."""
        del look
        return Answer(is_requested=True)


@dataclass(frozen=True)
class Schedule:
    """Train at some windows' ends, whatever happens, and serve what comes out."""

    at: frozenset[int]
    is_gated: bool = False

    def look(self, look: Look) -> Answer:
        """Ask when it is time."""
        return Answer(is_requested=look.window in self.at)


def evenly(live: Sequence[int], n_trainings: int) -> Schedule:
    """Spread a number of trainings evenly over the live windows.

    Examples
    --------
    >>> sorted(evenly(range(6, 36), 2).at)
    [15, 25]
    """
    step = len(live) / (n_trainings + 1)
    return Schedule(frozenset(live[max(0, round(i * step) - 1)] for i in range(1, n_trainings + 1)))
