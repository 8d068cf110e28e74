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
    """

    instant: datetime
    seed: str


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
    kept = {*dataset.key, dataset.event_time, *fixed}
    changed = [
        f"CASE WHEN {_is_later(dataset.column(name).known_at or happened, perturbation)} THEN "
        f"CASE WHEN {_is_chosen(name, dataset, perturbation)} THEN NULL "
        f"ELSE {_SHIFTED[dataset.column(name).type].format(quote_identifier(name))} END "
        f"ELSE {quote_identifier(name)} END AS {quote_identifier(name)}"
        for name in dataset.columns
        if name not in kept and not dataset.is_made(name)
    ]
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    is_gone = f"{_is_later(_announced(dataset, happened), perturbation)} AND {_is_chosen('row', dataset, perturbation)}"
    return f"SELECT *{replaced} FROM {relation} WHERE NOT coalesce({is_gone}, false)"


def _announced(dataset: DatasetSpec, happened: str) -> str:
    """Return the SQL of the first instant at which anything of a row is known."""
    known = {found for name in dataset.columns if (found := dataset.column(name).known_at)}
    if dataset.event_time is not None and dataset.column(dataset.event_time).known_at is None:
        known.add(happened)
    return f"least({', '.join(f'({sql})' for sql in sorted(known))})"


def _is_later(known: str, perturbation: Perturbation) -> str:
    return f"({known}) > {quote_literal(perturbation.instant.isoformat())}::TIMESTAMPTZ"


def _is_chosen(what: str, dataset: DatasetSpec, perturbation: Perturbation) -> str:
    """Choose every second row, by its identity: the same ones wherever and however often it is asked."""
    identity = dict.fromkeys((*dataset.key, dataset.event_time or ""))
    columns = ", ".join(quote_identifier(name) for name in identity)
    # Hashed twice: the bits of a hash of several values are those of each, combined, so that choices would agree.
    return f"hash(hash({columns}, {quote_literal(f'{perturbation.seed} {what}')})) % 2 = 0"
