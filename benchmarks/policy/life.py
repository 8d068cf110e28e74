"""A stream lived through under one policy: predict, learn what became known, decide, perhaps train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.policy.streams import Stream
from benchmarks.policy.training import Trainer, Version, judge, known_rows
from declaration.drift import RetrainSpec
from declaration.model import GateSpec
from drift.retraining.probation import Probation, judge_probation
from learning.comparison import ScoredPair
from learning.metrics import Scored
from learning.training_rows import microseconds

Floats = NDArray[np.float64]
PROBATION = 5
"""Windows on which a promotion is looked back upon."""


@dataclass(frozen=True)
class Look:
    """What is known at a window's end.

    Attributes
    ----------
    stream, window
        Where we are.
    champion, version
        The model that scored the window, and its number.
    scores, versions
        What was said of each window so far, and by which version.
    last_training
        Window of the last training, successful or not.
    loss_trainings
        Windows of the trainings that a loss asked for.
    """

    stream: Stream
    window: int
    champion: Version
    version: int
    scores: Sequence[Floats]
    versions: Sequence[int]
    last_training: int
    loss_trainings: Sequence[int]


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
    is_loss
        The request follows a confirmed loss.
    is_broken
        The window's data is broken and never learned from.
    why
        In a word or two.
    """

    is_requested: bool
    is_alarm: bool = False
    any_column: bool = False
    is_loss: bool = False
    is_broken: bool = False
    why: str = ""


class Policy(Protocol):
    """Decides at every window's end; may remember."""

    @property
    def is_gated(self) -> bool:
        """A challenger must pass the gate."""
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
        Accuracy gained over the model it replaced, on the next windows' true labels, and its standard error.
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
    accuracy, auc
        By window, against the truth, of the model that served then. Shape (n_live,).
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
    accuracy: tuple[float, ...]
    auc: tuple[float, ...]
    answers: tuple[Answer, ...]
    trainings: tuple[int, ...]
    promotions: tuple[Promotion, ...]
    rollbacks: tuple[int, ...] = ()


def live(name: str, stream: Stream, policy: Policy, trainer: Trainer) -> Life:
    """Live through a stream.

    Parameters
    ----------
    name
        The policy's, for the tables.
    stream, policy, trainer
        What happens, who decides, who trains.
    """
    champion = trainer.train(stream.n_history - 1, None, frozenset())
    if champion is None:
        raise ValueError(f"the history of {stream.name} teaches nothing")
    version, last_training, n_versions = 1, champion.window, 1
    scores: list[Floats] = [np.empty(0)] * stream.n_history
    versions: list[int] = [0] * stream.n_history
    answers, trainings, promotions = [], [], []
    loss_trainings: list[int] = []
    rollbacks: list[int] = []
    previous: tuple[Version, int] | None = None
    broken: frozenset[int] = frozenset()
    for window in stream.live:
        scores.append(champion.score_window(stream, window))
        versions.append(version)
        answer = policy.look(
            Look(stream, window, champion, version, scores, versions, last_training, loss_trainings)
        )
        answers.append(answer)
        broken = broken | {window} if answer.is_broken else broken
        if policy.is_gated and previous is not None and not answer.is_broken:
            rows = served_rows(stream, champion.window, window)
            if rows is not None and probation_of(champion, previous[0], rows).is_failed:
                rollbacks.append(window)
                (champion, version), previous = previous, None
                continue
        if not answer.is_requested:
            continue
        challenger = trainer.train(
            window,
            champion if policy.is_gated else None,
            broken,
            is_loss_confirmed=answer.is_loss,
            adapts=policy.is_gated,
        )
        if challenger is None:
            continue
        trainings.append(window)
        if answer.is_loss:
            loss_trainings.append(window)
        last_training, n_versions = window, n_versions + 1
        if policy.is_gated and not judge(challenger, champion, is_loss_confirmed=answer.is_loss).is_promoted:
            continue
        promotions.append(looked_back(stream, window, challenger, champion))
        champion, version, previous = challenger, n_versions, (champion, version)
    return Life(
        stream.name,
        stream.seed,
        name,
        tuple(_accuracy(stream, scores, window) for window in stream.live),
        tuple(_auc(stream, scores, window) for window in stream.live),
        tuple(answers),
        tuple(trainings),
        tuple(promotions),
        tuple(rollbacks),
    )


def served_rows(stream: Stream, promoted: int, now: int) -> pa.Table | None:
    """Return the labelled rows of the first windows that a champion served; None where no label is new."""
    windows = range(promoted + 1, min(now, promoted + RetrainSpec().probation) + 1)
    end = stream.start_us(now + 1)
    parts = [known_rows(stream.windows[i], until_us=end) for i in windows]
    fresh = [known_rows(stream.windows[i], until_us=end, since_us=stream.start_us(now)) for i in windows]
    return pa.concat_tables(parts) if sum(rows.num_rows for rows in fresh) else None


def probation_of(champion: Version, previous: Version, rows: pa.Table) -> Probation:
    """Judge as the drift report does, on its settings."""
    labels = rows["label"].to_numpy().astype(float)
    pair = ScoredPair(
        Scored(labels, champion.score(rows)),
        Scored(labels, previous.score(rows)),
        microseconds(rows["event_timestamp"]),
    )
    return judge_probation(
        pair,
        version=2,
        previous=1,
        problem="binary",
        alpha=GateSpec().alpha,
        n_looks=RetrainSpec().probation,
        seed=0,
    )


def _truth(stream: Stream, window: int) -> NDArray[np.int64]:
    return np.asarray(stream.windows[window]["truth"].to_numpy(), dtype=np.int64)


def _accuracy(stream: Stream, scores: Sequence[Floats], window: int) -> float:
    return float(np.mean((scores[window] >= 0.5) == _truth(stream, window)))


def _auc(stream: Stream, scores: Sequence[Floats], window: int) -> float:
    from scipy.stats import rankdata

    truth = _truth(stream, window)
    n_positive = int(truth.sum())
    n_negative = truth.size - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(scores[window])
    return float((ranks[truth == 1].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def looked_back(stream: Stream, window: int, after: Version, before: Version) -> Promotion:
    """Compare a model with the one it replaces, on the windows to come."""
    coming = range(window + 1, min(window + 1 + PROBATION, len(stream.windows)))
    gains = [
        ((model_after >= 0.5) == truth).astype(float) - ((model_before >= 0.5) == truth)
        for truth, model_after, model_before in (
            (_truth(stream, i), after.score_window(stream, i), before.score_window(stream, i)) for i in coming
        )
    ]
    if not gains:
        return Promotion(window, 0.0, 0.0)
    gain = np.concatenate(gains)
    return Promotion(window, float(gain.mean()), float(gain.std() / np.sqrt(gain.size)))
