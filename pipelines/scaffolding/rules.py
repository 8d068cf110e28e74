"""Expectations suggested from a profile: what held in the file, with margins, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from declaration.datasets import OnFailure
from declaration.types import Severity
from pipelines.scaffolding.columns import Column, FileColumns
from pipelines.scaffolding.roles import Key, is_code

MARGIN = 0.25
"""Part of the range by which numbers may go beyond what was seen: the next month is not the last."""

WILD = 20
"""Spreads of the middle half beyond which a tail's end is chance: a normal one ends at three, an exponential one of a million at twelve."""

MAX_SET = 20
"""Most categories whose set is worth holding to."""

NULL_MARGIN = 0.05
"""Share by which missing values may grow."""


@dataclass(frozen=True)
class SuggestedExpectation:
    """One suggested expectation, and the figure behind it."""

    expect: str
    arguments: tuple[tuple[str, object], ...]
    reason: str
    severity: Severity = "warning"
    on_failure: OnFailure = "report"


def suggest(columns: FileColumns, key: Key, event_time: str | None) -> Sequence[SuggestedExpectation]:
    """Suggest expectations that the file itself meets."""
    rules = [
        SuggestedExpectation(
            "table_row_count_to_be_between",
            (("min_value", 1),),
            "an empty partition is a fault of the source",
            "critical",
        )
    ]
    if not key.is_made:
        rules.append(_uniqueness(key))
    for column in columns.columns:
        if column.name == event_time:
            continue  # A row without one is a reject already.
        rules += _of(column, is_key=column.name in key.columns)
    return rules


def _uniqueness(key: Key) -> SuggestedExpectation:
    reason = f"{key.reason}"
    if len(key.columns) == 1:
        return SuggestedExpectation(
            "column_values_to_be_unique", (("column", key.columns[0]),), reason, "critical"
        )
    return SuggestedExpectation(
        "compound_columns_to_be_unique", (("column_list", list(key.columns)),), reason, "critical"
    )


def _of(column: Column, *, is_key: bool) -> list[SuggestedExpectation]:
    rules = []
    share = column.n_null / column.n_rows
    if share == 0:
        rules.append(
            SuggestedExpectation(
                "column_values_to_not_be_null",
                (("column", column.name),),
                f"none of {column.n_rows:,} rows lacks it",
            )
        )
    elif share < 1 - NULL_MARGIN:
        least = math.floor(100 * (1 - share - NULL_MARGIN)) / 100
        if least > 0:
            rules.append(
                SuggestedExpectation(
                    "column_values_to_not_be_null",
                    (("column", column.name), ("mostly", least)),
                    f"{share:.1%} of the rows lack it, {NULL_MARGIN:.0%} more are allowed",
                )
            )
    # Identifiers grow: their range says nothing.
    if column.is_number and column.n_distinct > 2 and not is_key and not is_code(column):
        rules += _range(column)
    if (
        column.type == "string"
        and 1 < column.n_distinct <= MAX_SET
        and column.n_distinct < 0.2 * column.n_present
    ):
        rules.append(
            SuggestedExpectation(
                "column_values_to_be_in_set",
                (
                    ("column", column.name),
                    ("value_set", [value for value, _ in column.values]),
                    ("mostly", 0.99),
                ),
                f"{column.n_distinct} categories; 1% may be new ones",
            )
        )
    return rules


def _range(column: Column) -> list[SuggestedExpectation]:
    """Bound numbers by what was seen; not where a tail is so wild that its end is chance."""
    if column.low is None or column.high is None:
        return []
    low, high = column.low, column.high
    width = high - low
    first, _, third = column.quartiles
    # Mostly one value: then what all but a thousandth of the values span.
    spread = (third - first) or (column.extremes[1] - column.extremes[0])
    bounds: list[tuple[str, object]] = []
    if low >= 0 or low >= first - WILD * spread:
        # What is never negative, or never positive, stays so.
        bounds.append(("min_value", 0 if low >= 0 else _outward(low - MARGIN * width, width, -1)))
    if high <= 0 or high <= third + WILD * spread:
        bounds.append(("max_value", 0 if high <= 0 else _outward(high + MARGIN * width, width, 1)))
    if not bounds:
        return []
    reason = f"seen {_number(low)} to {_number(high)}, {MARGIN:.0%} of the range beyond is allowed"
    if len(bounds) < 2:
        side = "greatest" if bounds[0][0] == "min_value" else "least"
        reason = f"seen {_number(low)} to {_number(high)}; the {side} values lie too far out to be a limit"
    return [SuggestedExpectation("column_values_to_be_between", (("column", column.name), *bounds), reason)]


def _outward(value: float, width: float, direction: int) -> float | int:
    """Round away from the data, to two digits of its range."""
    if not width or not value:
        return value or 0
    step = 10.0 ** (math.floor(math.log10(width)) - 1)
    rounded = (math.floor if direction < 0 else math.ceil)(value / step) * step
    if not math.isfinite(rounded):
        return value
    tidy = round(rounded, max(0, 1 - math.floor(math.log10(step))))
    # Rounding for the eye must not cut what was seen.
    tidy = min(tidy, value) if direction < 0 else max(tidy, value)
    return int(tidy) if float(tidy).is_integer() and abs(tidy) < 2**53 else tidy


def _number(value: float) -> str:
    return f"{value:.6g}"
