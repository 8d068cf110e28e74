"""Estimated errors of a regression before labels arrive: a second model learns on the holdout where the first one errs.

Direct loss estimation (DLE). It supposes that errors depend on features and prediction as they did
on the holdout: it sees that harder cases have come, never a changed concept, and beyond what the
holdout holds it knows of no greater error than there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.model import Metric
from drift.performance.realised import INTERVAL_LEVEL, Measurement, ScoredRows, resampled_metric
from learning.algorithms.rows import without_empty_columns
from learning.encode import FeatureEncoding, encode, learn_encoding
from learning.metrics import Floats, metric_value
from learning.threads import limited_threads

POWERS: Mapping[Metric, int] = {"mae": 1, "rmse": 2}
"""Power of the error whose mean a metric is a root of."""

N_SPANS = 8
"""Spans of time of which each is judged by a model that has not seen it; their spread carries the interval."""

MIN_ROWS = 400
"""Fewer held-out rows, 50 a span, do not show where errors are large."""

MAX_ROWS = 50_000
"""Held-out rows that the error model learns from, spread evenly over time."""

N_ROUNDS = 60
LEARNING_RATE = 0.08
MAX_LEAVES = 8
MIN_LEAF_SHARE = 0.02
"""Settings of the error model: small, since errors are mostly noise and it must not learn that."""


@dataclass(frozen=True)
class HeldOut:
    """The champion's holdout with the features it was predicted from, in order of time.

    Attributes
    ----------
    rows
        Labels, predictions and instants.
    features
        The same rows' features, prediction (`score`) and `event_timestamp`.
    """

    rows: ScoredRows
    features: pa.Table


@dataclass(frozen=True)
class _Sample:
    """Held-out rows that the error model learns from: features, losses, and spans of time 0 to N_SPANS - 1."""

    features: pa.Table
    losses: Floats
    spans: NDArray[np.int64]


@dataclass(frozen=True)
class _Expected:
    """Mean losses that the error model expects.

    Attributes
    ----------
    before
        On the holdout, of each row by a model that has not seen its span of time.
    now
        On the window, by the model that has not seen each span. Shape (N_SPANS,).
    n
        Rows of the window.
    """

    before: float
    now: Floats
    n: int


def estimate_errors(
    metric: Metric, holdout: HeldOut, current: Iterable[pa.Table], names: Sequence[str], *, seed: int
) -> Measurement:
    """Estimate the errors of predictions whose labels are not known.

    Parameters
    ----------
    metric
        mae or rmse; for others the value is None, with the reason.
    holdout
        The champion's predictions on rows that it did not learn from.
    current
        The window's features, prediction (`score`) and `event_timestamp`, in batches that are read once.
    names
        What errors are learned from: features, and `score`.
    seed
        Seed of the error model and of the interval's bootstrap.

    Returns
    -------
    Measurement
        The interval holds the realised metric with 95 % while the concept stands.
    """
    if metric not in POWERS:
        return _unknown(metric, f"{metric} needs the spread of the labels")
    if holdout.rows.n < MIN_ROWS:
        return _unknown(metric, f"the holdout has {holdout.rows.n} rows, {MIN_ROWS} are needed")
    power, sample = POWERS[metric], _sample(holdout, POWERS[metric])
    if np.unique(sample.spans[sample.losses > 0]).size < 2:
        return _unknown(metric, "the holdout was predicted without error")
    expected = _expected_losses(sample, current, names, seed)
    if expected.n == 0:
        return _unknown(metric, "no rows were scored")
    # The holdout's metric stands; only by how much larger the errors are now is taken from the model.
    held_value = metric_value(metric, holdout.rows.scored)
    by_span = held_value * (expected.now / expected.before) ** (1 / power)
    value = held_value * float(expected.now.mean() / expected.before) ** (1 / power)
    resampled = resampled_metric(metric, holdout.rows, seed=seed)
    if resampled is None:
        return Measurement(metric, expected.n, value, reason="the holdout has too few rows for an interval")
    # New labels scatter as the holdout's do, on the scale of the errors that are expected of them.
    sampling = float(np.nanvar(resampled[0])) * holdout.rows.n / expected.n * (value / held_value) ** 2
    reach = _student(N_SPANS - 1) * math.sqrt(_jackknife_variance(by_span) + sampling)
    return Measurement(metric, expected.n, value, max(0.0, value - reach), value + reach)


def _unknown(metric: Metric, reason: str) -> Measurement:
    return Measurement(metric, 0, reason=f"not estimated: {reason}")


def _student(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, (1 - INTERVAL_LEVEL) / 2))


def _jackknife_variance(without: Floats) -> float:
    """Return an estimate's variance from the estimates that leave out one span of time each.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.
    """
    return float((without.size - 1) / without.size * ((without - without.mean()) ** 2).sum())


def _sample(holdout: HeldOut, power: int) -> _Sample:
    n, scored = holdout.rows.n, holdout.rows.scored
    places = np.unique(np.linspace(0, n - 1, min(n, MAX_ROWS)).astype(np.int64))
    losses = np.abs(scored.labels[places] - scored.scores[places]) ** power
    return _Sample(holdout.features.take(places), losses, np.arange(places.size) * N_SPANS // places.size)


def _expected_losses(
    sample: _Sample, current: Iterable[pa.Table], names: Sequence[str], seed: int
) -> _Expected:
    from sklearn import ensemble  # noqa: F401  # Threads are limited only in libraries that are loaded.

    encoding = learn_encoding(sample.features, names)
    matrix = encode(sample.features, encoding)
    before, totals, n = np.empty(sample.losses.size), np.zeros(N_SPANS), 0
    # In units of their mean: the error model's settings then suit every label.
    unit = sample.losses.mean()
    with limited_threads(1):
        unseen = [sample.spans == span for span in range(N_SPANS)]
        models = [_fit(matrix[~rows], sample.losses[~rows] / unit, encoding, seed) for rows in unseen]
        for rows, model in zip(unseen, models, strict=True):
            before[rows] = model.predict(matrix[rows]) * unit
        for batch in current:
            features = encode(batch, encoding)
            totals += [model.predict(features).sum() * unit for model in models]
            n += batch.num_rows
    return _Expected(float(before.mean()), totals / max(n, 1), n)


def _fit(matrix: Floats, losses: Floats, encoding: FeatureEncoding, seed: int) -> Any:
    """Fit the mean loss given the features; Poisson's deviance keeps it positive and bears heavy tails."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=N_ROUNDS,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=MAX_LEAVES,
        min_samples_leaf=max(10, int(MIN_LEAF_SHARE * losses.size)),
        categorical_features=list(encoding.categorical) or None,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(without_empty_columns(matrix), losses)
