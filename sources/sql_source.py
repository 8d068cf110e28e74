"""Rows of a database: asked for a window, and written as Parquet beside; the content of those rows is the fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from declaration.sources.sql import SqlSourceSpec
from sources.databases.address import Address, address_of
from sources.databases.alchemy import mark_alchemy, read_alchemy
from sources.databases.duckdb_file import read_duckdb
from sources.databases.faults import patiently
from sources.databases.newest import newest_rows
from sources.databases.postgres import mark_postgres, read_postgres
from sources.databases.question import Question, query_of, question_of, quoted
from sources.databases.sqlite_file import read_sqlite
from sources.file_types import stat_mark
from sources.forms import PARQUET
from sources.source_type import WHOLE, Asked, Opened, SourceType

_BESIDE = ("-wal", ".wal")
"""Endings of the files in which SQLite and DuckDB keep what is not in the database's file yet."""


@dataclass(frozen=True)
class _Database:
    """What reads one kind of database; a file needs no mark but its own."""

    read: Callable[[Address, Question, Path], tuple[Path, ...]]
    mark: Callable[[Address, Question, str], str] = mark_alchemy


_DATABASES: Mapping[str, _Database] = {
    "postgresql": _Database(read_postgres, mark_postgres),
    "sqlite": _Database(read_sqlite),
    "duckdb": _Database(read_duckdb),
}
_OTHERS = _Database(read_alchemy)


@contextmanager
def _open(source: SqlSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Ask the database, and give its rows; nothing goes on before all of them are there."""
    address = address_of(source, asked.folder)
    question = question_of(source, asked)
    read = _DATABASES.get(address.kind, _OTHERS).read
    asked.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=asked.scratch, prefix="asked-") as name:
        files = patiently(lambda attempt: read(address, question, Path(name) / str(attempt)))
        newest, counts = newest_rows(files, question, Path(name))
        yield Opened(newest, facts=counts)


def _marks(source: SqlSourceSpec, folder: Path) -> Mapping[str, str]:
    """Return the highest value of the cursor; without one, the number of rows; of a file, its size and time."""
    address = address_of(source, folder)
    if address.file is not None:
        beside = [address.file.with_name(address.file.name + ending) for ending in _BESIDE]
        return {WHOLE: stat_mark([address.file, *(file for file in beside if file.is_file())])}
    quote = "`" if address.kind == "mysql" else '"'
    expression = f"max({quoted(source.cursor, quote)})" if source.cursor else "count(*)"
    question = Question(source, query_of(source, folder))
    return {WHOLE: _DATABASES.get(address.kind, _OTHERS).mark(address, question, expression)}


SQL_SOURCE = SourceType(SqlSourceSpec, _open, PARQUET, _marks)
