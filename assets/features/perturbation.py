"""A dataset as it might have been, had what became known after an instant been otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from assets.raw.window_sql import event_instant
from pipelines.spec import ColumnType, DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

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

KNOWN_PREFIX = "driftline_known_at_"
"""Columns of instants, while a dataset is changed."""


@dataclass(frozen=True)
class Perturbation:
    """What is made different: all that became known after an instant.

    Half of the later rows never come, and the later values of the others are empty or moved upwards.

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
    columns is. What never becomes known (NULL) stays, as do reference tables, which have no time.

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
    made: dict[str, str] = {}
    for name in dataset.columns:
        made.setdefault(dataset.column(name).known_at or happened, f"{KNOWN_PREFIX}{len(made)}")
    kept = {*dataset.key, dataset.event_time, *fixed}
    changed = [
        f"CASE WHEN {_is_after(made[dataset.column(name).known_at or happened], perturbation.instant)} THEN "
        f"CASE WHEN {_is_chosen(name, dataset, perturbation)} THEN NULL "
        f"ELSE {_SHIFTED[dataset.column(name).type].format(quote_identifier(name))} END "
        f"ELSE {quote_identifier(name)} END AS {quote_identifier(name)}"
        for name in dataset.columns
        if name not in kept and not dataset.is_made(name)
    ]
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    # Keys and entities tell nothing by themselves: a row is announced with its event time, or a value that says so.
    saying = [name for name in dataset.columns if dataset.column(name).known_at or name == dataset.event_time]
    announced = f"least({', '.join(dict.fromkeys(made[dataset.column(name).known_at or happened] for name in saying))})"
    is_gone = f"{_is_after(announced, perturbation.instant)} AND {_is_chosen('row', dataset, perturbation)}"
    if perturbation.until is not None:
        is_gone = f"{_is_after(announced, perturbation.until)} OR {is_gone}"
    since = "" if perturbation.since is None else f" WHERE {happened} >= {_instant(perturbation.since)}"
    known = ", ".join(f"({sql}) AS {name}" for sql, name in made.items())
    return (
        f"SELECT * EXCLUDE ({', '.join(made.values())}){replaced} FROM (SELECT *, {known} FROM {relation}{since}) "
        f"WHERE NOT coalesce({is_gone}, false)"
    )


def _is_after(known: str, instant: datetime) -> str:
    return f"{known} > {_instant(instant)}"


def _instant(instant: datetime) -> str:
    return f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"


def _is_chosen(what: str, dataset: DatasetSpec, perturbation: Perturbation) -> str:
    """Choose every second row, by its identity: the same ones wherever and however often it is asked."""
    identity = dict.fromkeys((*dataset.key, dataset.event_time or ""))
    columns = ", ".join(quote_identifier(name) for name in identity)
    # Hashed twice: the bits of a hash of several values are those of each, combined, so that choices would agree.
    return f"hash(hash({columns}, {quote_literal(f'{perturbation.seed} {what}')})) % 2 = 0"
