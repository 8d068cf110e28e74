"""Postgres: rows as Arrow through ADBC, which copies them in binary, from one read-only snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from declaration.column_types import ARROW_TYPES
from declaration.extras import require_extra
from sources.databases.address import Address
from sources.databases.faults import DatabaseError, Reporter, Trouble
from sources.databases.question import Question, WindowForm, quoted
from sources.databases.written import file_name, written

if TYPE_CHECKING:
    import pyarrow as pa

LOCK_TIMEOUT_MS = 60_000
"""Time to wait for another session's lock: who changes the table's form holds it for long."""

BATCH_OPTION, BATCH_BYTES = "adbc.postgresql.batch_size_hint_bytes", 4 * 1024**2
"""Bytes of rows that are held at a time."""

BOUND = "(current_setting('driftline.{}')::timestamptz)"
"""A bound in SQL. COPY takes no parameters: the bound is one of the call that sets the transaction's setting."""

_AS_THEY_ARE = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "name", "char"}
)
"""Types that arrive exactly as they are."""

_WRITTEN: Mapping[str, str] = {
    # The locale of the database decides what money looks like, and which currency it is.
    "money": "{}::numeric::text",
    "oid": "{}::int8",
    # ADBC's arithmetic wraps around beyond the year 294247, and turns infinity into a year before Christ.
    "date": "CASE WHEN {0} > '9999-12-31' THEN '10000-01-01' WHEN {0} < '0001-01-01' THEN '0001-12-31 BC' ELSE {0} END",
    "timestamp": "CASE WHEN {0} >= '10000-01-01' THEN '10000-01-01' WHEN {0} < '0001-01-01' THEN '0001-12-31 BC' ELSE {0} END",
    "timestamptz": "CASE WHEN {0} >= '10000-01-01Z' THEN '10000-01-01Z' WHEN {0} < '0001-01-01Z' THEN '0001-12-31 BC' ELSE {0} END",
}
"""How types are asked for that would arrive as something else; all others, and arrays, as their text."""

TIMES = ("date", "timestamp", "timestamptz")

_WINDOW = WindowForm(TIMES, BOUND, "{}", "CAST(… AS timestamptz)")

_KINDS: Mapping[str, Trouble] = {
    "28": Trouble.REFUSED,
    "3D": Trouble.NO_DATABASE,
    "42P01": Trouble.NO_TABLE,
    "3F": Trouble.NO_TABLE,
    "42703": Trouble.NO_COLUMN,
    "42501": Trouble.FORBIDDEN,
    "57014": Trouble.TIMEOUT,
    "55P03": Trouble.LOCKED,
    "40": Trouble.LOCKED,
    "08": Trouble.LOST,
    "57P": Trouble.LOST,
    "53": Trouble.AWAY,
}
"""Faults by the beginnings of their SQLSTATE."""

_WORDS: Mapping[str, Trouble] = {
    "statement timeout": Trouble.TIMEOUT,
    "lock timeout": Trouble.LOCKED,
    "connection": Trouble.LOST,
    "could not receive data": Trouble.LOST,
}
"""Faults in the middle of the rows, which have no SQLSTATE, by what is said."""

_SAID: Mapping[str, Trouble] = {
    "password authentication failed": Trouble.REFUSED,
    "no password supplied": Trouble.REFUSED,
    "no pg_hba.conf entry": Trouble.REFUSED,
    "role ": Trouble.REFUSED,
    "database ": Trouble.NO_DATABASE,
}
"""Faults of connecting, which have no SQLSTATE, by what follows FATAL."""


def read_postgres(address: Address, question: Question, folder: Path) -> tuple[Path, ...]:
    """Write the rows of a question as Parquet.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as cursor:
        relation = question.relation(BOUND)
        names, columns = columns_of(cursor, relation)
        selected = question.selected(names)
        values = ", ".join(f"{_value(name, columns[name])} AS {quoted(name, chr(34))}" for name in selected)
        cursor.adbc_statement.set_options(**{BATCH_OPTION: str(BATCH_BYTES)})
        cursor.execute(
            f"SELECT {values} FROM {relation}{question.condition(columns, _WINDOW)}{question.limit}"
        )
        with cursor.fetch_record_batch() as rows:
            numbers = [name for name in selected if columns[name] == "numeric" and question.is_decimal(name)]
            batches = _with_decimals(rows, numbers)
            return written(
                question.progress.through(batches), rows.schema, folder, file_name(question.source)
            )


def _with_decimals(rows: Iterable[pa.RecordBatch], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Give rows in which texts of numbers are decimals; a column stays text from the first batch on that no decimal holds exactly."""
    import pyarrow as pa

    exact = list(names)
    for batch in rows:
        for name in tuple(exact):
            place = batch.schema.get_field_index(name)
            try:
                values = batch.column(place).cast(ARROW_TYPES["decimal"])
            except pa.ArrowInvalid:
                # A file for each change of types: not one more a batch.
                exact.remove(name)
                continue
            batch = batch.set_column(place, name, values)
        yield batch


def _value(name: str, kind: str) -> str:
    """Return the SQL of a column that arrives as what it is."""
    column = quoted(name, '"')
    if kind in _AS_THEY_ARE:
        return column
    if kind.startswith("_"):
        return f"to_jsonb({column})::text"
    return _WRITTEN.get(kind, "{}::text").format(column)


def columns_of(cursor: Any, relation: str) -> tuple[list[str], dict[str, str]]:
    """Return the names of a relation's columns, and Postgres' name of the type of each."""
    schema: pa.Schema = cursor.adbc_execute_schema(f"SELECT * FROM {relation}")
    types = {field.name: field.metadata[b"POSTGRESQL:type"].decode() for field in schema}
    return [field.name for field in schema], types


@contextmanager
def session(address: Address, question: Question) -> Iterator[Any]:
    """Open a transaction that sees one snapshot and changes nothing."""
    require_extra("postgres-source", "reading from Postgres")
    import adbc_driver_manager
    import adbc_driver_postgresql.dbapi as postgres
    import pyarrow as pa

    source = question.source
    try:
        connection = postgres.connect(_uri(address.url, int(source.connect_timeout.total_seconds())))
    except adbc_driver_manager.Error as error:
        raise _connecting(error, address.reporter) from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for name, value in _settings(question).items():
                cursor.execute("SELECT set_config($1, $2, true)", (name, value))
                cursor.fetchall()
            yield cursor
            connection.rollback()
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise _said(error, address.reporter) from None


def _settings(question: Question) -> Mapping[str, str]:
    """Return settings of the transaction: on them depend what texts look like, and the order of rows."""
    bounds = {
        f"driftline.{bound}": question.instant(bound).isoformat() if question.window else infinite
        for bound, infinite in (("start", "-infinity"), ("end", "infinity"))
    }
    return {
        **bounds,
        "TimeZone": question.timezone,
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "iso_8601",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        # The same rows are the same content: in the order in which they lie.
        "synchronize_seqscans": "off",
        "max_parallel_workers_per_gather": "0",
        "statement_timeout": str(int(question.source.timeout.total_seconds() * 1000)),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
    }


def _uri(url: str, connect_timeout_s: int) -> str:
    """Return the URL for libpq: without SQLAlchemy's driver, and with an end to waiting for a server that is gone."""
    parts = urlsplit("postgresql://" + url.partition("://")[2])
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    options = {
        "connect_timeout": str(max(connect_timeout_s, 2)),
        "application_name": "driftline",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        **given,
    }
    return urlunsplit(parts._replace(query=urlencode(options)))


def _connecting(error: Exception, reporter: Reporter) -> DatabaseError:
    said = str(error).rpartition("FATAL:")[2].strip()
    trouble = next((kind for start, kind in _SAID.items() if said.startswith(start)), Trouble.AWAY)
    return reporter.error(trouble, said if trouble is not Trouble.AWAY else error)


def _said(error: Exception, reporter: Reporter) -> DatabaseError:
    state = getattr(error, "sqlstate", None) or ""
    beginnings = (state[:n] for n in range(len(state), 1, -1))
    found = [_KINDS[start] for start in beginnings if start in _KINDS]
    if not state:
        found = [kind for words, kind in _WORDS.items() if words in str(error)]
    return reporter.error(found[0] if found else Trouble.OTHER, error)
