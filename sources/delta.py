"""Delta tables: the rows of one version, or the changes between versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.sources.tables import DeltaSourceSpec
from declaration.sql import quote_identifier, quote_literal
from declaration.text import one_line
from sources.converted import write_parquet
from sources.files import SourceError
from sources.forms import PARQUET
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType
from sources.table_windows import TableWindow, TimeKind, cut, n_outside, table_window
from sources.tables import in_order, instant_of, table_place

if TYPE_CHECKING:
    from deltalake import DeltaTable


@contextmanager
def _open(source: DeltaSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Write the rows of a version as Parquet; its version tells its state."""
    table = _table(source, asked.folder)
    version = table.version()
    with scratch_folder(asked.scratch, "delta-") as name:
        target = name / Path(source.path.rstrip("/")).name
        window = table_window(asked, _times(table))
        facts: dict[str, str | int | float] = {"source_version": version}
        with _told(source):
            rows = _rows(table, source, version, predicate=_inside(window) if window is not None else None)
            write_parquet(target, rows.schema, rows, where=source.path)
            if window is not None:
                cut(target, window)
                if window.takes_strays:
                    # As of rejects, the first partition tells of them.
                    times = _rows(table, source, version, predicate=_outside(window), columns=[window.column])
                    facts["n_out_of_range"] = n_outside(times, window)
        state = f"{table.metadata().id}@{version} {source.rows} {source.since_version}"
        yield Opened((target,), state, facts, is_whole=window is None)


def _rows(
    table: DeltaTable,
    source: DeltaSourceSpec,
    version: int,
    *,
    predicate: str | None,
    columns: list[str] | None = None,
) -> pa.RecordBatchReader:
    # The table's own reader: it knows deletion vectors, mapped columns and columns that came later, and skips files by their statistics.
    return pa.RecordBatchReader.from_stream(
        table.scan(columns=columns, predicate=predicate)
        if source.rows == "current"
        else table.load_cdf(
            starting_version=_first_version(table, source),
            ending_version=version,
            columns=columns,
            predicate=predicate,
        )
    )


def _times(table: DeltaTable) -> Mapping[str, TimeKind]:
    kinds: Mapping[str, TimeKind] = {"timestamp": "instant", "timestamp_ntz": "clock", "date": "date"}
    return {
        field.name: kinds[kind]
        for field in table.schema().fields
        if (kind := getattr(field.type, "type", "")) in kinds
    }


def _inside(window: TableWindow) -> str:
    column, (first, last) = quote_identifier(window.column), window.outermost
    inside = f"({column} >= {_literal(window.lower(window.start))} AND {column} < {_literal(window.upper(window.end))})"
    if not window.takes_strays:
        return inside
    return f"{inside} OR {column} IS NULL OR {column} < {_literal(first)} OR {column} > {_literal(last)}"


def _outside(window: TableWindow) -> str:
    column, (first, last) = quote_identifier(window.column), window.outermost
    before = f"({column} >= {_literal(first)} AND {column} < {_literal(window.upper(window.first))})"
    if window.last is None:
        return before
    return f"{before} OR ({column} >= {_literal(window.lower(window.last))} AND {column} <= {_literal(last)})"


def _literal(value: date) -> str:
    text = quote_literal(value.isoformat())
    if not isinstance(value, datetime):
        return f"DATE {text}"
    # Of the reader's own kind of literal, which counts nanoseconds, the years 1678 to 2262 are all.
    zone = "None" if value.tzinfo is None else 'Some("UTC")'
    return f"arrow_cast({text}, 'Timestamp(Microsecond, {zone})')"


def _first_version(table: DeltaTable, source: DeltaSourceSpec) -> int:
    """Return the first version whose changes are read: the oldest that the log still has, where none is declared."""
    if source.since_version is not None:
        return source.since_version
    return min(int(commit["version"]) for commit in table.history() if "version" in commit)


def _marks(source: DeltaSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the table's identity and newest version."""
    table = _table(source, asked.folder)
    return {WHOLE: f"{table.metadata().id}@{table.version()}"}


def _table(source: DeltaSourceSpec, folder: Path) -> DeltaTable:
    from deltalake import DeltaTable

    place = table_place(source, folder)
    with _told(source):
        if not DeltaTable.is_deltatable(place):
            raise SourceError(
                f"source '{source.path}' is no Delta table: it has no folder '_delta_log'. Correct `path`, or declare the format "
                "that its files have."
            )
        table = DeltaTable(place, version=source.version)
        if source.as_of is not None:
            table.load_as_version(instant_of(source.as_of))
    return table


@contextmanager
def _told(source: DeltaSourceSpec) -> Iterator[None]:
    """Turn what the reader says into ours."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
        raise SourceError(
            f"source '{source.path}' cannot be read as a Delta table: {one_line(str(error), 500)}. "
            "A version that was vacuumed is gone; changes are kept from the version on at which `delta.enableChangeDataFeed` was set."
        ) from error


DELTA_TABLE = SourceType(DeltaSourceSpec, _open, PARQUET, _marks, in_order, folder_sign="_delta_log")
