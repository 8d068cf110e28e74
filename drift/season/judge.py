"""Judgement of a window by the relations of its columns: the worst column is set aside before the others are judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from declaration.types import Sensitivity
from drift.season.co_moments import CoMoments, Matrix, Vector, merge_co_moments
from drift.season.errors import ModeratedVariance, moderated_variance
from drift.season.regression import Design, Statistics, residual_rows, statistics_of

RelationKind = Literal["level", "slope", "noise"]

KINDS: tuple[RelationKind, ...] = ("level", "slope", "noise")

LEVEL_GATES: Mapping[Sensitivity, float] = {"low": 0.5, "medium": 0.25, "high": 0.125}
"""Least distance from what the others say, in standard deviations; 0.25 is a KS distance of 0.10."""

SLOPE_GATES: Mapping[Sensitivity, float] = {"low": 0.6, "medium": 0.3, "high": 0.3}
"""Least change of the slope on what the others say."""

NOISE_GATES: Mapping[Sensitivity, float] = {
    "low": math.log(2),
    "medium": math.log(1.5),
    "high": math.log(1.25),
}
"""Least change of what is left, as a logarithm of its deviation."""

N_FOLDS = 12
"""Contiguous parts of the reference that are left out in turn: a partition each, where there are twelve."""

MAX_SET_ASIDE = 4
"""Columns set aside at most: a fault breaks one or two, and a season moves many."""

LEAST_EXPLAINED = 0.1
"""Variance, in the median partition, of what the others say; of less there is no slope."""

TESTS_PER_SCORE = 8
"""Share of the level of each score, three statistics on two sides and two to spare for the plain tests."""

OWN_EXCESS = 1.1
"""Factor by which a window must exceed the reference's own greatest deviation."""

MEDIAN_CHANCE = 0.81
"""Median of the columns' absolute errors, in errors, from which a window counts as of another year than the reference. By
chance it is 0.6745, the median of a half normal; the window's factor shall widen only where it is clearly more."""

MIN_COLUMNS_OF_YEAR = 6
"""Columns from which a median says something of the whole window (Efron 2004: an empirical null)."""


@dataclass(frozen=True)
class Relation:
    """One statistic of one score, with the deviation that counts.

    Attributes
    ----------
    column, score
        The column, and its score's name: with the category, where it is one.
    kind
        The statistic.
    value, centre
        The window's, and what is usual.
    threshold
        Least deviation from what is usual that counts.
    """

    column: str
    score: str
    kind: RelationKind
    value: float
    centre: float
    threshold: float

    @property
    def deviation(self) -> float:
        """Distance from the usual value, with its sign."""
        return self.value - self.centre

    @property
    def ratio(self) -> float:
        """Deviation in thresholds."""
        return abs(self.deviation) / self.threshold

    @property
    def is_broken(self) -> bool:
        """True where the deviation reaches its threshold."""
        return self.ratio >= 1


@dataclass(frozen=True)
class RelationRule:
    """Rule by which relations are judged.

    Attributes
    ----------
    sensitivities
        By column.
    alpha
        Level of all tests together.
    year_to_year
        Allowance for a next year, in standard deviations of a column.
    has_calendar
        Whether the calendar explains too.
    """

    sensitivities: Mapping[str, Sensitivity]
    alpha: float
    year_to_year: float
    has_calendar: bool


@dataclass(frozen=True)
class _Usual:
    """Usual value of each score in the reference, and the deviation that a next partition may have by itself."""

    centres: Mapping[RelationKind, Vector]
    errors: Mapping[RelationKind, Vector]
    quantiles: Mapping[RelationKind, float]
    greatest: Mapping[RelationKind, Vector]


def judge_relations(
    parts: Sequence[CoMoments], window: CoMoments, design: Design, names: Sequence[str], rule: RelationRule
) -> Mapping[str, tuple[Relation, ...]]:
    """Judge a window.

    Parameters
    ----------
    parts
        Partitions of the reference in the order of time; at least three.
    window
        The window, scored alike.
    design
        The scores that are judged.
    names
        Name of each score of the table.
    rule
        Level, gates and allowance.

    Returns
    -------
    mapping of str to tuple of Relation
        By column. Of a column that was set aside, as it stood to the others when it was.
    """
    level = rule.alpha / (TESTS_PER_SCORE * max(1, len(design.active)))
    judged: dict[str, tuple[Relation, ...]] = {}
    for _ in range(MAX_SET_ASIDE):
        relations, top = _judge_once(parts, window, design, names, rule, level)
        broken = relations.get(top, ())
        if not any(relation.is_broken for relation in broken):
            return judged | relations
        judged[top] = broken
        design = design.without(top)
        if not len(design.active):
            return judged
    relations, top = _judge_once(parts, window, design, names, rule, level)
    return judged | relations


def _judge_once(
    parts: Sequence[CoMoments],
    window: CoMoments,
    design: Design,
    names: Sequence[str],
    rule: RelationRule,
    level: float,
) -> tuple[dict[str, tuple[Relation, ...]], str]:
    """Return the relations of all columns of a design, and the column that deviates most."""
    rows = residual_rows(merge_co_moments(parts).products, design)
    usual = _usual(parts, design, rows, rule.year_to_year, level)
    now = _by_kind(statistics_of(window, rows, design))
    deviations = {kind: np.abs(now[kind] - usual.centres[kind]) for kind in KINDS}
    gates = _gates(design, rule)
    narrow = {kind: _threshold(usual, gates, kind, 1.0) for kind in KINDS}
    strongest = np.nanmax([deviations[kind] / narrow[kind] for kind in KINDS], axis=0)
    columns = [design.columns[place] for place in design.active]
    top = columns[int(np.argmax(strongest))]
    is_other = np.array([column != top for column in columns])
    thresholds = {
        kind: _threshold(usual, gates, kind, _year_factor(deviations[kind] / usual.errors[kind], is_other))
        for kind in KINDS
    }
    relations: dict[str, list[Relation]] = {column: [] for column in columns}
    for index, column in enumerate(columns):
        for kind in KINDS:
            value, threshold = float(now[kind][index]), float(thresholds[kind][index])
            if np.isfinite(value) and np.isfinite(threshold):
                name, centre = names[design.active[index]], float(usual.centres[kind][index])
                relations[column].append(Relation(column, name, kind, value, centre, threshold))
    return {column: tuple(of) for column, of in relations.items()}, top


def _by_kind(statistics: Statistics) -> Mapping[RelationKind, Vector]:
    return {"level": statistics.level, "slope": statistics.slope, "noise": statistics.noise}


def _threshold(
    usual: _Usual, gates: Mapping[RelationKind, Vector], kind: RelationKind, factor: float
) -> Vector:
    chance = usual.quantiles[kind] * usual.errors[kind] * factor
    return np.maximum(np.maximum(gates[kind], chance), OWN_EXCESS * usual.greatest[kind])


def _year_factor(in_errors: Vector, is_other: NDArray[np.bool_]) -> float:
    """Return by how much the whole window deviates more than by chance; at least 1."""
    others = in_errors[is_other & np.isfinite(in_errors)]
    if len(others) < MIN_COLUMNS_OF_YEAR:
        return 1.0
    return max(1.0, float(np.median(others)) / MEDIAN_CHANCE)


def _gates(design: Design, rule: RelationRule) -> Mapping[RelationKind, Vector]:
    of = [rule.sensitivities[design.columns[place]] for place in design.active]
    return {
        "level": np.array([LEVEL_GATES[sensitivity] for sensitivity in of]),
        "slope": np.array([SLOPE_GATES[sensitivity] for sensitivity in of]),
        "noise": np.array([NOISE_GATES[sensitivity] for sensitivity in of]),
    }


def _usual(
    parts: Sequence[CoMoments], design: Design, rows: Matrix, year_to_year: float, level: float
) -> _Usual:
    """Learn the usual values from partitions that were left out of the regression."""
    own = left_out_statistics(parts, design)
    levels, noises = (
        np.array([getattr(statistics, kind) for statistics in own]) for kind in ("level", "noise")
    )
    slopes = np.array([statistics.slope for statistics in own])
    is_foretold = np.median([statistics.explained for statistics in own], axis=0) >= LEAST_EXPLAINED
    # Two values scatter as their share does, and a column that rests at one value as it rests there.
    is_numeric = design.is_numeric[design.active]
    slopes[:, ~(is_foretold & is_numeric)] = np.nan
    spread = np.exp(noises.mean(axis=0))
    noises = np.where(design.has_noise[design.active], noises, np.nan)
    coefficients = (rows[:, design.n_fixed :] ** 2).sum(axis=1)
    k = len(parts)
    variances: dict[RelationKind, ModeratedVariance] = {
        "level": moderated_variance((levels**2 / spread**2).mean(axis=0), k),
        "slope": moderated_variance(slopes.var(axis=0, ddof=1), k - 1),
        "noise": moderated_variance(noises.var(axis=0, ddof=1), k - 1),
    }
    centres: dict[RelationKind, Vector] = {
        "level": np.zeros(len(rows)),
        "slope": slopes.mean(axis=0),
        "noise": noises.mean(axis=0),
    }
    scale = {"level": spread**2, "slope": 1.0, "noise": 1.0}
    allowance = {"level": coefficients, "slope": 1.0, "noise": 1.0}
    observed = {"level": levels, "slope": slopes, "noise": noises}
    return _Usual(
        centres,
        {
            kind: np.sqrt(
                variances[kind].variances * scale[kind] * (1 + 1 / k) + year_to_year**2 * allowance[kind]
            )
            for kind in KINDS
        },
        {kind: variances[kind].quantile(level) for kind in KINDS},
        {kind: np.abs(observed[kind] - centres[kind]).max(axis=0) for kind in KINDS},
    )


def left_out_statistics(parts: Sequence[CoMoments], design: Design) -> list[Statistics]:
    """Compute each partition's statistics by a regression that has not seen it or its neighbours."""
    total = sum(part.n_rows * part.products for part in parts)
    n_rows = sum(part.n_rows for part in parts)
    statistics: list[Statistics] = []
    for fold in np.array_split(np.arange(len(parts)), min(len(parts), N_FOLDS)):
        out = sum(parts[place].n_rows * parts[place].products for place in fold)
        n_rest = n_rows - sum(parts[place].n_rows for place in fold)
        rows = residual_rows((total - out) / n_rest, design)
        statistics += [statistics_of(parts[place], rows, design) for place in fold]
    return statistics
