"""Rows of a database: asked for a window, and written as Parquet beside; the content of those rows is the fingerprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from declaration.environment import FromEnvironment
from declaration.sources.sql import LOCAL_SCHEMES, SqlSourceSpec
from sources.databases.address import Address, address_of
from sources.databases.alchemy import read_alchemy
from sources.databases.alchemy_looks import changed_alchemy, hours_of_alchemy, mark_alchemy
from sources.databases.definitions import DESCRIPTIONS, describe_alchemy
from sources.databases.duckdb_file import read_duckdb
from sources.databases.duckdb_looks import changed_duckdb, hours_of_duckdb, mark_duckdb
from sources.databases.faults import patiently
from sources.databases.looks import mark_of
from sources.databases.newest import newest_rows
from sources.databases.postgres import read_postgres
from sources.databases.postgres_looks import changed_postgres, hours_of_postgres, mark_postgres
from sources.databases.question import Question, query_of, question_of
from sources.databases.sqlite_file import read_sqlite
from sources.databases.sqlite_looks import changed_sqlite, hours_of_sqlite, mark_sqlite
from sources.described import Described
from sources.file_types import stat_mark
from sources.files import SourceError
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


@dataclass(frozen=True)
class _Database:
    """What reads one kind of database, and looks at it."""

    read: Callable[[Address, Question, Path], tuple[Path, ...]]
    mark: Callable[[Address, Question], str]
    changes: Callable[[Address, Question, str], Sequence[datetime]]
    hours: Callable[[Address, Question, Sequence[str]], Mapping[datetime | None, str]]


_DATABASES: Mapping[str, _Database] = {
    "postgresql": _Database(read_postgres, mark_postgres, changed_postgres, hours_of_postgres),
    "sqlite": _Database(read_sqlite, mark_sqlite, changed_sqlite, hours_of_sqlite),
    "duckdb": _Database(read_duckdb, mark_duckdb, changed_duckdb, hours_of_duckdb),
}
_OTHERS = _Database(read_alchemy, mark_alchemy, changed_alchemy, hours_of_alchemy)


@contextmanager
def _open(source: SqlSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Ask the database, and give its rows; nothing goes on before all of them are there."""
    address = address_of(source, asked.folder)
    question = question_of(source, asked)
    read = _DATABASES.get(address.kind, _OTHERS).read
    with scratch_folder(asked.scratch, "asked-") as name:
        files = patiently(lambda attempt: read(address, question, name / str(attempt)))
        newest, counts = newest_rows(files, question, name)
        yield Opened(newest, facts={**counts, "waited_s": round(question.progress.waited_s, 3)})


def _marks(source: SqlSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the mark of the cursor; without one, the number of rows; of a file, its size and time beside."""
    address = address_of(source, asked.folder)
    file = ""
    if address.file is not None:
        beside = [address.file.with_name(address.file.name + ending) for ending in _BESIDE]
        file = stat_mark([address.file, *(one for one in beside if one.is_file())])
        if source.cursor is None:
            return {WHOLE: file}
    question = Question(_quick(source), query_of(source, asked.folder))
    mark = _DATABASES.get(address.kind, _OTHERS).mark(address, question)
    return {WHOLE: replace(mark_of(mark), file=file).text() if file else mark}


def _changes(source: SqlSourceSpec, asked: Asked, since: str) -> Sequence[datetime]:
    """Return the hours that hold rows beyond a mark, where it is one of a cursor."""
    # The mark of a file without a cursor is a list: it tells of the file alone.
    if source.cursor is None or since.startswith("["):
        return ()
    address, question = _look(source, asked)
    return _DATABASES.get(address.kind, _OTHERS).changes(address, question, since)


def _contents(source: SqlSourceSpec, asked: Asked) -> Mapping[datetime | None, str] | None:
    """Return what each hour of event time holds, by number and hash of keys and cursors, where those are compared."""
    dataset = asked.dataset
    if source.deletes is None or dataset is None:
        return None
    address, question = _look(source, asked)
    columns = [dataset.column(name).source or name for name in dataset.key]
    newest = [column for column in (source.cursor, source.version, source.deleted) if column]
    return _DATABASES.get(address.kind, _OTHERS).hours(address, question, [*columns, *newest])


def _describe(source: SqlSourceSpec, folder: Path) -> Described:
    """Return what the database states of a table; of a query nothing is."""
    if source.table is None:
        return Described()
    address = address_of(source, folder)
    return DESCRIPTIONS.get(address.kind, describe_alchemy)(address, Question(_quick(source), None))


def _look(source: SqlSourceSpec, asked: Asked) -> tuple[Address, Question]:
    address, text = address_of(source, asked.folder), query_of(source, asked.folder)
    return address, Question(_quick(source), text, asked.dataset, timezone=asked.timezone)


def _quick(source: SqlSourceSpec) -> SqlSourceSpec:
    """Return the source with a short time: a look must not hold up the sensor that looks at all."""
    waits = {
        "timeout": min(source.timeout, LOOK_TIMEOUT),
        "connect_timeout": min(source.connect_timeout, LOOK_TIMEOUT),
    }
    return source.model_copy(update=waits)


def _of_url(url: str, start: Path) -> tuple[SqlSourceSpec, Mapping[str, str]] | None:
    """Return the block for a database's URL that ends with a table; the URL of a server goes into a variable.

    Raises
    ------
    SourceError
        If it names no table.
    """
    kind = re.match(r"(\w+)(?:\+\w+)?://", url)
    if kind is None or kind[1].lower() not in _SCHEMES:
        return None
    # A slash among the options, as in the path of a certificate, is none of the place.
    place, mark, options = url.partition("?")
    database, _, name = place.rpartition("/")
    table = unquote(name)
    if kind[1].lower() in LOCAL_SCHEMES:
        file = (start / database.partition(":///")[2]).resolve()
        if not table or file.is_dir():
            raise _no_table(f"{kind[1]}:///shop.db/orders")
        return SqlSourceSpec(type="sql", url=f"{kind[1].lower()}:///{file}", table=table), {}
    _, has_database, named = database.partition("://")[2].partition("/")
    if not table or not has_database or not named:
        raise _no_table(f"{kind[1]}://user@host/database/orders")
    return SqlSourceSpec(type="sql", url=FromEnvironment(env=VARIABLE), table=table), {
        VARIABLE: database + mark + options
    }


def _no_table(example: str) -> SourceError:
    return SourceError(f"--source: the URL names no table. Write it after the database, as in '{example}'.")


SQL_SOURCE = SourceType(
    SqlSourceSpec,
    _open,
    PARQUET,
    _marks,
    of_url=_of_url,
    changes=_changes,
    contents=_contents,
    describe=_describe,
)
