"""A connection that writes down each statement, and where it was run, before the engine runs it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from declaration.rooms import HOUSE

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Recorded:
    """One statement, and the line that ran it: `file:line function`."""

    sql: str
    place: str


class Recording:
    """Passes everything on to a connection, and keeps the statements.

    Attributes
    ----------
    statements
        What was run, in order; settings of the session are left out.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.statements: list[Recorded] = []

    def sql(self, query: str, *arguments: Any, **options: Any) -> Any:
        """Run a query, as the connection does."""
        self._keep(query)
        return self._connection.sql(query, *arguments, **options)

    def execute(self, query: str, *arguments: Any, **options: Any) -> Any:
        """Execute a statement, as the connection does."""
        self._keep(query)
        return self._connection.execute(query, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The recording, as the type that stages take."""
        return cast("duckdb.DuckDBPyConnection", self)

    def _keep(self, query: str) -> None:
        if query.lstrip().upper().startswith(("SET ", "RESET ")):
            return
        frame = inspect.currentframe()
        # Of this method and the one that called it, the caller.
        caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
        place = (
            ""
            if caller is None
            else f"{shown(caller.f_code.co_filename)}:{caller.f_lineno} {caller.f_code.co_name}"
        )
        self.statements.append(Recorded(query, place))


def shown(file: str) -> str:
    """Return a file's path from the folder that holds the rooms."""
    path = Path(file).resolve()
    return str(path.relative_to(HOUSE) if path.is_relative_to(HOUSE) else path)
