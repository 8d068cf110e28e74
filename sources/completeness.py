"""Completeness of a reading: rows and rejects against an independent count of the files' records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from sources.csv_records import Records
from sources.rejects import FILE_COLUMN, REJECTS_TABLE, ReadError
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb

_KINDS = {b"\n": r"\n", b"\r\n": r"\r\n", b"\r": r"\r alone"}

_REPAIR = "Save it with one kind of line end, and with quotes only around whole values, doubled inside them."


def refuse_lost_records(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    read_table: str,
) -> None:
    """Refuse a reading of text files whose rows and rejects are not as many as the files' records.

    Parameters
    ----------
    connection
        Holds the rows that were read, with their file, and the rejects.
    files
        The files that were read, plain or gzip-compressed, in UTF-8.
    dataset
        Declares how they are read.
    name
        The dataset's name, for messages.
    read_table
        Table of the rows.

    Raises
    ------
    ReadError
        With the first file that differs and both counts; also if a carriage return alone cuts a row.
    SourceError
        If a file cannot be unpacked.
    """
    count = type_of(dataset.source).form.records
    if count is None:
        return
    counted: dict[str, Records] = {}
    for path in files:
        records = count(path, dataset)
        _refuse_lone_returns(records, f"dataset '{name}': {path.name}")
        first = counted.setdefault(path.name, records)
        if first is not records:
            # Files of one name in several folders are told apart by nobody: rejects know the name alone.
            first.n += records.n
    _compare(
        counted,
        _found(connection, read_table),
        f"dataset '{name}'",
        is_csv=dataset.source.text_table is not None,
    )


def fault_of_text(files: Sequence[Path], dataset: DatasetSpec) -> str | None:
    """Say which CSV file mixes kinds of line ends or has a quote out of place, and where; None where none does.

    Parameters
    ----------
    files
        Files that the engine could not read.
    dataset
        Declares how they are read.
    """
    count = type_of(dataset.source).form.records
    if count is None or dataset.source.text_table is None:
        return None
    for path in files:
        if cause := _cause(count(path, dataset)):
            return f"{path.name}: {cause}. {_REPAIR}"
    return None


def _refuse_lone_returns(records: Records, where: str) -> None:
    line = records.ends.get(b"\r")
    if line is not None:
        raise ReadError(
            f"{where}, line {line}: a carriage return alone stands in a value without quotes, and would cut its row "
            f"in two. {_REPAIR}"
        )


def _found(connection: duckdb.DuckDBPyConnection, read_table: str) -> Mapping[str, int]:
    """Count rows and rejects by the name of their file."""
    rows = connection.sql(
        # The path is cut once a file, not once a row.
        f"SELECT name, sum(n)::BIGINT FROM (SELECT parse_filename({FILE_COLUMN}) AS name, n FROM "
        f"(SELECT {FILE_COLUMN}, count(*) AS n FROM {read_table} GROUP BY ALL) "
        f"UNION ALL SELECT source, count(*) FROM {REJECTS_TABLE} GROUP BY ALL) GROUP BY name"
    ).fetchall()
    return dict(rows)


def _compare(
    counted: Mapping[str, Records], n_by_file: Mapping[str, int], where: str, *, is_csv: bool
) -> None:
    for name, records in counted.items():
        n_found = n_by_file.get(name, 0)
        if n_found == records.n:
            continue
        cause = _cause(records)
        raise ReadError(
            f"{where}: {name} holds {records.n:,} {'records after its header' if is_csv else 'lines'}, but {n_found:,} were found "
            f"as rows or rejects: nothing is written. {f'Probably because {cause}. ' if cause else ''}"
            f"{_REPAIR if is_csv else 'Write one object a line, each line ended by a line feed.'}"
        )


def _cause(records: Records) -> str | None:
    """Say what in a file makes readers differ, with its line."""
    if records.open_quote is not None:
        return f"a quote is opened in line {records.open_quote} and never closed"
    if len(records.ends) > 1:
        kinds = sorted(records.ends.items(), key=lambda item: item[1])
        return "it mixes line ends: " + ", ".join(
            f"{_KINDS[kind]} first in line {line}" for kind, line in kinds
        )
    if records.faulty_quote is not None:
        return f"a quote in line {records.faulty_quote} neither ends its value nor is doubled"
    return None
