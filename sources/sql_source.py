"""Rows of a database: asked for a window, and written as Parquet beside; the content of those rows is the fingerprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from declaration.environment import FromEnvironment
from declaration.sources.sql import LOCAL_SCHEMES, SqlSourceSpec
from sources.databases.address import Address, address_of
from sources.databases.alchemy import changed_alchemy, mark_alchemy, read_alchemy
from sources.databases.duckdb_file import read_duckdb
from sources.databases.faults import patiently
from sources.databases.newest import newest_rows
from sources.databases.postgres import changed_postgres, mark_postgres, read_postgres
from sources.databases.question import Question, query_of, question_of, quoted
from sources.databases.sqlite_file import read_sqlite
from sources.file_types import stat_mark
from sources.forms import PARQUET
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType

_BESIDE = ("-wal", ".wal")
"""Endings of the files in which SQLite and DuckDB keep what is not in the database's file yet."""


LOOK_TIMEOUT = timedelta(seconds=20)
"""Time that a sensor's look at a source may take."""

VARIABLE = "WAREHOUSE_URL"
"""Variable that a new declaration names."""

_SCHEMES = frozenset({*LOCAL_SCHEMES, "postgresql", "postgres", "mysql", "mariadb"})
"""Beginnings of URLs that a person may type in place of a file."""

NOTHING = str(None)
"""Mark of a cursor without a value."""


@dataclass(frozen=True)
class _Database:
    """What reads one kind of database; a file needs no mark but its own."""

    read: Callable[[Address, Question, Path], tuple[Path, ...]]
    mark: Callable[[Address, Question, str], str] = mark_alchemy
    changes: Callable[[Address, Question, str], Sequence[datetime]] = changed_alchemy


_DATABASES: Mapping[str, _Database] = {
    "postgresql": _Database(read_postgres, mark_postgres, changed_postgres),
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
    with scratch_folder(asked.scratch, "asked-") as name:
        files = patiently(lambda attempt: read(address, question, name / str(attempt)))
        newest, counts = newest_rows(files, question, name)
        yield Opened(newest, facts=counts)


def _marks(source: SqlSourceSpec, folder: Path) -> Mapping[str, str]:
    """Return the highest value of the cursor; without one, the number of rows; of a file, its size and time."""
    address = address_of(source, folder)
    if address.file is not None:
        beside = [address.file.with_name(address.file.name + ending) for ending in _BESIDE]
        return {WHOLE: stat_mark([address.file, *(file for file in beside if file.is_file())])}
    quote = "`" if address.kind == "mysql" else '"'
    expression = f"max({quoted(source.cursor, quote)})" if source.cursor else "count(*)"
    question = Question(_quick(source), query_of(source, folder))
    return {WHOLE: _DATABASES.get(address.kind, _OTHERS).mark(address, question, expression)}


def _changes(source: SqlSourceSpec, asked: Asked, since: str) -> Sequence[datetime]:
    """Return the hours that hold rows beyond a mark, where it is one of a server's cursor."""
    address = address_of(source, asked.folder)
    if source.cursor is None or address.file is not None or since == NOTHING:
        return ()
    text = query_of(source, asked.folder)
    question = Question(_quick(source), text, asked.dataset, timezone=asked.timezone)
    return _DATABASES.get(address.kind, _OTHERS).changes(address, question, _before(since, source.lag))


def _quick(source: SqlSourceSpec) -> SqlSourceSpec:
    """Return the source with a short time: a look must not hold up the sensor that looks at all."""
    waits = {
        "timeout": min(source.timeout, LOOK_TIMEOUT),
        "connect_timeout": min(source.connect_timeout, LOOK_TIMEOUT),
    }
    return source.model_copy(update=waits)


def _before(since: str, lag: timedelta) -> str:
    """Return a cursor's value earlier by so long; one that is no time is as it is."""
    try:
        return (datetime.fromisoformat(since) - lag).isoformat(sep=" ") if lag else since
    except (ValueError, OverflowError):
        return since


def _of_url(url: str, start: Path) -> tuple[SqlSourceSpec, Mapping[str, str]] | None:
    """Return the block for a database's URL that ends with a table; the URL of a server goes into a variable."""
    database, _, table = url.rpartition("/")
    kind = re.match(r"(\w+)(?:\+\w+)?://", url)
    if kind is None or kind[1].lower() not in _SCHEMES or not table or "://" not in database:
        return None
    if kind[1].lower() in LOCAL_SCHEMES:
        file = (start / database.partition(":///")[2]).resolve()
        return SqlSourceSpec(type="sql", url=f"{kind[1].lower()}:///{file}", table=table), {}
    return SqlSourceSpec(type="sql", url=FromEnvironment(env=VARIABLE), table=table), {VARIABLE: database}


SQL_SOURCE = SourceType(SqlSourceSpec, _open, PARQUET, _marks, of_url=_of_url, changes=_changes)
