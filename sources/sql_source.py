"""Rows of a database: asked for a window, and written as Parquet beside; the content of those rows is the fingerprint."""

from __future__ import annotations

import json
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
from sources.databases.duckdb_file import changed_duckdb, mark_duckdb, read_duckdb
from sources.databases.faults import patiently
from sources.databases.newest import newest_rows
from sources.databases.postgres import changed_postgres, mark_postgres, read_postgres
from sources.databases.question import Question, query_of, question_of, quoted
from sources.databases.sqlite_file import changed_sqlite, mark_sqlite, read_sqlite
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
    """What reads one kind of database, tells a cursor's highest value, and where rows beyond one lie."""

    read: Callable[[Address, Question, Path], tuple[Path, ...]]
    mark: Callable[[Address, Question, str], str] = mark_alchemy
    changes: Callable[[Address, Question, str], Sequence[datetime]] = changed_alchemy


_DATABASES: Mapping[str, _Database] = {
    "postgresql": _Database(read_postgres, mark_postgres, changed_postgres),
    "sqlite": _Database(read_sqlite, mark_sqlite, changed_sqlite),
    "duckdb": _Database(read_duckdb, mark_duckdb, changed_duckdb),
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
        yield Opened(newest, facts={**counts, "waited_s": round(question.progress.waited_s, 3)})


def _marks(source: SqlSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the highest value of the cursor; without one, the number of rows; of a file its size and time, and that value."""
    address = address_of(source, asked.folder)
    if address.file is not None:
        beside = [address.file.with_name(address.file.name + ending) for ending in _BESIDE]
        stat = stat_mark([address.file, *(file for file in beside if file.is_file())])
        return {WHOLE: stat if source.cursor is None else _file_mark(source, address, asked.folder, stat)}
    quote = "`" if address.kind == "mysql" else '"'
    expression = f"max({quoted(source.cursor, quote)})" if source.cursor else "count(*)"
    question = Question(_quick(source), query_of(source, asked.folder))
    return {WHOLE: _DATABASES.get(address.kind, _OTHERS).mark(address, question, expression)}


def _file_mark(source: SqlSourceSpec, address: Address, folder: Path, stat: str) -> str:
    """Return the mark of a file: whatever changed in it, and the highest value of its cursor."""
    question = Question(_quick(source), query_of(source, folder))
    expression = f"max({quoted(source.cursor or '', chr(34))})"
    value = _DATABASES.get(address.kind, _OTHERS).mark(address, question, expression)
    return json.dumps({"cursor": value, "file": stat})


def _cursor_in(mark: str) -> str:
    """Return the cursor's value in the mark of a file; nothing in one of before it was kept there.

    Examples
    --------
    >>> _cursor_in('{"cursor": "2024-01-02", "file": "…"}'), _cursor_in('[["shop.db", 1, 2]]')
    ('2024-01-02', 'None')
    """
    kept = json.loads(mark)
    return str(kept["cursor"]) if isinstance(kept, dict) else NOTHING


def _changes(source: SqlSourceSpec, asked: Asked, since: str) -> Sequence[datetime]:
    """Return the hours that hold rows beyond a mark, where it is one of a cursor."""
    address = address_of(source, asked.folder)
    value = since if address.file is None else _cursor_in(since)
    if source.cursor is None or value == NOTHING:
        return ()
    text = query_of(source, asked.folder)
    question = Question(_quick(source), text, asked.dataset, timezone=asked.timezone)
    return _DATABASES.get(address.kind, _OTHERS).changes(address, question, _before(value, source.lag))


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
        # With the sign that the database writes between day and time: texts are compared as they are.
        return (datetime.fromisoformat(since) - lag).isoformat(sep=since[10:11] or " ") if lag else since
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
