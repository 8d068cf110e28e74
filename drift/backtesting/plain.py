"""Plain policies: schedules without a drift report. None has a gate: every trained model serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from drift.backtesting.course import Answer, Look, Rules, Way


@dataclass(frozen=True)
class Never:
    """Policy under which the first model serves for ever."""

    span: int | None = None
    way: Way = "plain"
    rules: Rules = field(default_factory=Rules)

    def look(self, look: Look) -> Answer:
        """Never ask."""
        del look
        return Answer(is_requested=False)


@dataclass(frozen=True)
class EveryWindow:
    """Policy that trains, or recalibrates, at every window's end, and serves the new model."""

    span: int | None = None
    way: Way = "plain"
    rules: Rules = field(default_factory=Rules)

    def look(self, look: Look) -> Answer:
        """Ask always."""
        del look
        return Answer(is_requested=True)


@dataclass(frozen=True)
class Schedule:
    """Policy that trains at some windows' ends, whatever happens, and serves the new model."""

    at: frozenset[int]
    span: int | None = None
    way: Way = "plain"
    rules: Rules = field(default_factory=Rules)

    def look(self, look: Look) -> Answer:
        """Ask when it is time."""
        return Answer(is_requested=look.window in self.at)


def evenly(live: Sequence[int], n_trainings: int, phase: float, span: int | None = None) -> Schedule:
    """Spread a number of trainings evenly over the live windows; `phase` in [0, 1) shifts them within a step.

    Examples
    --------
    >>> sorted(evenly(range(6, 36), 3, 0.5).at)
    [11, 21, 31]
    """
    if not n_trainings:
        return Schedule(frozenset(), span)
    step = len(live) / n_trainings
    return Schedule(frozenset(live[int((i + phase) * step)] for i in range(n_trainings)), span)


def every(live: Sequence[int], step: int, span: int | None = None) -> Schedule:
    """Train at every so many windows' ends.

    Examples
    --------
    >>> sorted(every(range(6, 16), 3).at)
    [8, 11, 14]
    """
    return Schedule(frozenset(live[step - 1 :: step]), span)
