"""Source that is a table or a query of a database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from declaration.environment import FromEnvironment
from declaration.sources.blocks import SourceBlock
from declaration.types import ColumnName, Duration

LOCAL_SCHEMES = ("sqlite", "duckdb")
"""Databases that are files, whose URL may stand in a declaration."""

_LOCAL_URL = re.compile(rf"({'|'.join(LOCAL_SCHEMES)}):///[^?#]+")


class SqlSourceSpec(SourceBlock):
    """A table or a query of a database: Postgres, MySQL, MariaDB, SQLite, DuckDB, and others by SQLAlchemy."""

    code_key: ClassVar[str] = "query"

    type: Literal["sql"]
    """A table or a query of a database."""
    url: FromEnvironment | str
    """Variable with the database's URL, as SQLAlchemy writes it. A file may stand here, as `sqlite:///shop.db` or `duckdb:///shop.duckdb`."""
    table: str | None = Field(default=None, min_length=1, max_length=255)
    """Table or view, as `orders` or `sales.orders`. This or `query`."""
    query: str | None = Field(default=None, min_length=1, max_length=4_000)
    """A .sql file beside the declaration, in the database's own SQL; `:start` and `:end` are the partition's bounds."""
    cursor: ColumnName | None = None
    """Column that grows with each change, such as `updated_at`: the source sensor watches its highest value."""
    lag: Duration = timedelta(0)
    """Time by which rows may commit later than the `cursor` in them says, where that is a time: partitions of rows so long before are read again."""
    version: ColumnName | None = None
    """Column of which the highest value is the newest version of a row: of the rows of one `key` in a partition, that one is kept."""
    deleted: ColumnName | None = None
    """Column that says of a row that it is deleted: true, not 0, or a time. Such rows are left out."""
    deletes: Literal["compare"] | None = None
    """`compare`: the source sensor compares the keys of each partition with those of its last look, and refreshes where rows went, came or moved."""
    connect_timeout: Duration = timedelta(minutes=1)
    """Time to wait for a connection."""
    timeout: Duration = timedelta(hours=1)
    """Time that one reading may take in the database."""

    @property
    def table_parts(self) -> tuple[str, ...]:
        """The table's name in its parts: the last is its own, before it stand schema and catalog."""
        return tuple((self.table or "").split("."))

    @property
    def is_asked(self) -> bool:
        """Tell that it is asked for the rows of one partition."""
        return True

    @property
    def compares_keys(self) -> bool:
        """Tell whether rows that the source no longer has are looked for by their keys."""
        return self.deletes is not None

    @property
    def place(self) -> str:
        """The database's variable or file, and what is read of it."""
        database = self.url if isinstance(self.url, str) else self.url.env
        return f"{self.query or self.table} of {database}"

    @property
    def subject(self) -> str:
        """The table without its schema, or the query."""
        return self.query or self.table_parts[-1]

    @property
    def code_file(self) -> str | None:
        """The query, where it is one of SQL."""
        return self.query if self.query is not None and self.query.endswith(".sql") else None

    def key_faults(self, key: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Check that versions have a key to be versions of."""
        if self.version is not None and not key:
            yield (
                "version",
                f"is '{self.version}', but the dataset has no key whose versions these are. Declare `key`.",
            )
        if self.deletes is not None and not key:
            yield "deletes", "compares keys, but the dataset has none. Declare `key`."

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the URL, and with what is read."""
        yield from self._url_faults()
        if self.lag and self.cursor is None:
            yield "lag", "is there, but no cursor that lags behind. Declare `cursor`."
        if (self.table is None) == (self.query is None):
            has = "both 'table' and 'query'" if self.table else "neither 'table' nor 'query'"
            yield "table", f"is one of two: there is {has}. Name the table, or a .sql file with a query."
        elif self.table is not None and not all(self.table_parts):
            yield "table", f"is '{self.table}', but a table is written orders or sales.orders."
        elif self.query is not None:
            where = PurePosixPath(self.query)
            if where.suffix != ".sql" or where.is_absolute() or ".." in where.parts:
                yield "query", f"is '{self.query}', but a query is a .sql file in the declaration's folder."

    def _url_faults(self) -> Iterator[tuple[str, str]]:
        """Check that only the URL of a file stands in the declaration; what else stands there may be a secret: it is not said."""
        if isinstance(self.url, FromEnvironment):
            return
        if not _LOCAL_URL.fullmatch(self.url):
            yield (
                "url",
                "is neither sqlite:///FILE nor duckdb:///FILE. Name the environment variable that holds the URL of a "
                "server, as {env: WAREHOUSE_URL}: no secret stands in a declaration.",
            )
        elif ".." in PurePosixPath(self.url.partition(":///")[2]).parts:
            yield "url", f"is '{self.url}', but a path may not climb with '..'. Write an absolute path."
