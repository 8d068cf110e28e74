"""Address of a database: its URL, out of the environment or the declaration, and the secrets in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from declaration.environment import FromEnvironment
from declaration.sources.sql import LOCAL_SCHEMES, SqlSourceSpec
from sources.databases.faults import DatabaseError, Reporter
from sources.files import SourceError, file_in_folder

_SHORT = {"postgres": "postgresql", "mariadb": "mysql"}
"""Other names of databases in URLs."""


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes
    ----------
    kind
        Name of the database, as URLs begin with it: `postgresql`, `mysql`, `sqlite`, `duckdb` or another.
    url
        The whole URL; a secret.
    file
        The file of a database that is one.
    reporter
        Says faults, without the secrets of the URL.
    """

    kind: str
    url: str = field(repr=False)
    reporter: Reporter = field(repr=False)
    file: Path | None = None


def address_of(source: SqlSourceSpec, folder: Path) -> Address:
    """Return the address of a source's database.

    Raises
    ------
    SourceError
        If the variable is not set or holds no URL, or a file is not there.
    """
    url, what = _url_of(source)
    scheme, found, rest = url.partition("://")
    if not found or not scheme:
        raise DatabaseError(
            f"source '{source.place}': {what} holds no URL, such as postgresql://user:password@host:5432/database."
        )
    kind = scheme.partition("+")[0].lower()
    kind = _SHORT.get(kind, kind)
    if kind not in LOCAL_SCHEMES:
        return Address(kind, url, Reporter(source.place, _secrets(url)))
    path = rest.removeprefix("/")
    if not path or "?" in path or not rest.startswith("/"):
        raise DatabaseError(
            f"source '{source.place}': {what} is no {kind}:///FILE, without options. Correct it."
        )
    try:
        return Address(kind, url, Reporter(source.place), file_in_folder(path, folder))
    except SourceError as error:
        # Said of a path; here it is part of a URL.
        said = str(error).partition("': ")[2].replace("`path`", "the URL")
        raise DatabaseError(f"source '{source.place}': {said}") from error


def _url_of(source: SqlSourceSpec) -> tuple[str, str]:
    """Return the URL, and what to call the place where it stands."""
    if not isinstance(source.url, FromEnvironment):
        return source.url, "`url`"
    variable = source.url.env
    url = os.environ.get(variable, "").strip()
    if not url:
        raise DatabaseError(
            f"source '{source.place}': the variable {variable} is not set. It holds the database's URL, such as "
            "postgresql://user:password@host:5432/database."
        )
    return url, f"the variable {variable}"


def _secrets(url: str) -> tuple[str, ...]:
    """Return the password as it is written and as it is meant, and the URL itself; the longest first."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    written = parts.netloc.rpartition("@")[0].partition(":")[2]
    others = [
        value for name, value in parse_qsl(parts.query) if name.lower() in ("password", "passwd", "pwd")
    ]
    texts = {url, written, unquote(written), *others}
    return tuple(sorted((text for text in texts if text), key=len, reverse=True))
