"""Metrics of Great Expectations as SQL: expressions to be gathered into one SELECT per source.

A source is a FROM clause: the table itself, or the table grouped by a key. `metric_sql` gives a
metric's source and expression, or None where the metric must be left to Great Expectations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from declaration.sql import quote_literal
from expectations.conditions import Arguments, Kinds, RowCondition, membership, row_condition
from expectations.literals import NUMERIC, Kind, column_sql, literal

TABLE = "rows_read"
"""Name under which the table stands in the statements."""


@dataclass(frozen=True)
class Known:
    """A metric whose value needs no scan."""

    value: object


@dataclass(frozen=True)
class Scanned:
    """A metric to be computed: one expression over one source."""

    source: str
    expression: str


@dataclass(frozen=True)
class Following:
    """A metric whose SQL depends on another's value: it is computed after it, or not at all."""

    first: Scanned
    then: Callable[[int], Known | Scanned]


Metric = Known | Scanned | Following


@dataclass(frozen=True)
class TableShape:
    """Shape of a table, known before it is scanned."""

    kinds: Kinds
    """Kind of every column, in order."""
    n_examples: int = 20
    """Unexpected values to report per rule."""


def metric_sql(name: str, arguments: Arguments, shape: TableShape) -> Metric | None:
    """Write one metric as SQL, or None where it must be left to Great Expectations.

    Parameters
    ----------
    name
        Great Expectations' name of the metric: `column_values.between.unexpected_count`.
    arguments
        Domain and values of the metric.
    shape
        Columns of the table.
    """
    if arguments.get("row_condition") or arguments.get("table"):
        return None
    table = _table_metric(name, shape)
    if table is not None:
        return table
    for suffix, build in _MAP_METRICS.items():
        if name.endswith(suffix):
            condition = row_condition(name.removesuffix(suffix), arguments, shape.kinds)
            return None if condition is None else build(condition, shape)
    column = str(arguments.get("column"))
    kind = shape.kinds.get(column)
    aggregate = _AGGREGATES.get(name)
    if kind is None or aggregate is None:
        return None
    return aggregate(column_sql(column, kind), kind, arguments)


def statement(relation: str, source: str, expressions: Sequence[str]) -> str:
    """Write the SELECT of some expressions over one source of a relation (anything that may follow FROM)."""
    table = f"WITH {TABLE} AS NOT MATERIALIZED (SELECT * FROM {relation})"
    return f"{table} SELECT {', '.join(expressions)} FROM {source}"


def _table_metric(name: str, shape: TableShape) -> Known | Scanned | None:
    if name == "table.row_count":
        return Scanned(TABLE, "count(*)")
    if name == "table.columns":
        return Known(list(shape.kinds))
    return Known(len(shape.kinds)) if name == "table.column_count" else None


def _unexpected_count(condition: RowCondition, _: TableShape) -> Scanned:
    # FILTER would be clearer, but in a wide SELECT it costs several times the CPU of CASE (DuckDB 2.0).
    if condition.is_bad is None:
        return Scanned(_repeated(condition), "coalesce(sum(n), 0)::BIGINT")
    return Scanned(TABLE, f"count(CASE WHEN {condition.is_bad} THEN 1 END)")


def _judged_count(condition: RowCondition, _: TableShape) -> Scanned:
    return Scanned(TABLE, f"count(CASE WHEN {condition.is_judged} THEN 1 END)")


def _unexpected_values(condition: RowCondition, shape: TableShape) -> Metric:
    """Report the smallest unexpected values: the same ones whatever the order of rows and threads."""
    if shape.n_examples == 0:
        return Known([])
    columns = (
        condition.columns if condition.is_bad else [f"k{place}" for place in range(len(condition.columns))]
    )
    row = columns[0] if len(columns) == 1 else f"row({', '.join(columns)})"
    source = f"{TABLE} WHERE {condition.is_bad}" if condition.is_bad else _repeated(condition)
    # min() skips NULL: of missing values, which are all alike, there is nothing to report.
    examples = Scanned(source, f"coalesce(min({row}, {shape.n_examples}), [])")
    return Following(_unexpected_count(condition, shape), lambda n: examples if n else Known([]))


def _repeated(condition: RowCondition) -> str:
    """Write the values that more than one row holds, with the number of these rows."""
    keys = ", ".join(f"{column} AS k{place}" for place, column in enumerate(condition.columns))
    judged = f"FROM {TABLE} WHERE {condition.is_judged}"
    return f"(SELECT {keys}, count(*) AS n {judged} GROUP BY ALL HAVING count(*) > 1)"


_MAP_METRICS: Mapping[str, Callable[[RowCondition, TableShape], Metric]] = {
    ".unexpected_count": _unexpected_count,
    ".filtered_row_count": _judged_count,
    ".unexpected_values": _unexpected_values,
}


def _over_numbers(template: str) -> Callable[[str, Kind, Arguments], Metric | None]:
    def build(column: str, kind: Kind, _: Arguments) -> Scanned | None:
        return Scanned(TABLE, template.format(column=column)) if kind in NUMERIC else None

    return build


def _over_all(template: str) -> Callable[[str, Kind, Arguments], Metric | None]:
    def build(column: str, kind: Kind, _: Arguments) -> Scanned | None:
        return Scanned(TABLE, template.format(column=column)) if kind != "other" else None

    return build


def _other_values(column: str, kind: Kind, arguments: Arguments) -> str | None:
    """Write the column's value where it is not in the declared set, else NULL."""
    values = arguments.get("value_set")
    if not isinstance(values, list | tuple | set) or kind == "other":
        return None
    return f"CASE WHEN NOT ({membership(column, kind, list(values))}) THEN {column} END"


def _n_not_in_set(column: str, kind: Kind, arguments: Arguments) -> Metric | None:
    others = _other_values(column, kind, arguments)
    return None if others is None else Scanned(TABLE, f"count(DISTINCT {others})")


MOST_DISTINCT_VALUES = 20
"""Values listed where Great Expectations on pandas would list all: the count decides, the list shows."""


def _values_not_in_set(column: str, kind: Kind, arguments: Arguments) -> Metric | None:
    others = _other_values(column, kind, arguments)
    if others is None:
        return None
    distinct = f"(SELECT DISTINCT {others} AS v FROM {TABLE})"
    values = Scanned(distinct, f"coalesce(min(v, {MOST_DISTINCT_VALUES}), [])")
    return Following(Scanned(TABLE, f"count(DISTINCT {others})"), lambda n: values if n else Known([]))


def _absent(column: str, kind: Kind, arguments: Arguments) -> str | None:
    """Write the list of declared values that the column does not hold, as texts."""
    values = arguments.get("value_set")
    if not isinstance(values, list | tuple | set) or kind == "other":
        return None
    spelled = dict.fromkeys((literal(value, kind), str(value)) for value in values)
    never = [quote_literal(text) for sql, text in spelled if sql is None]
    text_of = {sql: quote_literal(text) for sql, text in spelled if sql is not None}
    cases = [
        f"CASE WHEN coalesce(bool_or({column} = {sql}), false) THEN NULL ELSE {text} END"
        for sql, text in text_of.items()
    ]
    return f"list_filter([{', '.join([*never, *cases])}]::VARCHAR[], lambda v: v IS NOT NULL)"


def _n_absent(column: str, kind: Kind, arguments: Arguments) -> Metric | None:
    absent = _absent(column, kind, arguments)
    return None if absent is None else Scanned(TABLE, f"len({absent})")


def _values_absent(column: str, kind: Kind, arguments: Arguments) -> Metric | None:
    absent = _absent(column, kind, arguments)
    return None if absent is None else Scanned(TABLE, absent)


def _most_common(column: str, kind: Kind, _: Arguments) -> Metric | None:
    if kind == "other":
        return None
    counted = f"SELECT {column} AS v, count(*) AS n FROM {TABLE} WHERE {column} IS NOT NULL GROUP BY ALL"
    ranked = f"(SELECT v, n = max(n) OVER () AS is_most FROM ({counted}))"
    return Scanned(ranked, "coalesce(list(v ORDER BY v) FILTER (WHERE is_most), [])")


_PLACES: Mapping[str, Callable[[float], tuple[int, ...]]] = {
    "nearest": lambda place: (round(place),),  # half to even, as numpy does
    "lower": lambda place: (math.floor(place),),
    "higher": lambda place: (math.ceil(place),),
    "midpoint": lambda place: (math.floor(place), math.ceil(place)),
}
"""Places in the sorted column whose mean is a quantile, by pandas' names of the interpolations."""


def _quantiles(column: str, kind: Kind, arguments: Arguments) -> Metric | None:
    """Give quantiles as pandas interpolates them; Great Expectations' default is `nearest`."""
    quantiles = arguments.get("quantiles")
    way = str(arguments.get("allow_relative_error") or "nearest")
    if kind not in NUMERIC or not isinstance(quantiles, list | tuple):
        return None
    none = [None] * len(quantiles)
    if way == "linear":
        listed = ", ".join(_double(q) for q in quantiles)
        linear = Scanned(TABLE, f"quantile_cont({column}::DOUBLE, [{listed}])")
        return Following(Scanned(TABLE, f"count({column})"), lambda n: linear if n else Known(none))

    def picked(n: int) -> Known | Scanned:
        if n == 0:
            return Known(none)
        # quantile_disc(p) gives place ceil(p * n) - 1: aim at the middle of the wanted place.
        means = []
        for quantile in quantiles:
            neighbours = [
                f"quantile_disc({column}::DOUBLE, {_double((p + 0.5) / n)})"
                for p in _PLACES[way](quantile * (n - 1))
            ]
            means.append(f"({' + '.join(neighbours)}) / {len(neighbours)}")
        return Scanned(TABLE, f"[{', '.join(means)}]")

    return Following(Scanned(TABLE, f"count({column})"), picked)


def _double(value: float) -> str:
    return f"{quote_literal(repr(float(value)))}::DOUBLE"


_AGGREGATES: Mapping[str, Callable[[str, Kind, Arguments], Metric | None]] = {
    "column.min": _over_all("min({column})"),
    "column.max": _over_all("max({column})"),
    "column.mean": _over_numbers("avg({column}::DOUBLE)"),
    "column.median": _over_numbers("median({column}::DOUBLE)"),
    "column.standard_deviation": _over_numbers("stddev_samp({column}::DOUBLE)"),
    # An empty column sums to 0 on pandas, to NULL in SQL.
    "column.sum": _over_numbers("coalesce(sum({column}), 0)"),
    "column.distinct_values.count": _over_all("count(DISTINCT {column})"),
    "column.unique_proportion": _over_all(
        "CASE WHEN count({column}) = 0 THEN 0 ELSE count(DISTINCT {column}) / count({column}) END"
    ),
    "column.non_null_proportion": _over_all(
        "CASE WHEN count(*) = 0 THEN 0 ELSE count({column}) / count(*) END"
    ),
    "column.distinct_values.not_in_set.count": _n_not_in_set,
    "column.distinct_values.not_in_set": _values_not_in_set,
    "column.distinct_values.missing_from_column.count": _n_absent,
    "column.distinct_values.missing_from_column": _values_absent,
    "column.most_common_value": _most_common,
    "column.quantile_values": _quantiles,
}
