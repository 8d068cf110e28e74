"""Quality of one partition: dimensions in [0, 1], weighted to a score.

A dimension that nothing declared can measure is absent, not perfect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]

WEIGHTS: Mapping[Dimension, float] = {
    "completeness": 0.25,
    "validity": 0.30,
    "uniqueness": 0.20,
    "consistency": 0.15,
    "timeliness": 0.10,
}
"""Share of each dimension in the score; those that are absent leave their share to the others."""


@dataclass(frozen=True)
class RuleFinding:
    """Finding of one expectation, as far as quality goes.

    Attributes
    ----------
    expectation
        Great Expectations' name without `expect_`.
    good_share
        Share of judged rows that are good; 1 or 0 for rules on a whole column or table.
    """

    expectation: str
    good_share: float


@dataclass(frozen=True)
class RowFacts:
    """Counts over all rows read, before quarantine.

    Attributes
    ----------
    n_rows
        Rows read.
    n_rejected
        Rows that could not be read.
    n_cells, n_present_cells
        Rows times columns, and those that hold a value.
    n_distinct_keys
        Distinct keys; None where no key is declared.
    newest
        Newest event time; None without event time or rows.
    """

    n_rows: int
    n_rejected: int
    n_cells: int
    n_present_cells: int
    n_distinct_keys: int | None
    newest: datetime | None


@dataclass(frozen=True)
class DataQuality:
    """Dimensions that could be measured, and their weighted mean (None where none could)."""

    dimensions: Mapping[Dimension, float]

    @property
    def score(self) -> float | None:
        """Weighted mean of the dimensions, in [0, 1]."""
        total = sum(WEIGHTS[name] for name in self.dimensions)
        return (
            sum(WEIGHTS[name] * value for name, value in self.dimensions.items()) / total if total else None
        )

    def weight(self, name: Dimension) -> float:
        """Return the share of a dimension among those that are present."""
        return WEIGHTS[name] / sum(WEIGHTS[present] for present in self.dimensions)


def dimension_of(expectation: str) -> Dimension | None:
    """Return the dimension that a rule belongs to; None for rules on missing values, which are counted themselves.

    Examples
    --------
    >>> dimension_of("column_values_to_be_between"), dimension_of("column_pair_values_to_be_equal")
    ('validity', 'consistency')
    """
    if expectation in ("column_values_to_not_be_null", "column_proportion_of_non_null_values_to_be_between"):
        return None
    if expectation in ("column_values_to_be_unique", "compound_columns_to_be_unique"):
        return "uniqueness"
    if expectation.startswith(("column_pair_", "multicolumn_", "select_column_", "table_")):
        return "consistency"
    return "validity"


def assess_quality(
    facts: RowFacts, findings: Sequence[RuleFinding], window: tuple[datetime, datetime] | None
) -> DataQuality:
    """Measure the dimensions that the rows and the declaration allow.

    Parameters
    ----------
    facts
        Counts over all rows read.
    findings
        What the expectations found; those that could not be evaluated are left out.
    window
        First instant of the partition and the first after it; None for reference tables.

    Examples
    --------
    >>> facts = RowFacts(n_rows=4, n_rejected=1, n_cells=8, n_present_cells=6, n_distinct_keys=3, newest=None)
    >>> assess_quality(facts, [], None).dimensions
    {'completeness': 0.75, 'validity': 0.8, 'uniqueness': 0.75}
    """
    by_dimension: dict[Dimension, list[float]] = {}
    for finding in findings:
        dimension = dimension_of(finding.expectation)
        if dimension is not None:
            by_dimension.setdefault(dimension, []).append(finding.good_share)
    if facts.n_rejected:
        by_dimension.setdefault("validity", []).append(facts.n_rows / (facts.n_rows + facts.n_rejected))
    if facts.n_distinct_keys is not None and facts.n_rows:
        by_dimension.setdefault("uniqueness", []).append(facts.n_distinct_keys / facts.n_rows)
    if facts.n_cells:
        by_dimension["completeness"] = [facts.n_present_cells / facts.n_cells]
    if window is not None and facts.newest is not None:
        by_dimension["timeliness"] = [_reached(facts.newest, window)]
    return DataQuality({name: _mean(by_dimension[name]) for name in WEIGHTS if name in by_dimension})


def _reached(newest: datetime, window: tuple[datetime, datetime]) -> float:
    """Tell how much of the window had passed when the newest row happened: 0.5 if data stops half way."""
    start, end = window
    return min(1.0, max(0.0, (newest - start) / (end - start)))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
