"""Domain classifier: how well a model tells the window's rows from the reference's, over all features together.

Two columns may each look as before and no longer belong together. A small classifier learns on some days
of both windows which row comes from where, and is asked about the other days; the area under its ROC
curve is 1/2 where the windows are alike. Days are held out whole: rows of a day share their weather, and a
classifier that had seen half of them would know the rest by it.

References
----------
Lopez-Paz and Oquab (2017), ICLR, arXiv:1610.06545: classifier two-sample tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.types import Sensitivity
from drift.columns.reference_variation import MIN_PARTITIONS, next_distance
from drift.performance.realised import INTERVAL_LEVEL
from learning.algorithms.rows import without_empty_columns
from learning.blocks import resampled_weights, time_blocks, widened_level
from learning.encode import FeatureEncoding, encode, learn_encoding
from learning.metrics import Floats, Scored, metric_by_block
from learning.threads import limited_threads

AUC_GATES: Mapping[Sensitivity, float] = {"low": 0.638, "medium": 0.570, "high": 0.535}
"""Least area that counts: Φ(d / √2) for a mean that moves by 0.5, 0.25 and 0.125 standard deviations, the
shifts whose KS distances are the gates of single columns."""

N_FOLDS = 5
"""Each row is judged by a model that has not seen its day, nor a fifth of all days."""

N_REFERENCE_FOLDS = 3
MAX_REFERENCE_PARTS = 6
"""How the reference's own partitions are told apart: at less cost, and not all where there are many."""

N_ROUNDS = 60
LEARNING_RATE = 0.1
MAX_LEAVES = 15
MIN_LEAF_ROWS = 40
"""Settings of the classifier: three or four features deep, and no leaf of single rows."""

MAX_CULPRITS = 5
LEAST_CULPRIT_SHARE = 0.1
"""A culprit loses at least so much of what the worst one loses: the others' losses are noise."""

Status = Literal["drifted", "stable", "insufficient data"]


@dataclass(frozen=True)
class Sample:
    """Rows of a window.

    Attributes
    ----------
    rows
        Features, and `event_timestamp` where one of them is an instant.
    event_time_us
        Microseconds since 1970. Shape (n,).
    parts
        Reference partition of each row; empty for a current window. Shape (n,).
    """

    rows: pa.Table
    event_time_us: NDArray[np.int64]
    parts: NDArray[np.str_]

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.event_time_us.size)

    def only(self, mask: NDArray[np.bool_]) -> Sample:
        """Return the rows for which `mask` is true."""
        return Sample(self.rows.filter(pa.array(mask)), self.event_time_us[mask], self.parts[mask])


@dataclass(frozen=True)
class DomainClassification:
    """Classification of the window against the reference.

    Attributes
    ----------
    status
        Drifted when the lower bound reaches the threshold.
    n_reference, n_current
        Rows that were compared.
    auc, low, high
        Area under the ROC curve on days not learned from, and its 95 % interval by resampled days.
    lower_bound
        The area that is sure at the declared level.
    threshold
        The gate, or what the reference's own partitions are told apart by, where that is more.
    reference_variation
        The latter; None with fewer than three partitions.
    main_contributors
        Features by what the area loses when their values are shuffled; only where there is drift.
    seed
        Of classifier, bootstrap and shuffles.
    reason
        Why nothing is known.
    """

    status: Status
    n_reference: int
    n_current: int
    seed: int
    auc: float | None = None
    low: float | None = None
    high: float | None = None
    lower_bound: float | None = None
    threshold: float | None = None
    reference_variation: float | None = None
    main_contributors: tuple[tuple[str, float], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class _Task:
    """Two samples as one table of numbers: label 1 is the second, folds and blocks are spans of time."""

    matrix: Floats
    labels: Floats
    folds: NDArray[np.int64]
    blocks: NDArray[np.int64]
    n_blocks: tuple[int, int]
    encoding: FeatureEncoding


@dataclass(frozen=True)
class _Told:
    """Out-of-fold scores of a task, and the models that gave them."""

    scores: Floats
    models: Sequence[Any]


def separate(
    reference: Sample,
    current: Sample,
    names: Sequence[str],
    *,
    sensitivity: Sensitivity,
    alpha: float,
    min_rows: int,
    seed: int,
) -> DomainClassification:
    """Tell a window from the reference, and judge how surely.

    Parameters
    ----------
    reference, current
        Rows of both windows.
    names
        Features to tell them apart by.
    sensitivity, alpha, min_rows
        The declaration's.
    seed
        Of everything random.

    Returns
    -------
    Separation
        Insufficient data where a window has too few rows, or too few to be cut into blocks of time.
    """
    few = min(reference.n, current.n)
    if few < min_rows:
        reason = f"{few} rows in one of the windows, drift.min_rows is {min_rows}"
        return DomainClassification("insufficient data", reference.n, current.n, seed, reason=reason)
    if not names:
        return DomainClassification(
            "insufficient data", reference.n, current.n, seed, reason="no features are judged"
        )
    task = _task(reference, current, names, N_FOLDS)
    if task is None:
        reason = "too few rows to hold out blocks of time"
        return DomainClassification("insufficient data", reference.n, current.n, seed, reason=reason)
    fitted = _tell(task, N_FOLDS, seed)
    auc, areas = _areas(task, fitted.scores, seed)
    low, high = _bounds(areas, task, (1 - INTERVAL_LEVEL) / 2)
    lower_bound, _ = _bounds(areas, task, alpha)
    reference_variation = reference_auc(reference, names, alpha=alpha, min_rows=min_rows, seed=seed)
    threshold = max(AUC_GATES[sensitivity], reference_variation or 0.0)
    has_drifted = lower_bound >= threshold
    return DomainClassification(
        "drifted" if has_drifted else "stable",
        reference.n,
        current.n,
        seed,
        auc,
        low,
        high,
        lower_bound,
        threshold,
        reference_variation,
        _main_contributors(task, fitted, auc, seed) if has_drifted else (),
    )


def reference_auc(
    reference: Sample, names: Sequence[str], *, alpha: float, min_rows: int, seed: int
) -> float | None:
    """Return the area below which a next partition stays if it differs as the reference's own do.

    Each partition is told from the others together. Areas that sampling explains count as 1/2.

    Parameters
    ----------
    reference
        Rows with their partitions.
    names, alpha, min_rows, seed
        As in `separate`.

    Returns
    -------
    float or None
        In [1/2, 1]; None with fewer than three partitions of `min_rows` sampled rows.
    """
    values, counts = np.unique(reference.parts, return_counts=True)
    parts = values[counts >= min_rows]
    if parts.size < MIN_PARTITIONS:
        return None
    if parts.size > MAX_REFERENCE_PARTS:
        parts = parts[np.linspace(0, parts.size - 1, MAX_REFERENCE_PARTS).astype(np.int64)]
    distances = []
    for part in parts:
        is_part = reference.parts == part
        task = _task(reference.only(~is_part), reference.only(is_part), names, N_REFERENCE_FOLDS)
        if task is None:
            continue
        auc, areas = _areas(task, _tell(task, N_REFERENCE_FOLDS, seed).scores, seed)
        bound, _ = _bounds(areas, task, alpha / parts.size)
        # From an area to a distance in [0, 1]: Somers' D.
        distances.append(2 * auc - 1 if bound > 0.5 else 0.0)
    if len(distances) < MIN_PARTITIONS:
        return None
    return (1 + next_distance(np.asarray(distances), alpha, is_centred=True)) / 2


def _task(first: Sample, second: Sample, names: Sequence[str], n_folds: int) -> _Task | None:
    blocks = [time_blocks(sample.event_time_us) for sample in (first, second)]
    if blocks[0] is None or blocks[1] is None:
        return None
    rows = pa.concat_tables([first.rows, second.rows], promote_options="permissive")
    encoding = learn_encoding(rows, names)
    n_first = blocks[0].n_blocks
    return _Task(
        matrix=encode(rows, encoding),
        labels=np.repeat([0.0, 1.0], [first.n, second.n]),
        folds=np.concatenate([part.numbers % n_folds for part in blocks if part is not None]),
        blocks=np.concatenate([blocks[0].numbers, blocks[1].numbers + n_first]),
        n_blocks=(n_first, blocks[1].n_blocks),
        encoding=encoding,
    )


def _tell(task: _Task, n_folds: int, seed: int) -> _Told:
    """Score each fold by a model of the others; one thread, so that the machine does not matter."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    scores, models = np.empty(task.labels.size), []
    with limited_threads(1):
        for fold in range(n_folds):
            is_held = task.folds == fold
            model = HistGradientBoostingClassifier(
                max_iter=N_ROUNDS,
                learning_rate=LEARNING_RATE,
                max_leaf_nodes=MAX_LEAVES,
                min_samples_leaf=MIN_LEAF_ROWS,
                categorical_features=list(task.encoding.categorical) or None,
                early_stopping=False,
                random_state=seed,
            ).fit(without_empty_columns(task.matrix[~is_held]), task.labels[~is_held])
            scores[is_held] = model.decision_function(task.matrix[is_held])
            models.append(model)
    return _Told(scores, models)


def _areas(task: _Task, scores: Floats, seed: int) -> tuple[float, Floats]:
    """Return the area, and the areas of resampled blocks; each window's blocks are drawn by themselves."""
    area = metric_by_block("roc_auc", Scored(task.labels, scores), task.blocks)
    drawn = [resampled_weights(n, seed=seed + i) for i, n in enumerate(task.n_blocks)]
    value = float(area(np.ones((1, sum(task.n_blocks))))[0])
    return value, area(np.concatenate(drawn, axis=1))


def _bounds(areas: Floats, task: _Task, tail: float) -> tuple[float, float]:
    level = widened_level(tail, min(task.n_blocks))
    low, high = np.nanquantile(areas, [level, 1 - level])
    return float(low), float(high)


def _main_contributors(task: _Task, fitted: _Told, auc: float, seed: int) -> tuple[tuple[str, float], ...]:
    """Return the features without which the windows would look alike, most telling first."""
    generator = np.random.default_rng(seed)
    everything = np.zeros_like(task.blocks)
    losses = []
    with limited_threads(1):
        for position, name in enumerate(task.encoding.names):
            scores = np.empty(task.labels.size)
            for fold, model in enumerate(fitted.models):
                is_held = task.folds == fold
                shuffled = task.matrix[is_held]
                shuffled[:, position] = generator.permutation(shuffled[:, position])
                scores[is_held] = model.decision_function(shuffled)
            area = metric_by_block("roc_auc", Scored(task.labels, scores), everything)(np.ones((1, 1)))
            losses.append((name, auc - float(area[0])))
    least = LEAST_CULPRIT_SHARE * max(loss for _, loss in losses)
    telling = [(name, loss) for name, loss in losses if loss > 0 and loss >= least]
    return tuple(sorted(telling, key=lambda item: -item[1])[:MAX_CULPRITS])
