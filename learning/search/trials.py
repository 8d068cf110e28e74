"""Trials of a search, and the log in which finished ones are kept, so that an interrupted search goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from declaration.search import ParamValue


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes
    ----------
    number
        0, 1, …; 0 is the candidate as it is declared.
    params
        What the search has set; empty of trial 0.
    loss
        Mean over the folds of the metric, as a loss: an error itself, or what is better when greater, negated.
    fold_losses
        Of each fold.
    cpu_seconds
        Of fitting and scoring.
    """

    number: int
    params: Mapping[str, ParamValue]
    loss: float
    fold_losses: tuple[float, ...]
    cpu_seconds: float


class TrialLog(Protocol):
    """Finished trials of one training, by candidate."""

    def finished(self, candidate: str) -> Sequence[Trial]:
        """Return the trials that are kept, by number."""
        ...

    def keep(self, candidate: str, trial: Trial) -> None:
        """Keep a trial for good."""
        ...


@dataclass(frozen=True)
class MemoryLog:
    """Trials of this process alone."""

    kept: dict[str, list[Trial]] = field(default_factory=dict)

    def finished(self, candidate: str) -> Sequence[Trial]:
        """Return the trials that are kept, by number."""
        return self.kept.get(candidate, [])

    def keep(self, candidate: str, trial: Trial) -> None:
        """Keep a trial until the process ends."""
        self.kept.setdefault(candidate, []).append(trial)
