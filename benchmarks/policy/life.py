"""A stream lived through under one policy: predict, learn what became known, decide, perhaps train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from assets.drift_report.shadow import score_pair
from benchmarks.policy.streams.stream import Stream
from benchmarks.policy.training import Question, Trainer, Version, judge, known_rows
from declaration.drift import DriftSpec, RetrainSpec
from declaration.model import GateSpec
from drift.examination import surely_lost
from drift.performance.realised import ScoredRows
from drift.retraining.former import N_LOOKS, Change, former_champion
from drift.retraining.probation import Probation, judge_probation
from learning.metrics import Scored
from learning.training_rows import label_indices, microseconds

LOOKED_BACK = 5
"""Windows on which a promotion is looked back upon."""


@dataclass(frozen=True)
class Look:
    """What is known at a window's end.

    Attributes
    ----------
    stream, window
        Where we are.
    champion, number
        The model that scored the window, and its number.
    served, numbers
        Which version scored each window so far; nothing before the first live one.
    last_training
        Window of the last training, successful or not.
    trainings, loss_trainings
        Windows of all trainings, and of those that a loss asked for.
    faults
        What is broken in the window's data.
    probation
        How the champion does beside its predecessor; None where no probation runs.
    """

    stream: Stream
    window: int
    champion: Version
    number: int
    served: Sequence[Version]
    numbers: Sequence[int]
    last_training: int
    trainings: Sequence[int]
    loss_trainings: Sequence[int]
    faults: tuple[str, ...] = ()
    probation: Probation | None = None


@dataclass(frozen=True)
class Answer:
    """What a policy says of a window.

    Attributes
    ----------
    is_requested
        Train.
    is_alarm
        It holds the data or the model to have changed: the dataset-level alarm.
    any_column
        At least one column was called drifted.
    loss_since
        Window from which on a confirmed loss asks; None where it does not.
    why
        In a word or two.
    """

    is_requested: bool
    is_alarm: bool = False
    any_column: bool = False
    loss_since: int | None = None
    why: str = ""

    @property
    def is_broken(self) -> bool:
        """The window's data is broken, and never learned from."""
        return self.why == "broken_data"


class Policy(Protocol):
    """Decides at every window's end; may remember."""

    @property
    def is_gated(self) -> bool:
        """A challenger must pass the gate, and a probation."""
        ...

    @property
    def span(self) -> int | None:
        """Windows that a training learns from; None for all."""
        ...

    def look(self, look: Look) -> Answer:
        """Answer from what is known."""
        ...


@dataclass(frozen=True)
class Promotion:
    """A change of the serving model, looked back upon.

    Attributes
    ----------
    window
        As of this window's end.
    gain, error
        What it costs less a row than the model it replaced, on the next windows' true labels, and the standard
        error: share of wrong classes, or squared error.
    """

    window: int
    gain: float
    error: float

    @property
    def loses(self) -> bool:
        """Surely worse than its predecessor: by more than two standard errors."""
        return self.gain < -2 * self.error


@dataclass(frozen=True)
class Life:
    """What came of a policy on a stream. Windows are counted from the first live one.

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


@dataclass
class _Course:
    """How far a life has come."""

    champion: Version
    number: int = 1
    n_versions: int = 1
    last_training: int = 0
    previous: tuple[Version, int] | None = None
    changes: list[tuple[int, Change]] = field(default_factory=list)
    """Changes of the serving model, with the window as of whose end each was made."""
    versions: dict[int, Version] = field(default_factory=dict)
    served: list[Version] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    trainings: list[int] = field(default_factory=list)
    loss_trainings: list[int] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)
    broken: frozenset[int] = frozenset()

    def roll_back(self, window: int, number: int) -> None:
        """Let an earlier champion serve again."""
        self.rollbacks.append(window)
        self.changes.append((window, Change(self.number, number, "rollback")))
        self.champion, self.number, self.previous = self.versions[number], number, None


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
    ValueError
        If the stream's history does not suffice for a first model.
    """
    first = trainer.train(Question(stream.n_history - 1, policy.span))
    if first is None:
        raise ValueError(f"the history of {stream.name} teaches nothing")
    course = _Course(first, last_training=first.window, versions={1: first})
    for window in stream.live:
        course.served.append(course.champion)
        course.numbers.append(course.number)
        look = _look(stream, window, policy, course)
        answer = policy.look(look)
        course.answers.append(answer)
        course.broken |= {window} if answer.is_broken else set()
        if look.probation is not None and look.probation.is_failed:
            course.roll_back(window, look.probation.previous)
        elif answer.is_requested:
            _train(stream, window, policy, trainer, course, answer.loss_since)
    found = [
        version.quality(stream, window) for window, version in zip(stream.live, course.served, strict=True)
    ]
    return Life(
        stream.name,
        stream.seed,
        name,
        tuple(one.share for one in found),
        tuple(one.proper_loss for one in found),
        tuple(course.answers),
        tuple(course.trainings),
        tuple(course.promotions),
        tuple(course.rollbacks),
    )


def _look(stream: Stream, window: int, policy: Policy, course: _Course) -> Look:
    faults = stream.faults(window) if policy.is_gated else ()
    return Look(
        stream,
        window,
        course.champion,
        course.number,
        course.served,
        course.numbers,
        course.last_training,
        course.trainings,
        course.loss_trainings,
        faults,
        None if faults else _probation(stream, window, course),
    )


def _probation(stream: Stream, window: int, course: _Course) -> Probation | None:
    """Compare the champion with its predecessor in its first windows, and with the model that a loss replaced."""
    found = None
    if course.previous is not None:
        rows = served_rows(stream, course.champion.window, window)
        before = course.previous
        found = None if rows is None else probation_of(stream, course.champion, *before, rows)
    former = former_champion(change for _, change in course.changes)
    if former is None or (found is not None and (found.is_failed or found.is_beaten)):
        return found
    rows = _newly_known(stream, course.changes[-1][0], window)
    if rows is None:
        return found
    watched = probation_of(stream, course.champion, course.versions[former], former, rows, n_looks=N_LOOKS)
    return watched if watched is not None and watched.is_failed else found


def _newly_known(stream: Stream, changed: int, now: int) -> pa.Table | None:
    """Return the rows since a change of the champion whose labels became known in this window."""
    start, end = stream.start_us(now), stream.start_us(now + 1)
    parts = [
        known_rows(stream.windows[window], until_us=end, since_us=start)
        for window in range(changed + 1, now + 1)
    ]
    rows = pa.concat_tables(parts)
    return rows if rows.num_rows else None


def _train(
    stream: Stream, window: int, policy: Policy, trainer: Trainer, course: _Course, loss_since: int | None
) -> None:
    """Train, and let the challenger serve where it may."""
    if policy.is_gated:
        loss_since_us = None if loss_since is None else stream.start_us(loss_since)
        knows = course.champion.knows_until_us
        challenger = trainer.train(Question(window, policy.span, course.broken, knows, loss_since_us))
    else:
        challenger = trainer.fit(window, policy.span, course.broken)
    if challenger is None:
        return
    course.trainings.append(window)
    if loss_since is not None:
        course.loss_trainings.append(window)
    course.last_training = window
    course.n_versions += 1
    is_loss = loss_since is not None
    if policy.is_gated and not judge(challenger, course.champion, is_loss_confirmed=is_loss).is_promoted:
        return
    course.promotions.append(looked_back(stream, window, challenger, course.champion))
    # Plain schedules let serve what they train: nobody is on probation.
    course.previous = (course.champion, course.number) if policy.is_gated else None
    if policy.is_gated:
        change = Change(course.number, course.n_versions, "loss" if is_loss else "training")
        course.changes.append((window, change))
        course.versions[course.n_versions] = challenger
    course.champion, course.number = challenger, course.n_versions


def served_rows(stream: Stream, promoted: int, now: int) -> pa.Table | None:
    """Return the labelled rows of the first windows that a champion served; None where no label is new."""
    windows = range(promoted + 1, min(now, promoted + RetrainSpec().probation) + 1)
    end = stream.start_us(now + 1)
    parts = [known_rows(stream.windows[i], until_us=end) for i in windows]
    fresh = [known_rows(stream.windows[i], until_us=end, since_us=stream.start_us(now)) for i in windows]
    return pa.concat_tables(parts) if sum(rows.num_rows for rows in fresh) else None


def probation_of(
    stream: Stream,
    champion: Version,
    previous: Version,
    number: int,
    rows: pa.Table,
    *,
    n_looks: int = RetrainSpec().probation,
) -> Probation | None:
    """Judge as the drift report does, on its settings; `number` is the predecessor's."""
    pair = score_pair(rows, champion.model, previous.model)
    if pair is None:
        return None
    return judge_probation(
        pair,
        version=number + 1,
        previous=number,
        problem=stream.problem,
        alpha=GateSpec().alpha,
        n_looks=n_looks,
        seed=0,
        previous_loss=_loss_of(stream, previous, rows),
    )


def _loss_of(stream: Stream, version: Version, rows: pa.Table) -> str:
    """Say what a version has surely lost against its own judged rows."""
    labels = label_indices(rows["label"], stream.problem, version.model.classes)
    now = ScoredRows(Scored(labels, version.model.score(rows)), microseconds(rows["event_timestamp"]))
    training = version.trained
    before = ScoredRows(training.holdout, version.data.event_time_us[training.judged])
    return surely_lost(stream.problem, stream.metric, before, now, drift=DriftSpec(), seed=0)


def looked_back(stream: Stream, window: int, after: Version, before: Version) -> Promotion:
    """Compare a model with the one it replaces, on the windows to come."""
    coming = range(window + 1, min(window + 1 + LOOKED_BACK, len(stream.windows)))
    gains = [before.misses(stream, i) - after.misses(stream, i) for i in coming]
    if not gains:
        return Promotion(window, 0.0, 0.0)
    gain = np.concatenate(gains)
    return Promotion(window, float(gain.mean()), float(gain.std() / np.sqrt(gain.size)))
