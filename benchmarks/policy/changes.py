"""Delay of the answer to a confirmed loss: a hundred abrupt changes, in windows of 200 to 600 rows."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.policy.life import live, trainer_of
from benchmarks.policy.ours import ours
from benchmarks.policy.streams.concepts import abrupt
from benchmarks.policy.streams.logistic import Logistic, draw_logistic
from declaration.drift import RetrainSpec

N_CHANGES = 100
SIZES = (200, 300, 450, 600)
"""Rows of a window; below `drift.min_rows` (500) the metric alone is not judged."""

FIRST_ONSET, N_LIVE = 3, 8
"""Live window of the change in the first draw, and windows that are lived through."""

WITHIN = 2
"""Windows with labels of the new concept in which a training must be asked for."""


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes
    ----------
    n_rows
        Of a window.
    delay
        Windows with labels of the new concept until the loss asked for a training, the first being 1; None where it
        never did.
    is_promoted
        A training within two windows gave a model that serves.
    n_early
        Trainings that a loss asked for before there was one.
    """

    n_rows: int
    delay: int | None
    is_promoted: bool
    n_early: int

    @property
    def is_answered(self) -> bool:
        """In time."""
        return self.delay is not None and self.delay <= WITHIN


def answer_change(seed: int) -> Change:
    """Live through one change on the default settings."""
    n_rows = SIZES[seed % len(SIZES)]
    world = Logistic(abrupt, n_rows=n_rows, first_onset=FIRST_ONSET, n_live=N_LIVE)
    stream = draw_logistic("a confirmed loss", seed // len(SIZES), world)
    life = live("defaults", stream, ours(stream, RetrainSpec()), trainer_of(stream))
    onset = stream.onsets[0] - stream.n_history
    confirmed = [window for window, answer in enumerate(life.answers) if answer.loss_since is not None]
    delays = [window - onset + 1 for window in confirmed if window >= onset]
    promoted = [promotion.window - stream.n_history - onset for promotion in life.promotions]
    return Change(
        n_rows,
        delays[0] if delays else None,
        any(0 <= since < WITHIN for since in promoted),
        len(confirmed) - len(delays),
    )
