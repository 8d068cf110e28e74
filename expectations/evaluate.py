"""Evaluate declared expectations with Great Expectations' verdicts and one scan of the table.

Great Expectations says which metrics a rule needs and judges them; the metrics themselves come
from one SELECT (and one GROUP BY per key). Rules that the SQL does not know are evaluated by
Great Expectations on pandas over the columns they need, and the result says so.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from declaration.datasets import ExpectationSpec
from declaration.sql import quote_identifier
from expectations.conditions import Kinds
from expectations.literals import TEMPORAL, instant_for, kind_of
from expectations.metrics_sql import Following, Known, Metric, Scanned, TableShape, metric_sql, statement
from expectations.names import expectation_names
from expectations.results import ExpectationError, ExpectationResult

if TYPE_CHECKING:
    import duckdb

ONE_SCAN = "one scan"
ON_PANDAS = "great expectations on pandas"

_BOUNDS = ("min_value", "max_value")
_LISTS = ("value_set",)


@dataclass(frozen=True)
class _DeclaredRule:
    """One declared expectation, as Great Expectations' object."""

    name: str
    spec: ExpectationSpec
    expectation: Any
    format: Mapping[str, object]


@dataclass(frozen=True)
class _Plan:
    """Metrics and result format by which Great Expectations judges one rule.

    Attributes
    ----------
    metrics
        By the name under which the rule asks for them.
    result_format
        As Great Expectations completed it.
    """

    metrics: Mapping[str, Metric]
    result_format: Mapping[str, object]


class _UnknownMetricError(Exception):
    """A metric that our SQL does not know."""


def evaluate(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    expectations: Sequence[ExpectationSpec],
    *,
    n_examples: int = 20,
) -> tuple[ExpectationResult, ...]:
    """Evaluate expectations on all rows of a relation.

    Parameters
    ----------
    connection
        Connection that can read the relation.
    relation
        SQL of the table: anything that may follow FROM.
    expectations
        Rules in declared order.
    n_examples
        Unexpected values to report per rule.

    Returns
    -------
    tuple[ExpectationResult, ...]
        One result per expectation, in declared order. A rule that could not be evaluated has an error.

    Raises
    ------
    ExpectationError
        If the relation cannot be read, or a result is missing.
    """
    if not expectations:
        return ()
    import_great_expectations()
    shape = TableShape(_kinds(connection, relation), n_examples)
    rules: list[_DeclaredRule] = []
    results: dict[str, ExpectationResult] = {}
    for name, spec in zip(expectation_names(expectations), expectations, strict=True):
        try:
            rules.append(_rule(name, spec, shape))
        except Exception as error:  # noqa: BLE001 (Great Expectations' and pydantic's own errors become this rule's)
            results[name] = _broken(name, spec, ONE_SCAN, error)
    results |= _judge_in_one_scan(connection, relation, rules, shape)
    left = [rule for rule in rules if rule.name not in results]
    results |= _judge_on_pandas(connection, relation, left, shape)
    names = expectation_names(expectations)
    if set(results) != set(names):
        raise ExpectationError(
            f"{len(names)} expectations were declared and {len(results)} were evaluated. "
            "This is a fault of Driftline: please report it with the declaration."
        )
    return tuple(results[name] for name in names)


def import_great_expectations() -> None:
    """Import Great Expectations once, silent: it costs seconds, so nothing imports it before it is needed."""
    # Read at import: no telemetry leaves the machine.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of modules that Python deprecates
        import great_expectations.expectations.core
        import great_expectations.validator.validator  # noqa: F401


def _kinds(connection: duckdb.DuckDBPyConnection, relation: str) -> Kinds:
    import duckdb

    try:
        described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
    except duckdb.Error as error:
        raise ExpectationError(f"the rows to be checked cannot be read: {error}") from error
    return {name: kind_of(str(kind)) for name, kind in zip(described.columns, described.types, strict=True)}


def _rule(name: str, spec: ExpectationSpec, shape: TableShape) -> _DeclaredRule:
    """Build Great Expectations' object, which checks the arguments."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    configuration = ExpectationConfiguration(
        type=f"expect_{spec.expect}",
        kwargs=_arguments(spec, shape.kinds),
        severity=FailureSeverity(spec.severity),
    )
    result_format = {"result_format": "BASIC", "partial_unexpected_count": shape.n_examples}
    return _DeclaredRule(name, spec, configuration.to_domain_obj(), result_format)


def _arguments(spec: ExpectationSpec, kinds: Kinds) -> dict[str, object]:
    """Return the arguments with instants spelled as the column holds them.

    Great Expectations refuses to compare a date with an instant, or instants with and without zone.
    """
    kind = kinds.get(str(spec.arguments.get("column")), "other")
    if kind not in TEMPORAL:
        return dict(spec.arguments)

    def spelled(value: object) -> object:
        instant = instant_for(value, kind)
        return value if instant is None else instant.isoformat(timespec="microseconds")

    arguments = dict(spec.arguments)
    arguments |= {key: spelled(arguments[key]) for key in _BOUNDS if arguments.get(key) is not None}
    for key in _LISTS:
        if isinstance(arguments.get(key), list | tuple):
            arguments[key] = [spelled(value) for value in cast("Sequence[object]", arguments[key])]
    return arguments


def _judge_in_one_scan(
    connection: duckdb.DuckDBPyConnection, relation: str, rules: Sequence[_DeclaredRule], shape: TableShape
) -> dict[str, ExpectationResult]:
    """Judge all rules whose metrics SQL knows; the others are left out."""
    plans: dict[str, _Plan] = {}
    for rule in rules:
        try:
            plans[rule.name] = _plan(rule, shape)
        except _UnknownMetricError:
            continue
    values = compute(
        connection, relation, [metric for plan in plans.values() for metric in plan.metrics.values()]
    )
    return {rule.name: _judge(rule, plans[rule.name], values) for rule in rules if rule.name in plans}


def _plan(rule: _DeclaredRule, shape: TableShape) -> _Plan:
    """Write the SQL of every metric that Great Expectations needs for a rule."""
    try:
        needed = rule.expectation.get_validation_dependencies(
            execution_engine=None, runtime_configuration={"result_format": dict(rule.format)}
        )
    except Exception as error:  # some rules ask the engine for the column's type
        raise _UnknownMetricError from error
    metrics: dict[str, Metric] = {}
    for name, configuration in needed.metric_configurations.items():
        arguments = {**configuration.metric_domain_kwargs, **configuration.metric_value_kwargs}
        metric = metric_sql(configuration.metric_name, arguments, shape)
        if metric is None:
            raise _UnknownMetricError(configuration.metric_name)
        metrics[name] = metric
    return _Plan(metrics, needed.result_format)


def compute(
    connection: duckdb.DuckDBPyConnection, relation: str, metrics: Sequence[Metric]
) -> dict[int, object]:
    """Compute metrics, each once; give values by the metric's identity, errors as values.

    Most metrics come from the first scan. What depends on them, such as examples of bad rows,
    is read in a second one, and only where there is something to read.
    """
    first = [m.first if isinstance(m, Following) else m for m in metrics if not isinstance(m, Known)]
    values = _scan(connection, relation, dict.fromkeys(first))
    resolved: dict[int, Known | Scanned] = {}
    for metric in metrics:
        if isinstance(metric, Following):
            value = values[metric.first]
            resolved[id(metric)] = metric.then(value) if isinstance(value, int) else metric.first
        else:
            resolved[id(metric)] = metric
    left = [m for m in resolved.values() if isinstance(m, Scanned) and m not in values]
    values |= _scan(connection, relation, dict.fromkeys(left))
    return {key: m.value if isinstance(m, Known) else values[m] for key, m in resolved.items()}


def _scan(
    connection: duckdb.DuckDBPyConnection, relation: str, metrics: Iterable[Scanned]
) -> dict[Scanned, object]:
    """Compute metrics in one statement per source; a metric that fails gets its error as value."""
    import duckdb

    by_source: dict[str, list[str]] = {}
    for metric in metrics:
        by_source.setdefault(metric.source, []).append(metric.expression)
    values: dict[Scanned, object] = {}
    for source, expressions in by_source.items():
        try:
            values |= _select(connection, relation, source, expressions)
        except duckdb.Error:
            for expression in expressions:  # find the one that fails, and keep the others
                try:
                    values |= _select(connection, relation, source, [expression])
                except duckdb.Error as error:
                    values[Scanned(source, expression)] = error
    return values


def _select(
    connection: duckdb.DuckDBPyConnection, relation: str, source: str, expressions: list[str]
) -> dict[Scanned, object]:
    (row,) = connection.execute(statement(relation, source, expressions)).fetchall()
    return {Scanned(source, text): value for text, value in zip(expressions, row, strict=True)}


def _judge(rule: _DeclaredRule, plan: _Plan, values: Mapping[int, object]) -> ExpectationResult:
    """Hand the metrics to Great Expectations and take its verdict."""
    metrics = {name: values[id(metric)] for name, metric in plan.metrics.items()}
    failed = next((value for value in metrics.values() if isinstance(value, Exception)), None)
    if failed is not None:
        return _broken(rule.name, rule.spec, ONE_SCAN, failed)
    try:
        # `metrics_validate` would ask once more which metrics are needed, and copy the verdict: most of a rule's cost.
        verdict = rule.expectation._validate(
            metrics=metrics, runtime_configuration={"result_format": dict(plan.result_format)}
        )
    except Exception as error:  # noqa: BLE001 (whatever a rule raises is that rule's error, not a failure)
        return _broken(rule.name, rule.spec, ONE_SCAN, error)
    if not isinstance(verdict, dict):
        return _result(rule, verdict.success, verdict.result, ONE_SCAN)
    return _result(rule, verdict["success"], verdict.get("result"), ONE_SCAN)


def _judge_on_pandas(
    connection: duckdb.DuckDBPyConnection, relation: str, rules: Sequence[_DeclaredRule], shape: TableShape
) -> dict[str, ExpectationResult]:
    """Let Great Expectations compute the metrics itself, over the columns that each rule names."""
    if not rules:
        return {}
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("engine").add_dataframe_asset("rows")
    definition = asset.add_batch_definition_whole_dataframe("all")
    judged = {}
    for rule in rules:
        columns = ", ".join(quote_identifier(name) for name in _named_columns(rule.spec, shape.kinds))
        try:
            frame = connection.sql(f"SELECT {columns} FROM {relation}").df()
            batch = definition.get_batch({"dataframe": frame})
            verdict = batch.validate(rule.expectation, result_format=dict(rule.format))
        except Exception as error:  # noqa: BLE001 (whatever a rule raises is that rule's error, not a failure)
            judged[rule.name] = _broken(rule.name, rule.spec, ON_PANDAS, error)
            continue
        raised = _raised(verdict.exception_info)
        judged[rule.name] = (
            _broken(rule.name, rule.spec, ON_PANDAS, ExpectationError(raised))
            if raised
            else _result(rule, verdict.success, verdict.result, ON_PANDAS)
        )
    return judged


def _named_columns(spec: ExpectationSpec, kinds: Kinds) -> list[str]:
    """List the table's columns that the rule names; all for rules on the table."""
    named = {spec.arguments.get(key) for key in ("column", "column_A", "column_B")}
    several = spec.arguments.get("column_list")
    if isinstance(several, list | tuple) and not spec.expect.startswith("table_"):
        named |= set(several)
    chosen = [name for name in kinds if name in named]
    return chosen or list(kinds)


def _raised(info: Mapping[str, Any] | None) -> str | None:
    """Return the message of an exception that Great Expectations caught, if any."""
    if not info:
        return None
    infos = [info] if "raised_exception" in info else list(info.values())
    return next((str(i.get("exception_message")) for i in infos if i.get("raised_exception")), None)


def _result(rule: _DeclaredRule, success: object, raw: object, way: str) -> ExpectationResult:
    from great_expectations.util import convert_to_json_serializable

    plain: Any = raw
    result: dict[str, Any] = convert_to_json_serializable(plain) or {}
    n_unexpected, n_rows = result.get("unexpected_count"), result.get("element_count")
    return ExpectationResult(
        name=rule.name,
        spec=rule.spec,
        is_passed=bool(success),
        error=None,
        way=way,
        n_evaluated=None if n_rows is None else n_rows - (result.get("missing_count") or 0),
        n_unexpected=None if n_rows is None else n_unexpected,
        result=result,
    )


def _broken(name: str, spec: ExpectationSpec, way: str, error: Exception) -> ExpectationResult:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ExpectationResult(name=name, spec=spec, is_passed=False, error=" ".join(lines)[:1000], way=way)
