"""Lost databases: connecting waits for a Postgres that is away, and what was lost with it is tried again.

By SQLAlchemy's events, which Dagster's storage, MLflow's and Feast's all pass through, whatever they do by themselves.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect

P = ParamSpec("P")
R = TypeVar("R")

_LOG = logging.getLogger("driftline.database")

PATIENCE_S = 60.0
"""Time that a database may be away, from the first connection that failed; a restart takes seconds."""

WAIT_S = 0.5
"""Between two tries to connect."""

REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "could not translate host name")
"""Words of a server, or of the network, where waiting does not help."""

_away_since: dict[str, float] = {}
"""Instant when a database was first found away, by its place: who asks later does not wait as long again."""


@cache
def wait_for_lost_databases() -> None:
    """Have every Postgres engine of this process wait for a server that is away, and try connections before their use."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    event.listen(Engine, "do_connect", _connect)
    event.listen(Pool, "checkout", _ping)


def _connect(dialect: Dialect, _: Any, arguments: Any, parameters: Any) -> Any:
    if dialect.name != "postgresql" or dialect.is_async:
        return None  # SQLAlchemy connects itself.
    place = str({name: parameters.get(name) for name in ("host", "port", "dbname")})
    while True:
        try:
            connection = dialect.connect(*arguments, **parameters)
        except dialect.loaded_dbapi.OperationalError as error:
            since = _away_since.setdefault(place, time.monotonic())
            if time.monotonic() - since > PATIENCE_S or any(text in str(error) for text in REFUSED):
                raise
            _LOG.warning("the database is away, tried again: %s", str(error).strip())
            time.sleep(WAIT_S)
        else:
            _away_since.pop(place, None)
            return connection


def _ping(dbapi_connection: Any, record: Any, _: Any) -> None:
    """Try a pooled Postgres connection, as `pool_pre_ping` does; Dagster's web server does not set that."""
    from sqlalchemy.exc import DisconnectionError

    # A SQLite file does not go away, and a connection that was made for this checkout has just answered.
    is_postgres = type(dbapi_connection).__module__.startswith("psycopg")
    if not is_postgres or not record.info.setdefault("driftline_used", False):
        record.info["driftline_used"] = True
        return
    try:
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not dbapi_connection.autocommit:
            dbapi_connection.rollback()
    except _operational_errors() as error:
        raise DisconnectionError(f"the database was away: {error}") from error


def tried_again(method: Callable[P, R]) -> Callable[P, R]:
    """Have a method done again, once, where a database was lost in it: with a new connection, which waits.

    For methods that may be done twice: of a write that was lost nobody knows whether it was kept.
    """

    @wraps(method)
    def patient(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return method(*arguments, **named)
        except Exception as error:
            if not is_lost_database(error):
                raise
            # The first line: the next ones quote the statement and its values.
            _LOG.warning(
                "the database was lost in %s, done again: %s", method.__name__, str(error).split("\n")[0]
            )
        return method(*arguments, **named)

    return patient


def is_lost_database(error: BaseException) -> bool:
    """Tell whether an error, or what it came from, is a database that went away."""
    kinds = _operational_errors()
    return any(isinstance(cause, kinds) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _operational_errors() -> tuple[type[Exception], ...]:
    """Return what drivers raise of lost connections; a driver that was not imported has raised nothing."""
    drivers = [sys.modules[name] for name in ("psycopg2", "psycopg") if name in sys.modules]
    return tuple(kind for driver in drivers for kind in (driver.OperationalError, driver.InterfaceError))
