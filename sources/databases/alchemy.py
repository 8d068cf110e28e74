"""Databases through SQLAlchemy: MySQL and MariaDB, whose types are known here, and others as their driver gives values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from declaration.extras import require_extra
from sources.databases.address import Address
from sources.databases.faults import DatabaseError, Reporter, Trouble
from sources.databases.python_rows import ROWS_AT_ONCE, batches_of, empty_schema
from sources.databases.question import Question, quoted
from sources.databases.sql_text import BOUNDS
from sources.databases.written import file_name, written

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, TextClause
    from sqlalchemy.exc import SQLAlchemyError

MARK = "\0{}\0"
"""Where a bound stands until the other colons of a query are escaped."""

LOOKS = ("since", "highest")
"""Other parameters: those of a look."""

TIMESTAMP, TIMES = 7, (7, 10, 12)
"""MySQL's number of the type that is an instant, and of those that have an order in time."""

_WRITTEN: Mapping[int | None, str] = {
    # The protocol's text of a single-precision number has six digits.
    4: "{} + 0e0",
    16: "CAST({} AS UNSIGNED)",
    255: "ST_AsText({})",
}
"""How MySQL's types are asked for that would arrive as something else: FLOAT, BIT, GEOMETRY."""

_ALL_TIMES = (datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("9999-12-31"))
"""Bounds between which every time lies that MySQL knows."""

LOCK_TIMEOUT_S = 60
"""Time to wait for another session's lock on a table's form."""

_FAULTS: Mapping[int, Trouble] = {
    1044: Trouble.FORBIDDEN, 1045: Trouble.REFUSED, 1698: Trouble.REFUSED, 1049: Trouble.NO_DATABASE,
    1046: Trouble.NO_DATABASE, 1146: Trouble.NO_TABLE, 1054: Trouble.NO_COLUMN, 1142: Trouble.FORBIDDEN,
    1143: Trouble.FORBIDDEN, 1205: Trouble.LOCKED, 1213: Trouble.LOCKED, 1969: Trouble.TIMEOUT, 3024: Trouble.TIMEOUT,
    1317: Trouble.TIMEOUT, 2002: Trouble.AWAY, 2003: Trouble.AWAY, 1040: Trouble.AWAY, 1053: Trouble.LOST,
    1927: Trouble.LOST, 2006: Trouble.LOST, 2013: Trouble.LOST, 2014: Trouble.LOST,
}  # fmt: skip
"""MySQL's and its client's numbers of faults."""


def read_alchemy(address: Address, question: Question, folder: Path) -> tuple[Path, ...]:
    """Write the rows of a question as Parquet, some thousands at a time.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as connection:
        quote, is_mysql = style(connection)
        relation = question.relation(MARK, quote, backslashes=is_mysql)
        declared = _bounds(question, is_instant=question.event_type == "timestamp_tz", is_mysql=is_mysql)
        given = declared if question.is_bound_inside else {}
        described = connection.execute(statement(f"SELECT * FROM {relation} WHERE 1 = 0"), given)
        names = list(described.keys())
        types = dict(zip(names, codes(described), strict=True)) if is_mysql else {}
        described.close()
        selected = question.selected(names)
        condition = ""
        column = question.time_column(names)
        if column is not None:
            kind = types.get(column)
            _refuse_without_order(column, kind, question)
            is_instant = kind == TIMESTAMP if is_mysql else question.event_type == "timestamp_tz"
            given = _bounds(question, is_instant=is_instant, is_mysql=is_mysql)
            condition = _condition(column, kind, question, quote)
        values = ", ".join(
            f"{_value(name, types.get(name), quote)} AS {quoted(name, quote)}" for name in selected
        )
        streaming = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
        result = streaming.execute(
            statement(f"SELECT {values} FROM {relation}{condition}{question.limit}"), given
        )
        instants = {place for place, name in enumerate(selected) if types.get(name) == TIMESTAMP}
        decimals = {place for place, name in enumerate(selected) if question.is_decimal(name)}
        batches = batches_of(result.partitions(ROWS_AT_ONCE), selected, instants=instants, decimals=decimals)
        return written(
            question.progress.through(batches), empty_schema(selected), folder, file_name(question.source)
        )


def codes(result: CursorResult[Any]) -> Sequence[int]:
    """Return the driver's number of each column's type."""
    assert result.cursor is not None
    return [cast(int, column[1]) for column in result.cursor.description]


def _refuse_without_order(column: str, kind: int | None, question: Question) -> None:
    if kind is not None and kind not in TIMES:
        raise DatabaseError(
            f"source '{question.source.place}': the event time's column {column!r} is neither date, datetime nor timestamp, "
            "and has no order in time. Cast it in a query, as in CAST(… AS DATETIME(6))."
        )


def all_times(question: Question) -> dict[str, Any]:
    """Return the parameters with which a query that takes a window gives everything."""
    ends = _ALL_TIMES if question.is_bound_inside else ()
    return {f"driftline_{bound}": end for bound, end in zip(BOUNDS, ends, strict=False)}


def style(connection: Connection) -> tuple[str, bool]:
    """Return the sign around names, and whether the database is MySQL or MariaDB."""
    is_mysql = connection.dialect.name in ("mysql", "mariadb")
    return connection.dialect.identifier_preparer.initial_quote, is_mysql


def statement(sql: str) -> TextClause:
    """Return a statement in which only our bounds are parameters: SQLAlchemy takes every name after a colon for one."""
    from sqlalchemy import text

    escaped = sql.replace("\\:", "\\\\:").replace(":", "\\:")
    for bound in (*BOUNDS, *LOOKS):
        escaped = escaped.replace(MARK.format(bound), f":driftline_{bound}")
    return text(escaped)


def _bounds(question: Question, *, is_instant: bool, is_mysql: bool) -> dict[str, datetime]:
    """Return the parameters: instants in UTC, else what the zone's clocks show. MySQL's instants have no zone; its session's is UTC."""
    bounds: dict[str, datetime] = {}
    for bound in BOUNDS if question.window is not None else ():
        instant = question.instant(bound).astimezone(UTC)
        at = instant.replace(tzinfo=None) if is_mysql else instant
        bounds[f"driftline_{bound}"] = at if is_instant else question.wall_clock(bound)
    return bounds


def _condition(column: str, kind: int | None, question: Question, quote: str) -> str:
    name = quoted(column, quote)
    inside = f"{name} >= {MARK.format('start')} AND {name} < {MARK.format('end')}"
    # What MySQL writes as 0000-00-00 is not NULL, and before every time.
    zero = f" OR {name} < '0001-01-01'" if kind is not None else ""
    strays = f" OR {name} IS NULL{zero}" if question.takes_strays else ""
    return f" WHERE ({inside}{strays})"


def _value(name: str, kind: int | None, quote: str) -> str:
    """Return the SQL of a column that arrives as what it is."""
    return _WRITTEN.get(kind, "{}").format(quoted(name, quote))


@contextmanager
def session(address: Address, question: Question) -> Iterator[Connection]:
    """Open a transaction that reads; on MySQL and MariaDB it sees one snapshot."""
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    source = question.source
    try:
        url = make_url(address.url)
        arguments: dict[str, Any] = {}
        if address.kind == "mysql" and url.drivername in (
            "mysql",
            "mariadb",
            "mysql+pymysql",
            "mariadb+pymysql",
        ):
            require_extra("mysql", "reading from MySQL or MariaDB")
            url = url.set(drivername="mysql+pymysql")
            waits = {"connect_timeout": source.connect_timeout, "read_timeout": source.timeout}
            arguments = {name: int(wait.total_seconds()) for name, wait in waits.items()}
        engine = create_engine(url, connect_args=arguments, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        # Without the cause: its message holds the text, which may be a password.
        raise DatabaseError(
            f"source '{source.place}': no driver is known for this URL, or none is installed. SQLAlchemy's documentation "
            "names the package of each database, and how its URL is written."
        ) from None
    try:
        with engine.connect() as connection:
            for statement in _settings(connection, source.timeout.total_seconds()):
                connection.exec_driver_sql(statement)
            driver = connection.connection.driver_connection
            try:
                yield connection
            except BaseException:
                _abandon(connection, driver)
                raise
    except SQLAlchemyError as error:
        raise _said(error, address.reporter) from None
    finally:
        engine.dispose()


def _abandon(connection: Connection, driver: Any) -> None:
    """Close a connection with rows that nobody reads: PyMySQL would fetch all that are left, of a server that may be gone."""
    result = getattr(driver, "_result", None)
    if result is not None and hasattr(result, "unbuffered_active"):
        result.unbuffered_active = False
    if not connection.invalidated:
        connection.invalidate()


def _settings(connection: Connection, timeout_s: float) -> Sequence[str]:
    if connection.dialect.name not in ("mysql", "mariadb"):
        return ()
    is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
    limit = (
        f"max_statement_time = {timeout_s:.0f}"
        if is_mariadb
        else f"max_execution_time = {timeout_s * 1000:.0f}"
    )
    return (
        f"SET SESSION {limit}",
        f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT_S}",
        "SET SESSION time_zone = '+00:00'",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    )


def _said(error: SQLAlchemyError, reporter: Reporter) -> DatabaseError:
    from sqlalchemy.exc import DBAPIError

    cause = error.orig if isinstance(error, DBAPIError) else None
    number, *words = cause.args if cause is not None and cause.args else (None,)
    trouble = _FAULTS.get(number, Trouble.OTHER) if isinstance(number, int) else Trouble.OTHER
    if trouble is Trouble.OTHER and isinstance(error, DBAPIError) and error.connection_invalidated:
        trouble = Trouble.LOST
    return reporter.error(trouble, words[0] if words else cause or error)
