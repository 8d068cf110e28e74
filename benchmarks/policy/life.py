"""A stream lived through under one policy by the product's own engine, and measured against the truth."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.policy.streams.stream import Stream
from benchmarks.policy.truth import Promotion, looked_back, qualities
from declaration.model import ModelSpec
from drift.backtesting.course import Answer, Policy
from drift.backtesting.course import live as live_through
from drift.backtesting.trainer import Trainer


@dataclass(frozen=True)
class Life:
    """Life of a policy on a stream. Windows are counted from the first live one.

    Attributes
    ----------
    quality, proper_loss
        By window, of the model that served then: see `Quality`. Shape (n_live,).
    answers
        By window.
    trainings, promotions
        Windows of the trainings; what was promoted.
    rollbacks
        Windows after which the champion before served again.
    """

    stream: str
    seed: int
    policy: str
    quality: tuple[float, ...]
    proper_loss: tuple[float, ...]
    answers: tuple[Answer, ...]
    trainings: tuple[int, ...]
    promotions: tuple[Promotion, ...]
    rollbacks: tuple[int, ...]


def trainer_of(stream: Stream) -> Trainer:
    """Return what trains the stream's candidate."""
    return Trainer(stream.history, ModelSpec(candidates=(stream.candidate,)))


def live(name: str, stream: Stream, policy: Policy, trainer: Trainer) -> Life:
    """Live through a stream.

    Parameters
    ----------
    name
        The policy's, for the tables.
    stream, policy, trainer
        What happens, who decides, who trains.

    Raises
    ------
    BacktestError
        If the stream's history does not suffice for a first model.
    """
    course = live_through(stream.history, policy, trainer)
    measured = qualities(stream, course.served)
    return Life(
        stream.name,
        stream.seed,
        name,
        tuple(window_quality.share for window_quality in measured),
        tuple(window_quality.proper_loss for window_quality in measured),
        tuple(course.answers),
        tuple(course.trainings),
        tuple(looked_back(stream, change) for change in course.changes),
        tuple(course.rollbacks),
    )
