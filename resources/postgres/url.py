"""Postgres URLs: what one says of encryption, and where in its database things are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def host_of(parts: URL) -> str:
    """Return the host, or the folder of the socket."""
    return parts.host or str(parts.query.get("host", LOOPBACK[0]))


def sslmode_of(parts: URL) -> str:
    """Return how a connection is encrypted: always, unless the server is on this machine or the URL says otherwise.

    Examples
    --------
    >>> from sqlalchemy import make_url
    >>> sslmode_of(make_url("postgresql+psycopg2://db.internal/d"))
    'require'
    >>> sslmode_of(make_url("postgresql+psycopg2:///d?host=/run/postgresql"))
    'prefer'
    """
    host = host_of(parts)
    is_here = host in LOOPBACK or host.startswith("/")
    return str(parts.query.get("sslmode", "prefer" if is_here else "require"))


def in_schema(parts: URL, schema: str) -> str:
    """Return the URL, with its password, of one schema of the database, encrypted as `sslmode_of` says.

    Examples
    --------
    >>> from sqlalchemy import make_url
    >>> in_schema(make_url("postgresql+psycopg2://db.internal/d"), "driftline_feast")
    'postgresql+psycopg2://db.internal/d?options=-csearch_path%3Ddriftline_feast&sslmode=require'
    """
    options = f"{parts.query.get('options', '')} -csearch_path={schema}".strip()
    url = parts.update_query_dict({"options": options, "sslmode": sslmode_of(parts)})
    return url.render_as_string(hide_password=False)
