"""Upserts and tombstones: of the rows of one key the newest version is kept, and none where that one is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.sql import first_row, quote_identifier, quote_literal
from declaration.text import one_line
from sources.databases.faults import DatabaseError
from sources.databases.question import Question
from sources.forms import parquet_of
from sources.rejects import listed

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "200MB"
"""Beyond it, rows go to the scratch folder."""

_WHOLE_NUMBERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_TIMES = ("DATE", "TIMESTAMP")


def newest_rows(
    files: tuple[Path, ...], question: Question, folder: Path
) -> tuple[tuple[Path, ...], Mapping[str, int]]:
    """Return files without rows that a newer version replaces, and without deleted ones, and how many there were of both.

    A row without a key is nobody's version: it stays.

    Parameters
    ----------
    files
        What was read, each with its own types; removed as they are written anew.
    question
        What was asked for.
    folder
        Where new files are written.

    Returns
    -------
    tuple
        The files, and `n_superseded` and `n_deleted`; no counts where neither is declared.

    Raises
    ------
    DatabaseError
        If the column that tells of deletions cannot.
    """
    import duckdb

    source, dataset = question.source, question.dataset
    if dataset is None or (source.version is None and source.deleted is None):
        return files, {}
    keys = [dataset.column(name).source or name for name in dataset.key] if source.version else []
    with closing(duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": 1})) as connection:
        connection.execute(f"SET temp_directory = {quote_literal(str(folder / 'spill'))}").fetchall()
        rows = f"read_parquet([{listed(files)}], union_by_name=true, filename=true, file_row_number=true)"
        described = connection.execute(f"DESCRIBE SELECT * FROM {parquet_of(files)}").fetchall()
        types = {row[0]: row[1] for row in described}
        is_deleted = _is_deleted(question, types)
        if source.deleted is not None and types[source.deleted] == "VARCHAR":
            _refuse_other_texts(connection, question, source.deleted, parquet_of(files))
        connection.execute(
            "CREATE TEMP TABLE ranked AS SELECT filename AS file, file_row_number AS place, "
            f"{_rank(keys, source.version)} AS rank, {is_deleted} AS is_deleted FROM {rows}"
        ).fetchall()
        superseded, deleted = first_row(
            connection,
            "SELECT count(*) FILTER (rank > 1), count(*) FILTER (rank = 1 AND is_deleted) FROM ranked",
        )
        kept = _kept(connection, files, folder) if superseded or deleted else files
        return kept, {"n_superseded": superseded, "n_deleted": deleted}


def _rank(keys: Sequence[str], version: str | None) -> str:
    """Return the SQL of a row's place among the versions of its key, 1 for the newest; of equal ones, the last that was read."""
    if version is None:
        return "1"
    columns = [quote_identifier(key) for key in keys]
    is_keyed = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    newest = f"{quote_identifier(version)} DESC NULLS LAST, filename DESC, file_row_number DESC"
    return f"CASE WHEN {is_keyed} THEN row_number() OVER (PARTITION BY {', '.join(columns)} ORDER BY {newest}) ELSE 1 END"


def _is_deleted(question: Question, types: Mapping[str, str]) -> str:
    column = question.source.deleted
    if column is None:
        return "false"
    kind, name = types[column], quote_identifier(column)
    if kind == "BOOLEAN":
        return f"coalesce({name}, false)"
    if kind in _WHOLE_NUMBERS:
        return f"coalesce({name} <> 0, false)"
    if kind.startswith((*_TIMES, "VARCHAR")):
        return f"{name} IS NOT NULL"
    raise DatabaseError(
        f"source '{question.source.place}': the column '{column}' of `deleted` is of type {kind.lower()}, but a truth value, a "
        "whole number or the time of the deletion says whether a row is deleted. Cast it in a query."
    )


def _refuse_other_texts(
    connection: duckdb.DuckDBPyConnection, question: Question, column: str, rows: str
) -> None:
    """Refuse texts that are no times: SQLite has no other times, and a text such as 'false' says the opposite of its being there."""
    name = quote_identifier(column)
    found = connection.execute(
        f"SELECT {name} FROM {rows} WHERE {name} IS NOT NULL AND TRY_CAST({name} AS TIMESTAMPTZ) IS NULL LIMIT 1"
    ).fetchall()
    if found:
        raise DatabaseError(
            f"source '{question.source.place}': the column '{column}' of `deleted` has the text {one_line(str(found[0][0]), 80)!r}, which "
            "is no time of a deletion. Cast it in a query to a truth value or a number."
        )


def _kept(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], folder: Path) -> tuple[Path, ...]:
    """Write each file anew, in its own types and order."""
    kept: list[Path] = []
    for number, file in enumerate(files):
        target = folder / "kept" / str(number) / file.name
        target.parent.mkdir(parents=True)
        connection.execute(
            f"COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet([{listed([file])}], file_row_number=true) AS row_of "
            f"WHERE file_row_number IN (SELECT place FROM ranked WHERE file = {quote_literal(str(file))} AND rank = 1 "
            f"AND NOT is_deleted) ORDER BY file_row_number) TO {quote_literal(str(target))} (FORMAT parquet, COMPRESSION uncompressed)"
        ).fetchall()
        file.unlink()
        kept.append(target)
    return tuple(kept)
