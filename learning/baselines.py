"""Naive baselines: forecasts without a model, from nothing but labels that were known by then.

A model that is not better than these has learned nothing that is worth serving.

References
----------
Hyndman and Athanasopoulos (2021), Forecasting: Principles and Practice, section 5.2: mean, naive and seasonal naive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.metrics import Floats, Scored

PRIOR, MEAN, MEDIAN = "prior", "mean", "median"
"""Baselines that are the same for every row: the classes' shares, which name the most frequent one; mean and median."""

LEAST_COVERAGE = 0.5
"""Share of the rows for which a value must have been known: below it most of a forecast is another one's."""

PRIOR_ROWS = 10.0
"""Rows that the classes' shares count for beside those with one known value: a share of two rows is no probability."""

N_STEPS = 20
"""Instants at which a baseline learns anew while it is judged: each row is forecast from labels known at its step."""

LEAST_LABELS = 10
"""Labels that must be known before a baseline says anything."""


@dataclass(frozen=True)
class Baselines:
    """Naive forecasts, learned from labels.

    Attributes
    ----------
    problem
        What is predicted.
    constants
        Forecasts that are the same for every row: class shares, shape (n_classes,), or a number, shape (1,).
    given
        Classes only: shares of each class by the known value, by the name of the known value.
        Shape (n_classes, n_classes), a row for each known class.
    """

    problem: ProblemType
    constants: Mapping[str, Floats]
    given: Mapping[str, Floats]

    def scores(self, known_values: Mapping[str, Floats], n: int) -> Mapping[str, Floats]:
        """Forecast rows.

        Parameters
        ----------
        known_values
            Known values by name: class index or value, NaN where none was known. Shape (n,) each.
        n
            Rows.

        Returns
        -------
        Mapping[str, Floats]
            Scores as `Scored` wants them, by name of the baseline. A row of which nothing was known gets the
            classes' shares, or the mean.
        """
        if self.problem == "regression":
            constant = {name: np.full(n, value[0]) for name, value in self.constants.items()}
            return {**constant, **{name: np.where(np.isnan(values), self.constants[MEAN][0], values) for name, values in known_values.items()}}  # fmt: skip
        shares = self.constants[PRIOR]
        table = {PRIOR: np.tile(shares, (n, 1))}
        for name, values in known_values.items():
            is_known, places = _places(values, shares.size)
            table[name] = np.where(is_known[:, None], self.given[name][places], shares)
        return {
            name: forecast[:, 1] if self.problem == "binary" else forecast for name, forecast in table.items()
        }


def learn_baselines(
    problem: ProblemType, labels: Floats, known_values: Mapping[str, Floats], *, n_classes: int
) -> Baselines:
    """Learn naive forecasts from labelled rows.

    Parameters
    ----------
    problem
        What is predicted.
    labels
        Class index or value of each row, at least one. Shape (n,).
    known_values
        What was known of each row's entity when it was predicted, by name; NaN where nothing was. Shape (n,) each.
    n_classes
        Classes; a label beyond them is not counted.

    Examples
    --------
    >>> learned = learn_baselines("regression", np.array([1.0, 2.0, 6.0]), {}, n_classes=0)
    >>> {name: float(value[0]) for name, value in learned.constants.items()}
    {'mean': 3.0, 'median': 2.0}
    """
    if problem == "regression":
        return Baselines(
            problem, {MEAN: np.array([labels.mean()]), MEDIAN: np.array([np.median(labels)])}, {}
        )
    is_counted, places = _places(labels, n_classes)
    counts = np.bincount(places[is_counted], minlength=n_classes).astype(np.float64)
    shares = counts / max(counts.sum(), 1.0)
    conditionals = {}
    for name, values in known_values.items():
        is_known, before = _places(values, n_classes)
        both = is_known & is_counted
        pairs = np.bincount(before[both] * n_classes + places[both], minlength=n_classes**2)
        pairs = pairs.reshape(n_classes, n_classes) + PRIOR_ROWS * shares
        conditionals[name] = pairs / pairs.sum(axis=1, keepdims=True)
    return Baselines(problem, {PRIOR: shares}, conditionals)


def _places(values: Floats, n_classes: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return a mask of the values that are classes, and the index of each; 0 where it is none."""
    is_class = ~np.isnan(values) & (values < n_classes)
    return is_class, np.where(is_class, values, 0).astype(np.int64)


def covering(known_values: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """Leave out known values that most rows do not have."""
    return {
        name: values
        for name, values in known_values.items()
        if values.size and np.count_nonzero(~np.isnan(values)) >= LEAST_COVERAGE * values.size
    }


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows with what was known when they were predicted.

    Attributes
    ----------
    labels
        Class index or value. Shape (n,).
    event_time_us, label_time_us
        When each was predicted, and its label known: microseconds since the epoch, UTC. Shape (n,).
    known
        Known values by name; see `known_values`. Shape (n,) each.
    """

    labels: Floats
    event_time_us: NDArray[np.int64]
    label_time_us: NDArray[np.int64]
    known: Mapping[str, Floats]


@dataclass(frozen=True)
class JudgedBaselines:
    """Naive forecasts of rows, each from labels that were known before it was predicted.

    Attributes
    ----------
    positions
        Places among the judged rows that could be forecast: before the first labels there is no forecast.
    scored
        Their labels with each baseline's scores, by name.
    """

    positions: NDArray[np.int64]
    scored: Mapping[str, Scored]


def forecast_judged(
    problem: ProblemType, rows: LabelledRows, judged: NDArray[np.int64], *, n_classes: int
) -> JudgedBaselines:
    """Forecast some of the rows naively, as it could have been done at the time.

    Parameters
    ----------
    problem
        What is predicted.
    rows
        All labelled rows.
    judged
        Positions of the rows to forecast.
    n_classes
        Classes; 0 for a regression.
    """
    columns = covering({name: values[judged] for name, values in rows.known.items()})
    order = judged[np.argsort(rows.event_time_us[judged], kind="stable")]
    place_of = np.empty(rows.labels.size, dtype=np.int64)
    place_of[judged] = np.arange(judged.size)
    positions: list[NDArray[np.int64]] = []
    scores: dict[str, list[Floats]] = {}
    for step in np.array_split(order, min(N_STEPS, max(1, order.size))):
        if not step.size:
            continue
        learned = np.flatnonzero(rows.label_time_us <= rows.event_time_us[step[0]])
        if learned.size < LEAST_LABELS:
            continue
        earlier = {name: rows.known[name][learned] for name in columns}
        baselines = learn_baselines(problem, rows.labels[learned], earlier, n_classes=n_classes)
        forecasts = baselines.scores({name: rows.known[name][step] for name in columns}, step.size)
        positions.append(place_of[step])
        for name, values in forecasts.items():
            scores.setdefault(name, []).append(values)
    if not positions:
        return JudgedBaselines(np.empty(0, dtype=np.int64), {})
    places = np.concatenate(positions)
    labels = rows.labels[judged[places]]
    return JudgedBaselines(
        places, {name: Scored(labels, np.concatenate(parts)) for name, parts in scores.items()}
    )


def forecast_training(
    problem: ProblemType,
    rows: LabelledRows,
    judged: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    n_classes: int,
) -> JudgedBaselines:
    """Forecast the rows that a training was judged on as it could have been done at the time.

    Where no label was known before the last of them, they are forecast as the candidates are, out of fold.

    Parameters
    ----------
    problem
        What is predicted.
    rows
        All labelled rows.
    judged, folds
        Positions of the judged rows, and the fold of each.
    n_classes
        Classes; 0 for a regression.
    """
    naive = forecast_judged(problem, rows, judged, n_classes=n_classes)
    return (
        naive
        if naive.scored
        else forecast_out_of_fold(problem, rows.labels, judged, folds, n_classes=n_classes)
    )


def forecast_out_of_fold(
    problem: ProblemType,
    labels: Floats,
    judged: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    n_classes: int,
) -> JudgedBaselines:
    """Forecast judged rows by the constants of all rows outside their fold, as candidates are judged.

    Parameters
    ----------
    problem
        What is predicted.
    labels
        Of all labelled rows.
    judged, folds
        Positions of the rows to forecast, and the fold of each.
    n_classes
        Classes; 0 for a regression.
    """
    shape = (judged.size, n_classes) if problem == "multiclass" else (judged.size,)
    scores: dict[str, Floats] = {}
    for fold in np.unique(folds):
        is_held_out = folds == fold
        learned = np.delete(labels, judged[is_held_out])
        baselines = learn_baselines(problem, learned, {}, n_classes=n_classes)
        for name, values in baselines.scores({}, int(is_held_out.sum())).items():
            scores.setdefault(name, np.empty(shape))[is_held_out] = values
    scored = {name: Scored(labels[judged], values) for name, values in scores.items()}
    return JudgedBaselines(np.arange(judged.size), scored)
