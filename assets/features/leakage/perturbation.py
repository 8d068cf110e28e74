"""Perturbation of a dataset: the values that became known after an instant are replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from declaration.datasets import DatasetSpec
from declaration.partition_sql import event_instant
from declaration.sql import quote_identifier, quote_literal
from declaration.types import ColumnType

_SHIFTED: Mapping[ColumnType, str] = {
    "boolean": "NOT {0}",
    "int": "coalesce(TRY_CAST({0}::HUGEINT + abs({0}::HUGEINT) + 1000 AS BIGINT), {0} - 1)",
    "float": "{0} + abs({0}) + 1000",
    "decimal": "coalesce(TRY({0} + abs({0}) + 1000), {0} - 1)",
    "string": "{0} || '?'",
    "date": "TRY(CAST({0} + INTERVAL 400 DAY AS DATE))",
    "timestamp": "TRY({0} + INTERVAL 400 DAY)",
    "timestamp_tz": "TRY({0} + INTERVAL 400 DAY)",
}
"""Another value of each type. Upwards only: a delay or an instant that is put later makes nothing known earlier."""

_COME_LATE: Mapping[ColumnType, str] = {
    "boolean": "true",
    "int": "1000000",
    "float": "1e6",
    "decimal": "1000000",
    "string": "'?'",
    "date": "DATE '2200-01-01'",
    "timestamp": "TIMESTAMP '2200-01-01'",
    "timestamp_tz": "TIMESTAMPTZ '2200-01-01'",
}
"""What a missing value becomes that comes late: as a span of minutes it is two years."""

KNOWN_PREFIX, LATE_PREFIX = "driftline_known_at_", "driftline_late_"
"""Columns of instants, while a dataset is changed."""


@dataclass(frozen=True)
class Perturbation:
    """Perturbation of all values that became known after an instant.

    Half of the later rows never come, and the later values of the others are empty or moved upwards. What was to
    come, and never did, comes.

    Attributes
    ----------
    instant
        What was known by it, the instant itself included, stays.
    seed
        Decides which rows go, and which values are emptied.
    since
        Rows that happened before it are left out; None leaves none out.
    until
        Nothing that was first known after it comes at all; None lets half of it come, however late.
    """

    instant: datetime
    seed: str
    since: datetime | None = None
    until: datetime | None = None


def perturbed_dataset(
    relation: str,
    dataset: DatasetSpec,
    perturbation: Perturbation,
    *,
    fixed: Collection[str],
    timezone: str,
) -> str:
    """Return the SQL of a dataset's rows with everything changed that was not known by an instant.

    A column is known at its `known_at`, by default at its row's event time; a row as soon as any of its
    columns is. A missing value whose `known_at` cannot be told (NULL) may still come: in half of the rows it does,
    where it would be known after the instant then. Other values that never become known stay, as do reference
    tables, which have no time.

    Parameters
    ----------
    relation
        SQL of the rows as they are.
    dataset
        Their declaration.
    perturbation
        What changes.
    fixed
        Further columns that identify a row, besides its key and its event time: they never change.
    timezone
        Zone in which wall clocks are read.
    """
    if dataset.event_time is None:
        return f"SELECT * FROM {relation}"
    happened = event_instant(dataset, timezone)
    # Each instant is made once for all columns that are known at it: instants and spans are dear to add up.
    known_instants = _names(
        KNOWN_PREFIX, (dataset.column(name).known_at or happened for name in dataset.columns)
    )
    since = "" if perturbation.since is None else f" WHERE {happened} >= {_instant(perturbation.since)}"
    listed = ", ".join(f"({sql}) AS {name}" for sql, name in known_instants.items())
    rows = f"(SELECT *, {listed} FROM {relation}{since})"
    unchanged_columns = {*dataset.key, dataset.event_time, *fixed}
    columns = [
        name for name in dataset.columns if name not in unchanged_columns and not dataset.is_made(name)
    ]
    declared = [name for name in columns if dataset.column(name).known_at is not None]
    late = _names(LATE_PREFIX, (dataset.column(name).known_at for name in declared))
    if late:
        rows = _with_late(rows, dataset, declared, known_instants, late)
    # All of a row's missing values come, or none: the instants are made as if all had.
    all_late = _is_after(f"least({', '.join(late.values())})", perturbation.instant)
    changed = []
    for name in columns:
        known_at = dataset.column(name).known_at
        is_later = _is_after(known_instants[known_at or happened], perturbation.instant)
        is_late = f"{_is_after(late[known_at], perturbation.instant)} AND {all_late}" if known_at else "false"
        changed.append(_changed(name, dataset, perturbation, is_later=is_later, is_late=is_late))
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    # Keys and entities tell nothing by themselves: a row is announced with its event time, or a value that says so.
    saying = [name for name in dataset.columns if dataset.column(name).known_at or name == dataset.event_time]
    instants = dict.fromkeys(known_instants[dataset.column(name).known_at or happened] for name in saying)
    announced = f"least({', '.join(instants)})"
    is_gone = f"{_is_after(announced, perturbation.instant)} AND {_is_chosen('row', dataset, perturbation)}"
    if perturbation.until is not None:
        is_gone = f"{_is_after(announced, perturbation.until)} OR {is_gone}"
    helping = ", ".join((*known_instants.values(), *late.values()))
    return f"SELECT * EXCLUDE ({helping}){replaced} FROM {rows} WHERE NOT coalesce({is_gone}, false)"


def _with_late(
    rows: str,
    dataset: DatasetSpec,
    declared: Sequence[str],
    known_instants: Mapping[str, str],
    late: Mapping[str, str],
) -> str:
    """Add the instants at which values would be known that are missing and of which it is not known when, did they come."""
    quoted = {name: quote_identifier(name) for name in declared}
    filled = ", ".join(
        f"coalesce({column}, {_COME_LATE[dataset.column(name).type]}) AS {column}"
        for name, column in quoted.items()
    )
    originals = {column: f"{LATE_PREFIX}was_{place}" for place, column in enumerate(quoted.values())}
    were = ", ".join(f"{column} AS {was}" for column, was in originals.items())
    back = ", ".join(f"{was} AS {column}" for column, was in originals.items())
    instants = ", ".join(
        f"CASE WHEN {known_instants[sql]} IS NULL THEN TRY({sql}) END AS {name}" for sql, name in late.items()
    )
    return (
        f"(SELECT * EXCLUDE ({', '.join(originals.values())}) REPLACE ({back}), {instants} "
        f"FROM (SELECT * REPLACE ({filled}), {were} FROM {rows}))"
    )


def _changed(
    name: str, dataset: DatasetSpec, perturbation: Perturbation, *, is_later: str, is_late: str
) -> str:
    """Return the SQL of a column's values as they are in the other world."""
    column, kind = quote_identifier(name), dataset.column(name).type
    return (
        f"CASE WHEN {is_later} THEN CASE WHEN {_is_chosen(name, dataset, perturbation)} THEN NULL "
        f"ELSE {_SHIFTED[kind].format(column)} END "
        f"WHEN {column} IS NULL AND {is_late} AND {_is_chosen('late', dataset, perturbation)} THEN {_COME_LATE[kind]} "
        f"ELSE {column} END AS {column}"
    )


def _names(prefix: str, expressions: Iterable[str | None]) -> Mapping[str, str]:
    """Name each expression once."""
    return {sql: f"{prefix}{place}" for place, sql in enumerate(dict.fromkeys(filter(None, expressions)))}


def _is_after(known_instant: str, instant: datetime) -> str:
    return f"{known_instant} > {_instant(instant)}"


def _instant(instant: datetime) -> str:
    return f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"


def _is_chosen(what: str, dataset: DatasetSpec, perturbation: Perturbation) -> str:
    """Choose every second row, by its identity: the same ones wherever and however often it is asked."""
    identity = dict.fromkeys((*dataset.key, dataset.event_time or ""))
    columns = ", ".join(quote_identifier(name) for name in identity)
    # Hashed twice: the bits of a hash of several values are those of each, combined, so that choices would agree.
    return f"hash(hash({columns}, {quote_literal(f'{perturbation.seed} {what}')})) % 2 = 0"
