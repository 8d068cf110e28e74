"""Truth of a stream: what a version of a model costs against the labels as they really are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.policy.streams.stream import Floats, Stream
from drift.backtesting.course import Change
from drift.backtesting.versions import Version

CLIP = 0.001
"""Least probability in the log loss of the tables."""

LOOKED_BACK = 5
"""Windows on which a promotion is looked back upon."""


@dataclass(frozen=True)
class Quality:
    """Quality of a model in a window, against the true labels.

    Attributes
    ----------
    share
        Accuracy; for a number 1 less the root mean squared error over the label's standard deviation.
    proper_loss
        Mean log loss; for a number the squared error as a share of the variance.
    """

    share: float
    proper_loss: float


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


def quality(stream: Stream, version: Version, window: int) -> Quality:
    """Measure a version on a window."""
    cost = float(np.mean(misses(stream, version, window)))
    share = 1 - float(np.sqrt(cost)) / stream.spread if stream.problem == "regression" else 1 - cost
    return Quality(share, _proper_loss(stream, version, window))


def qualities(stream: Stream, served: Sequence[Version]) -> Sequence[Quality]:
    """Measure what served each live window."""
    return [quality(stream, version, window) for window, version in zip(stream.live, served, strict=True)]


def misses(stream: Stream, version: Version, window: int) -> Floats:
    """Return what each row of a window costs against its true label: 1 for a wrong class, or the squared error."""
    scores = version.score_window(stream.history, window)
    if stream.problem == "regression":
        return (stream.truth(window) - scores) ** 2
    if stream.problem == "binary":
        is_missed = (scores >= 0.5) != stream.truth(window)
    else:
        is_missed = np.asarray(version.model.classes)[scores.argmax(axis=1)] != stream.true_classes(window)
    return np.asarray(is_missed, dtype=np.float64)


def looked_back(stream: Stream, change: Change) -> Promotion:
    """Compare a model with the one it replaces, on the windows to come."""
    coming = range(change.window + 1, min(change.window + 1 + LOOKED_BACK, len(stream.windows)))
    gains = [
        misses(stream, change.before, window) - misses(stream, change.after, window) for window in coming
    ]
    if not gains:
        return Promotion(change.window, 0.0, 0.0)
    gain = np.concatenate(gains)
    return Promotion(change.window, float(gain.mean()), float(gain.std() / np.sqrt(gain.size)))


def _proper_loss(stream: Stream, version: Version, window: int) -> float:
    scores = version.score_window(stream.history, window)
    if stream.problem == "regression":
        return float(np.mean((stream.truth(window) - scores) ** 2)) / stream.spread**2
    if stream.problem == "binary":
        chosen = np.where(stream.truth(window) == 1, scores, 1 - scores)
    else:
        places = {name: place for place, name in enumerate(version.model.classes)}
        indices = np.array([places.get(str(name), -1) for name in stream.true_classes(window)])
        chosen = np.where(indices < 0, 0.0, scores[np.arange(indices.size), indices])
    return float(-np.log(np.clip(chosen, CLIP, 1.0)).mean())
