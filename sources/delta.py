"""Delta tables: the rows of one version, or the changes between versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.sources.tables import DeltaSourceSpec
from declaration.text import one_line
from sources.converted import write_parquet
from sources.files import SourceError
from sources.forms import PARQUET
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType
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
        with _told(source):
            # The table's own reader: it knows deletion vectors, mapped columns and columns that came later.
            rows = pa.RecordBatchReader.from_stream(
                table.scan()
                if source.rows == "current"
                else table.load_cdf(starting_version=_first_version(table, source), ending_version=version)
            )
            write_parquet(target, rows.schema, rows, where=source.path)
        yield Opened(
            (target,),
            f"{table.metadata().id}@{version} {source.rows} {source.since_version}",
            {"source_version": version},
        )


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
