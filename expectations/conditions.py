"""Row rules in SQL: the rows that a rule judges, and the condition of the good ones.

Named after Great Expectations' conditions, whose meaning on pandas they keep: NaN is missing,
missing values are not judged by rules on one column, and rules on several columns say which
missing values they ignore. A condition that SQL cannot express in the same meaning is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from declaration.sql import quote_literal
from expectations.literals import NUMERIC, TEMPORAL, Kind, column_sql, literal
from expectations.regex import portable_regex

Arguments = Mapping[str, object]
"""Arguments of one expectation, or of one of Great Expectations' metrics."""
Kinds = Mapping[str, Kind]
"""Kind of every column of the table."""


@dataclass(frozen=True)
class RowCondition:
    """A rule on rows.

    Attributes
    ----------
    columns
        SQL of the columns that the rule reads.
    is_judged
        SQL that is true for rows that the rule judges; never NULL.
    is_bad
        SQL that is true for rows that break the rule, and false or NULL for all others. None where
        a row is good by being the only one with its values, which takes a grouping.
    """

    columns: tuple[str, ...]
    is_judged: str
    is_bad: str | None

    @property
    def is_bad_row(self) -> str:
        """SQL that tells bad rows one by one; by a window over rows with the same values where needed."""
        if self.is_bad is not None:
            return self.is_bad
        keys = ", ".join(self.columns)
        n_alike = f"count(CASE WHEN {self.is_judged} THEN 1 END) OVER (PARTITION BY {keys})"
        return f"({self.is_judged}) AND {n_alike} > 1"


def row_condition(name: str, arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    """Write one of Great Expectations' conditions as SQL; None where it must be left to Great Expectations."""
    build = CONDITIONS.get(name)
    if build is None or not all(column in kinds for column in _column_names(arguments)):
        return None
    return build(arguments, kinds)


def _column_names(arguments: Arguments) -> tuple[str, ...]:
    names = [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    several = arguments.get("column_list", ())
    assert isinstance(several, Sequence)
    return tuple(str(name) for name in [*names, *several])


def _columns(arguments: Arguments, kinds: Kinds) -> tuple[str, ...]:
    return tuple(column_sql(name, kinds[name]) for name in _column_names(arguments))


def _column(arguments: Arguments, kinds: Kinds) -> tuple[str, Kind]:
    name = str(arguments["column"])
    return column_sql(name, kinds[name]), kinds[name]


def _of_present(column: str, is_good: str | None) -> RowCondition:
    """Judge rows that hold a value; `is_good` is NULL for the others, and only for them."""
    return RowCondition((column,), f"{column} IS NOT NULL", None if is_good is None else f"NOT ({is_good})")


def _is_present(arguments: Arguments, kinds: Kinds) -> RowCondition:
    column, _ = _column(arguments, kinds)
    return RowCondition((column,), "true", f"{column} IS NULL")


def _is_missing(arguments: Arguments, kinds: Kinds) -> RowCondition:
    column, _ = _column(arguments, kinds)
    return RowCondition((column,), "true", f"{column} IS NOT NULL")


def _is_alone(arguments: Arguments, kinds: Kinds) -> RowCondition:
    column, _ = _column(arguments, kinds)
    return _of_present(column, None)


def _is_between(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    column, kind = _column(arguments, kinds)
    if kind not in NUMERIC | TEMPORAL:
        return None
    is_good = _between(column, kind, arguments)
    return None if is_good is None else _of_present(column, is_good)


def _between(quantity: str, kind: Kind, arguments: Arguments) -> str | None:
    bounds = []
    for bound, is_strict, operator in (("min_value", "strict_min", ">"), ("max_value", "strict_max", "<")):
        value = arguments.get(bound)
        if value is None:
            continue
        limit = literal(value, kind)
        if limit is None:
            return None
        bounds.append(f"{quantity} {operator}{'' if arguments.get(is_strict) else '='} {limit}")
    return " AND ".join(bounds) or None


def _is_in_set(arguments: Arguments, kinds: Kinds, *, is_wanted: bool) -> RowCondition | None:
    column, kind = _column(arguments, kinds)
    values = arguments.get("value_set")
    if not isinstance(values, list | tuple | set) or kind == "other":
        return None
    listed = membership(column, kind, list(values))
    return _of_present(column, listed if is_wanted else f"NOT ({listed})")


def membership(column: str, kind: Kind, values: Sequence[object]) -> str:
    """Write that a column holds one of some values; values of other types equal nothing."""
    listed = [text for text in (literal(value, kind) for value in values) if text is not None]
    return f"{column} IN ({', '.join(listed)})" if listed else "false"


def _has_length(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    column, kind = _column(arguments, kinds)
    if kind != "string":  # Great Expectations measures Python's spelling of other types
        return None
    if "value" in arguments:
        exact = literal(arguments["value"], "float")
        return None if exact is None else _of_present(column, f"length({column}) = {exact}")
    is_good = _between(f"length({column})", "int", arguments)
    return None if is_good is None else _of_present(column, is_good)


def _matches(arguments: Arguments, kinds: Kinds, *, key: str, is_wanted: bool) -> RowCondition | None:
    column, kind = _column(arguments, kinds)
    argument = arguments.get(key)
    patterns = [argument] if isinstance(argument, str) else argument
    if kind != "string" or not isinstance(patterns, list | tuple) or not patterns:
        return None
    portable = [portable_regex(str(pattern)) for pattern in patterns]
    conditions = [f"regexp_matches({column}, {quote_literal(p)})" for p in portable if p is not None]
    if len(conditions) < len(portable):
        return None
    joined = (" AND " if arguments.get("match_on") == "all" else " OR ").join(conditions)
    return _of_present(column, f"({joined})" if is_wanted else f"NOT ({joined})")


def _is_like(arguments: Arguments, kinds: Kinds, *, key: str, is_wanted: bool) -> RowCondition | None:
    column, kind = _column(arguments, kinds)
    argument = arguments.get(key)
    patterns = [argument] if isinstance(argument, str) else argument
    if kind != "string" or not isinstance(patterns, list | tuple) or not patterns:
        return None
    escape = arguments.get("escape")
    suffix = f" ESCAPE {quote_literal(str(escape))}" if escape else ""
    conditions = [f"{column} LIKE {quote_literal(str(pattern))}{suffix}" for pattern in patterns]
    joined = (" AND " if arguments.get("match_on") == "all" else " OR ").join(conditions)
    return _of_present(column, f"({joined})" if is_wanted else f"NOT ({joined})")


_JUDGED: Mapping[object, str | None] = {
    "both_values_are_missing": " OR ", "all_values_are_missing": " OR ",
    "either_value_is_missing": " AND ", "any_value_is_missing": " AND ",
    "neither": None, "never": None,
}  # fmt: skip
"""Operator that joins the presence of the columns, by what Great Expectations ignores; None judges all rows."""


def _ignoring(arguments: Arguments, columns: tuple[str, ...], is_good: str | None) -> RowCondition | None:
    """Add which rows a rule on several columns ignores; a comparison with a missing value is bad."""
    ignored = arguments.get("ignore_row_if")
    if ignored not in _JUDGED:
        return None
    joint = _JUDGED[ignored]
    is_judged = "true" if joint is None else joint.join(f"{column} IS NOT NULL" for column in columns)
    is_bad = None if is_good is None else f"({is_judged}) AND NOT coalesce({is_good}, false)"
    return RowCondition(columns, is_judged, is_bad)


def _are_comparable(names: Sequence[str], kinds: Kinds) -> bool:
    """Tell whether the engine compares these columns as pandas does: numbers, or all of one kind."""
    kinds_of_columns = {kinds[name] for name in names}
    return "other" not in kinds_of_columns and (len(kinds_of_columns) == 1 or kinds_of_columns <= NUMERIC)


def _pair(arguments: Arguments, kinds: Kinds, *, operator: str) -> RowCondition | None:
    columns = _columns(arguments, kinds)
    if not _are_comparable(_column_names(arguments), kinds):
        return None
    sign = operator + ("=" if operator == ">" and arguments.get("or_equal") else "")
    return _ignoring(arguments, columns, f"{columns[0]} {sign} {columns[1]}")


def _pair_in_set(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    columns = _columns(arguments, kinds)
    pairs = arguments.get("value_pairs_set")
    if not isinstance(pairs, list | tuple | set):
        return None
    pair_kinds = [kinds[name] for name in _column_names(arguments)]
    tests = [
        " AND ".join(
            f"{column} IS NULL" if value is None else membership(column, kind, [value])
            for column, kind, value in zip(columns, pair_kinds, pair, strict=True)
        )
        for pair in pairs
    ]
    return _ignoring(arguments, columns, " OR ".join(f"({text})" for text in tests) or "false")


def _are_alone(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    return _ignoring(arguments, _columns(arguments, kinds), None)


def _have_sum(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    columns = _columns(arguments, kinds)
    total = literal(arguments.get("sum_total"), "float")
    if total is None or not {kinds[name] for name in _column_names(arguments)} <= NUMERIC:
        return None
    return _ignoring(arguments, columns, f"{' + '.join(columns)} = {total}")


def _are_equal(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    columns = _columns(arguments, kinds)
    if not _are_comparable(_column_names(arguments), kinds):
        return None
    same = [f"{columns[0]} IS NOT DISTINCT FROM {column}" for column in columns[1:]]
    return _ignoring(arguments, columns, " AND ".join(same) or "true")


def _differ_within_row(arguments: Arguments, kinds: Kinds) -> RowCondition | None:
    columns = _columns(arguments, kinds)
    if not _are_comparable(_column_names(arguments), kinds):
        return None
    different = [f"{column} IS DISTINCT FROM {other}" for column, other in combinations(columns, 2)]
    return _ignoring(arguments, columns, " AND ".join(different) or "true")


CONDITIONS: Mapping[str, Callable[[Arguments, Kinds], RowCondition | None]] = {
    "column_values.nonnull": _is_present,
    "column_values.null": _is_missing,
    "column_values.unique": _is_alone,
    "column_values.between": _is_between,
    "column_values.in_set": partial(_is_in_set, is_wanted=True),
    "column_values.not_in_set": partial(_is_in_set, is_wanted=False),
    "column_values.value_length.between": _has_length,
    "column_values.value_length.equals": _has_length,
    "column_values.match_regex": partial(_matches, key="regex", is_wanted=True),
    "column_values.not_match_regex": partial(_matches, key="regex", is_wanted=False),
    "column_values.match_regex_list": partial(_matches, key="regex_list", is_wanted=True),
    "column_values.not_match_regex_list": partial(_matches, key="regex_list", is_wanted=False),
    "column_values.match_like_pattern": partial(_is_like, key="like_pattern", is_wanted=True),
    "column_values.not_match_like_pattern": partial(_is_like, key="like_pattern", is_wanted=False),
    "column_values.match_like_pattern_list": partial(_is_like, key="like_pattern_list", is_wanted=True),
    "column_values.not_match_like_pattern_list": partial(_is_like, key="like_pattern_list", is_wanted=False),
    "column_pair_values.equal": partial(_pair, operator="="),
    "column_pair_values.a_greater_than_b": partial(_pair, operator=">"),
    "column_pair_values.in_set": _pair_in_set,
    "compound_columns.unique": _are_alone,
    "multicolumn_sum.equal": _have_sum,
    "multicolumn_values.equal": _are_equal,
    "select_column_values.unique.within_record": _differ_within_row,
}
"""Great Expectations' conditions that SQL expresses in the same meaning."""
