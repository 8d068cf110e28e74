"""Lines of a CSV file's rejects: those of the user's file, found by the places of its records.

The engine numbers records and blank lines, so that values with line breaks put it out, and tells nothing of rows whose
values are bad by our rules. Here the records are gone through once more, where there are rejects at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from declaration.datasets import DatasetSpec
from sources.csv import text_table_of
from sources.csv_header import header_of
from sources.csv_records import record_lines
from sources.rejects import FILE_COLUMN, REJECTS_TABLE

if TYPE_CHECKING:
    import duckdb

Numbers: TypeAlias = NDArray[np.int64]

LINES_TABLE = "driftline_bad_lines"
"""Lines of rows whose values are bad: place in the table of rows, line."""

MAX_SOUGHT = 100_000
"""Rejects of a file of one kind whose lines are sought; with more of them nobody looks at each."""


def find_lines(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    *,
    rows_table: str,
    bad_table: str,
) -> None:
    """Write the lines of rejects: of the engine's own into their table, of bad rows into `driftline_bad_lines`.

    Parameters
    ----------
    connection
        Holds the tables.
    files
        CSV files that were read, in their order.
    dataset
        Declares how they are read.
    rows_table
        Rows that the engine took, in the order in which it read them.
    bad_table
        Those of them that are rejects: place (rowid) and file.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {LINES_TABLE} (place BIGINT, line BIGINT)").fetchall()
    bad = _by_file(connection, f"SELECT {FILE_COLUMN}, place FROM {bad_table}")
    refused = _by_file(connection, f"SELECT source, line FROM {REJECTS_TABLE}")
    if not bad and not refused:
        return
    table = text_table_of(dataset.source)
    spans = _spans(connection, rows_table) if bad else {}
    n_of_name = Counter(path.name for path in files)
    for path in files:
        places, engine_lines = bad.get(str(path), _NONE), refused.get(path.name, _NONE)
        if places is None or engine_lines is None or not places.size + engine_lines.size:
            continue
        if n_of_name[path.name] > 1:
            # Rejects know a file's name alone.
            continue
        n_columns = len(header_of(path, table))
        if not table.has_lines(n_columns):
            _write_engines(connection, path, engine_lines, None)
            continue
        first = spans.get(str(path), 0)
        found = _Sought(engine_lines, places - first if first is not None else _NONE)
        for numbers, lines in record_lines(path, table, n_columns=n_columns):
            found.look(numbers, lines)
        if found.is_complete:
            _write_engines(connection, path, engine_lines, found.engines)
            if found.rows.size:
                connection.execute(
                    f"INSERT INTO {LINES_TABLE} SELECT unnest(?::BIGINT[]), unnest(?::BIGINT[])",
                    [places.tolist(), found.rows.tolist()],
                ).fetchall()


_NONE: Numbers = np.empty(0, dtype=np.int64)


class _Sought:
    """Lines of records that are sought by the engine's number, or by their place among those it took."""

    def __init__(self, engine_lines: Numbers, places: Numbers) -> None:
        self._engine_lines, self._places = engine_lines, places
        self.engines, self.rows = np.zeros_like(engine_lines), np.zeros_like(places)
        self._n_taken = 0

    def look(self, numbers: Numbers, lines: Numbers) -> None:
        """Look at the next records: the engine's numbers, and their lines."""
        first, last = (
            np.searchsorted(self._engine_lines, numbers[[0, -1]] + [0, 1]) if numbers.size else (0, 0)
        )
        refused = np.searchsorted(numbers, self._engine_lines[first:last])
        self.engines[first:last] = np.where(
            numbers[refused] == self._engine_lines[first:last], lines[refused], 0
        )
        taken = np.delete(lines, refused)
        start, stop = np.searchsorted(self._places, [self._n_taken, self._n_taken + taken.size])
        self.rows[start:stop] = taken[self._places[start:stop] - self._n_taken]
        self._n_taken += taken.size

    @property
    def is_complete(self) -> bool:
        """Whether each was found."""
        return bool(self.engines.all() and self.rows.all())


def _by_file(connection: duckdb.DuckDBPyConnection, pairs: str) -> dict[str, Numbers | None]:
    """Return the numbers of each file, in order; None where they are too many."""
    rows = connection.sql(
        f"WITH pairs(file, number) AS MATERIALIZED ({pairs}), counts AS (SELECT file, count(*) AS n FROM pairs GROUP BY file) "
        "SELECT counts.file, any_value(n), list(number ORDER BY number) FROM counts "
        f"LEFT JOIN pairs ON pairs.file = counts.file AND n <= {MAX_SOUGHT} GROUP BY counts.file"
    ).fetchall()
    return {file: np.array(numbers, dtype=np.int64) if n <= MAX_SOUGHT else None for file, n, numbers in rows}


def _spans(connection: duckdb.DuckDBPyConnection, rows_table: str) -> dict[str, int | None]:
    """Return the place of each file's first row; None where its rows do not follow each other."""
    rows = connection.sql(
        f"SELECT {FILE_COLUMN}, min(rowid), max(rowid) - min(rowid) + 1 = count(*) FROM {rows_table} GROUP BY ALL"
    ).fetchall()
    return {file: first if is_whole else None for file, first, is_whole in rows}


def _write_engines(
    connection: duckdb.DuckDBPyConnection, path: Path, engine_lines: Numbers, lines: Numbers | None
) -> None:
    """Put lines in place of the engine's numbers; NULL where a file has none to tell."""
    if lines is not None and np.array_equal(engine_lines, lines):
        return
    new = [None] * engine_lines.size if lines is None else lines.tolist()
    connection.execute(
        f"UPDATE {REJECTS_TABLE} AS r SET line = n.line FROM "
        "(SELECT unnest(?::BIGINT[]) AS number, unnest(?::BIGINT[]) AS line) AS n WHERE r.source = ? AND r.line = n.number",
        [engine_lines.tolist(), new, path.name],
    ).fetchall()
