"""Findings of a rehearsal about each dataset: rows, types, rejects, and the verdict of every rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.materialization import CheckOutcome
from declaration.datasets import DatasetSpec, ExpectationSpec
from declaration.errors import DriftlineError
from declaration.sql import quote_identifier, quote_literal
from driftline.preview.findings import ColumnFacts, DatasetFinding, RejectReason, RuleVerdict, Verdict
from driftline.preview.rehearsal import Rehearsal
from driftline.preview.source_types import source_types
from resources.lake.lake import scan

if TYPE_CHECKING:
    import duckdb

N_SAMPLE = 3
N_REASONS = 5
N_EXAMPLES = 3
MAX_VALUE = 24
"""Characters of a value that are shown."""

MAX_REASON = 160
MAX_LINE = 80
MAX_RULE = 100


def dataset_finding(rehearsal: Rehearsal, name: str) -> DatasetFinding:
    """Say what was read of a dataset, and what its rules say of it."""
    dataset = rehearsal.pipeline.spec.datasets[name]
    raw, profiled = rehearsal.finding("raw", name), rehearsal.finding("profiled", name)
    facts = raw.outcome.metadata if raw is not None and raw.outcome is not None else None
    types = _source_types(rehearsal, name)
    used = {
        form.source or column for column in dataset.columns if (form := dataset.column(column)).sql is None
    }
    n_quarantined = profiled.outcome.metadata.get("n_quarantined", 0) if profiled and profiled.outcome else 0
    return DatasetFinding(
        name=name,
        description=dataset.description,
        source=f"{dataset.source.type} {dataset.source.place}",
        counts=_counts(facts, dataset) if facts is not None else (),
        columns=_columns(rehearsal, name, dataset, types) if facts is not None else (),
        dropped=tuple(f"{column} ({kind})" for column, kind in types.items() if column not in used),
        rejects=_rejects(rehearsal, name) if facts is not None else (),
        rules=_rules(rehearsal, name, dataset),
        n_quarantined=n_quarantined if isinstance(n_quarantined, int) else 0,
        error=next((stage.error for stage in (raw, profiled) if stage is not None and stage.error), ""),
    )


def _source_types(rehearsal: Rehearsal, name: str) -> Mapping[str, str]:
    pipeline, engine = rehearsal.pipeline, rehearsal.connections.engine
    window = rehearsal.windows[-1] if pipeline.spec.datasets[name].is_partitioned else None
    try:
        return source_types(pipeline, name, window, engine, rehearsal.stores)
    except DriftlineError:
        # The raw stage says it.
        return {}


def _counts(facts: Mapping[str, object], dataset: DatasetSpec) -> tuple[str, ...]:
    n_source, n_rows = count(facts, "n_source_rows"), count(facts, "n_rows")
    n_rejected, n_outside = count(facts, "n_rejected"), count(facts, "n_out_of_range")
    where = f", {n_rows:,} in this partition" if dataset.is_partitioned else ""
    lines = [f"{n_source:,} rows in the source{where}"]
    lines.append(f"{n_rejected:,} cannot be read" if n_rejected else "all could be read")
    if n_outside:
        lines.append(f"{n_outside:,} lie before the first or after the last declared partition")
    if "absent_columns" in facts:
        lines.append(f"NULL for want of a column: {facts['absent_columns']}")
    if "note" in facts:
        lines.append(str(facts["note"]))
    return tuple(lines)


def count(facts: Mapping[str, object], name: str) -> int:
    """Return a count that a stage reported; 0 where it has none."""
    value = facts.get(name)
    return value if isinstance(value, int) else 0


def _columns(
    rehearsal: Rehearsal, name: str, dataset: DatasetSpec, types: Mapping[str, str]
) -> tuple[ColumnFacts, ...]:
    snapshot = rehearsal.connections.lake.snapshot(rehearsal.pipeline.table("raw", name))
    selection = [rehearsal.windows[-1].key] if dataset.is_partitioned else None
    with rehearsal.connections.engine.connect() as connection:
        facts = column_facts(connection, scan(snapshot, selection), tuple(dataset.columns))
    columns = []
    for column in dataset.columns:
        form = dataset.column(column)
        origin = " computed" if form.sql is not None else f" from {short(form.source)}" if form.source else ""
        kind = types.get(form.source or column, "") if form.sql is None else ""
        missing, n_distinct, sample = facts[column]
        columns.append(ColumnFacts(column, f"{form.type}{origin}", kind, missing, n_distinct, sample))
    return tuple(columns)


def column_facts(
    connection: duckdb.DuckDBPyConnection, relation: str, names: Sequence[str]
) -> Mapping[str, tuple[float | None, int, tuple[str, ...]]]:
    """Return each column's share of missing values, number of different values, and first values."""
    listed = [quote_identifier(name) for name in names]
    counted = ", ".join(f"count({name}), count(DISTINCT {name})" for name in listed)
    n_rows, *numbers = connection.sql(f"SELECT count(*), {counted} FROM {relation}").fetchall()[0]
    # As Arrow: the engine's own rows of instants want a package of time zones.
    rows = connection.sql(f"SELECT {', '.join(listed)} FROM {relation} LIMIT {N_SAMPLE}").to_arrow_table()
    return {
        name: (
            1 - numbers[2 * position] / n_rows if n_rows else None,
            numbers[2 * position + 1],
            tuple(short(value) for value in rows.column(position).to_pylist()),
        )
        for position, name in enumerate(names)
    }


def _rejects(rehearsal: Rehearsal, name: str) -> tuple[RejectReason, ...]:
    table = rehearsal.pipeline.table("raw_rejects", name)
    if not rehearsal.connections.lake.has(table):
        return ()
    # The value differs from row to row: without it, quoted or at the end (`heat: not a number: hot`), reasons are few.
    unquoted = """regexp_replace(reason, '["''][^"'']*["'']', '…', 'g')"""
    kind = f"regexp_replace({unquoted}, '^([^:]*: [^:]*): .*$', '\\1', 's')"
    with rehearsal.connections.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT count(*) AS n, arg_min(reason, coalesce(line, 0)), min(line), arg_min(raw_text, coalesce(line, 0)) "
            f"FROM {scan(rehearsal.connections.lake.snapshot(table))} GROUP BY {kind} ORDER BY n DESC, {kind} LIMIT {N_REASONS}"
        ).fetchall()
    return tuple(
        RejectReason(n, short(reason, MAX_REASON), line, short(text, MAX_LINE))
        for n, reason, line, text in rows
    )


def _rules(rehearsal: Rehearsal, name: str, dataset: DatasetSpec) -> tuple[RuleVerdict, ...]:
    profiled = rehearsal.finding("profiled", name)
    if profiled is None or profiled.outcome is None:
        return ()
    moved = _quarantined(rehearsal, name)
    return tuple(
        _rule(rehearsal, name, check, rule, moved.get(check.name, 0))
        for check, rule in zip(profiled.outcome.checks, dataset.expectations, strict=True)
    )


def _rule(
    rehearsal: Rehearsal, name: str, check: CheckOutcome, rule: ExpectationSpec, n_quarantined: int
) -> RuleVerdict:
    arguments = ", ".join(f"{key}={value}" for key, value in rule.arguments.items())
    verdict: Verdict = "unknown" if "error" in check.metadata else "holds" if check.is_passed else "fails"
    n_broken = check.metadata.get("n_broken")
    # A rule that holds with `mostly` has rows that broke it too.
    detail = check.description if verdict != "holds" or n_broken else ""
    column = rule.arguments.get("column")
    examples = (
        _examples(rehearsal, name, check.name, column) if n_quarantined and isinstance(column, str) else ()
    )
    return RuleVerdict(
        rule=short(f"{rule.expect}({arguments})", MAX_RULE),
        verdict=verdict,
        detail=short(detail, MAX_REASON),
        policy=f"{rule.severity}, {rule.on_failure}",
        n_quarantined=n_quarantined,
        examples=examples,
        blocks=rule.on_failure == "block" and not check.is_passed,
    )


def _quarantine(rehearsal: Rehearsal, name: str) -> str | None:
    """Return the SQL of this partition's rows in quarantine, if any were written."""
    table = rehearsal.pipeline.table("quarantine", name)
    if not rehearsal.connections.lake.has(table):
        return None
    is_partitioned = rehearsal.pipeline.spec.datasets[name].is_partitioned
    return scan(
        rehearsal.connections.lake.snapshot(table), [rehearsal.windows[-1].key] if is_partitioned else None
    )


def _quarantined(rehearsal: Rehearsal, name: str) -> Mapping[str, int]:
    """Count the rows in quarantine by the rule that they broke."""
    relation = _quarantine(rehearsal, name)
    if relation is None:
        return {}
    with rehearsal.connections.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT rule, count(*) FROM (SELECT unnest(broken_rules) AS rule FROM {relation}) GROUP BY rule"
        ).fetchall()
    return dict(rows)


def _examples(rehearsal: Rehearsal, name: str, check: str, column: str) -> tuple[str, ...]:
    relation, quoted = _quarantine(rehearsal, name), quote_identifier(column)
    if relation is None:
        return ()
    with rehearsal.connections.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT {quoted} FROM {relation} WHERE list_contains(broken_rules, {quote_literal(check)}) "
            f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {N_EXAMPLES}"
        ).to_arrow_table()
    return tuple(short(value) for value in rows.column(0).to_pylist())


def short(value: object, limit: int = MAX_VALUE) -> str:
    """Write a value in one short line; a missing one as a dash."""
    if value is None:
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    text = text.removesuffix("+00:00") if limit == MAX_VALUE else text
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
