"""Limits of the gate that a challenger must not exceed, whatever it gains; each that is absent asks nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from declaration.types import Block, ColumnName, Identifier, SqlExpression


class SliceLimitSpec(Block):
    """A limit on the rows of each value of a column, or on those of a condition."""

    by: ColumnName | None = None
    """Column of the training set whose values make the slices; numbers of many values are cut into quarters."""
    where: SqlExpression | None = None
    """Condition over the training set's columns, whose rows are one slice. Either `by` or this."""
    name: Identifier | None = None
    """Name of a condition's slice in results; by default the condition itself."""
    min_metric: float | None = None
    """Least value of `metric` on each slice (greatest, for errors)."""
    max_loss: float | None = Field(default=None, ge=0)
    """By how much `metric` may be worse on a slice than the champion's on the same rows."""
    min_rows: int = Field(default=50, ge=20)
    """Slices with fewer judged rows are listed and not judged."""


class LatencyLimitSpec(Block):
    """Longest time that scoring may take, encoding included: the 99 % quantile of calls in the run that trains."""

    one_row_ms: float | None = Field(default=None, gt=0)
    """Milliseconds for one row."""
    thousand_rows_ms: float | None = Field(default=None, gt=0)
    """Milliseconds for 1,000 rows at once."""


class FairnessLimitSpec(Block):
    """Greatest differences between groups of rows; for binary targets."""

    groups: tuple[ColumnName, ...] = Field(min_length=1)
    """Columns of the training set whose values are the groups; each column by itself."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability from which on a row is selected."""
    max_selection_rate_difference: float | None = Field(default=None, gt=0, le=1)
    """Greatest difference of the share of selected rows (demographic parity)."""
    max_true_positive_rate_difference: float | None = Field(default=None, gt=0, le=1)
    """Greatest difference of the share of positives that are selected (equal opportunity)."""
    max_false_positive_rate_difference: float | None = Field(default=None, gt=0, le=1)
    """Greatest difference of the share of negatives that are selected."""
    max_equalized_odds_difference: float | None = Field(default=None, gt=0, le=1)
    """Greatest of the two differences before."""
    min_rows: int = Field(default=30, ge=10)
    """Rows of a group below which its share is listed and not judged: selected of all rows, of positives, of negatives."""


BaselineRule = Literal["if_champion_does", "always", "never"]
"""Challengers that must surely beat the naive baselines."""

LimitRule = Literal["surely", "by_estimate"]
"""Rule by which a figure with an interval exceeds a limit."""
