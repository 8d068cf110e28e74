"""Trial of a declaration on its own file: a type whose values the raw stage would reject is none that the file has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from declaration.datasets import ColumnSpec, DatasetSpec
from pipelines.scaffolding.columns import Column, FileColumns
from pipelines.scaffolding.forms import Form
from pipelines.scaffolding.source import OpenedSource, with_nulls
from sources.read import read_files

FALLBACK = "not all values can be read as {}, so they are kept as text. How should they be read?"


def column_spec(column: Column, event_time: str | None) -> ColumnSpec:
    """Return a column as it is declared; the event time is an instant."""
    kind = "timestamp_tz" if column.name == event_time else column.type
    return ColumnSpec(type=kind, sql=column.sql, null_values=column.null_values)


def as_text_where_rejected(
    opened: OpenedSource, forms: Mapping[str, Form], columns: FileColumns, event_time: str | None
) -> dict[str, Form]:
    """Read the file as declared, and turn the columns that reject rows which can be read as text into text.

    Returns
    -------
    dict
        The forms of the columns that were changed; none where the file is read without loss.
    """
    typed = [column for column in columns.columns if column.type != "string"]
    if not typed or not _rejects(opened, columns, typed, event_time):
        return {}
    return {
        column.name: replace(
            Form("string", question=FALLBACK.format(column.type)), words=forms[column.name].words
        )
        for column in typed
        if _rejects(opened, columns, [column], event_time)
    }


def _rejects(
    opened: OpenedSource, columns: FileColumns, tried: Sequence[Column], event_time: str | None
) -> bool:
    source = with_nulls(opened.source, columns.null_values)
    spec = DatasetSpec(source=source, columns={c.name: column_spec(c, event_time) for c in tried})
    counts = read_files(opened.connection, opened.files, spec, name=opened.files[0].name, timezone="UTC")
    return counts.n_rejected > opened.n_rejected
