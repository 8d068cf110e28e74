"""Days from which on a source has a column, and from which on it need not: what a window's files may lack, and what is NULL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from declaration.datasets import ColumnSpec, DatasetSpec
from declaration.partition_sql import event_instant
from declaration.partitioning import Window
from declaration.sql import quote_identifier, quote_literal


def with_lacking_columns(
    dataset: DatasetSpec, window: Window | None, *, timezone: str, clock: datetime, is_folder: bool
) -> DatasetSpec:
    """Return a dataset as one window of it is read: columns that its files may lack are optional.

    Parameters
    ----------
    dataset
        As declared.
    window
        The window; None for a reference table, of which the clock tells the day.
    timezone
        Zone in which the days begin.
    clock
        The present instant.
    is_folder
        Whether files of other windows are read with those of this one: which files may lack a column
        is decided by their rows then.
    """
    start, end = (window.start, window.end) if window else (clock, clock)

    def may_lack(form: ColumnSpec) -> bool:
        is_before = form.since is not None and (is_folder or start < _first_instant(form.since, timezone))
        is_after = form.deprecated is not None and (
            is_folder or end > _first_instant(form.deprecated, timezone)
        )
        return form.sql is None and (is_before or is_after)

    columns = {
        name: form.model_copy(update={"optional": True}) if may_lack(form) else dataset.columns[name]
        for name in dataset.columns
        if (form := dataset.column(name))
    }
    return dataset.model_copy(update={"columns": columns})


def must_have(dataset: DatasetSpec, window: Window | None, *, timezone: str) -> Sequence[str]:
    """List the columns that every file with rows of a window must have, though files of other windows may lack them."""
    if window is None:
        return []
    return [
        name
        for name in dataset.columns
        if (form := dataset.column(name)).sql is None
        and not form.optional
        and (form.since is not None or form.deprecated is not None)
        and (form.since is None or window.start >= _first_instant(form.since, timezone))
        and (form.deprecated is None or window.end <= _first_instant(form.deprecated, timezone))
    ]


def selected_columns(dataset: DatasetSpec, window: Window | None, *, timezone: str) -> str:
    """Return the SQL of the declared columns of rows that were read: NULL before the day that a column is there since."""
    return ", ".join(_selected(dataset, name, window, timezone) for name in dataset.columns)


def _selected(dataset: DatasetSpec, name: str, window: Window | None, timezone: str) -> str:
    column, since = quote_identifier(name), dataset.column(name).since
    if since is None or window is None or window.start >= _first_instant(since, timezone):
        return column
    first = quote_literal(_first_instant(since, timezone).isoformat())
    return (
        f"CASE WHEN {event_instant(dataset, timezone)} >= {first}::TIMESTAMPTZ THEN {column} END AS {column}"
    )


def _first_instant(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(timezone))
