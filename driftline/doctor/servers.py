"""Servers that settings name: whether they answer. Nothing is sent to anybody."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from declaration.errors import DriftlineError
from driftline.config.settings import ALERT_PREFIX, masked
from driftline.doctor.finding import Diagnosis, fault, ok
from resources.alerts.mail import mail_server
from resources.deployment import POSTGRES_VARIABLE

WAIT_S = 5
"""Seconds that a server has to answer."""

ONLINE_VARIABLE = "DRIFTLINE_ONLINE_URL"

PORTS = {"http": 80, "https": 443}
POSTGRES_PORT = 5432


def check_servers(environment: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Speak to every server whose variable is set."""
    if environment.get(POSTGRES_VARIABLE):
        yield _postgres(POSTGRES_VARIABLE, environment[POSTGRES_VARIABLE])
    online = environment.get(ONLINE_VARIABLE, "")
    if online.startswith("postgresql"):
        yield _postgres(ONLINE_VARIABLE, online)
    elif online.startswith("redis"):
        yield _redis(ONLINE_VARIABLE, online)
    if environment.get("DRIFTLINE_SMTP_HOST"):
        yield _mail(environment)
    for name in sorted(environment):
        if name.startswith(ALERT_PREFIX) and environment[name]:
            yield _webhook(name, environment[name])


def _postgres(variable: str, url: str) -> Diagnosis:
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import SQLAlchemyError

    shown = masked(url, "url")
    try:
        parts = make_url(url)
        if parts.host:
            # First: an engine of this process may be told to wait a minute for a server that is away.
            socket.create_connection((parts.host, parts.port or POSTGRES_PORT), WAIT_S).close()
        engine = create_engine(parts, connect_args={"connect_timeout": WAIT_S})
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
        engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError, ValueError, OSError) as error:
        return fault(variable, f"{shown} cannot be opened: {_first_line(error, url)}", _repair(variable))
    return ok(variable, f"{shown} answers: Postgres {version}")


def _redis(variable: str, url: str) -> Diagnosis:
    from redis import Redis
    from redis.exceptions import RedisError

    shown = masked(url, "url")
    try:
        with Redis.from_url(url, socket_connect_timeout=WAIT_S, socket_timeout=WAIT_S) as client:
            version = client.info("server")["redis_version"]
    except (RedisError, ValueError, OSError) as error:
        return fault(variable, f"{shown} cannot be opened: {_first_line(error, url)}", _repair(variable))
    return ok(variable, f"{shown} answers: Redis {version}")


def _mail(environment: Mapping[str, str]) -> Diagnosis:
    variable = "DRIFTLINE_SMTP_HOST"
    try:
        server = mail_server(environment)
    except DriftlineError as error:
        return fault(variable, str(error), "Correct the variables DRIFTLINE_SMTP_*.")
    return _reached(variable, server.host, server.port)


def _webhook(variable: str, url: str) -> Diagnosis:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        host = port = None
    if host is None or port is None:
        return fault(variable, "it is no URL of http or https.", f"Correct {variable}.")
    return _reached(variable, host, port)


def _reached(variable: str, host: str, port: int) -> Diagnosis:
    try:
        with socket.create_connection((host, port), timeout=WAIT_S):
            return ok(
                variable, f"{host}:{port} takes connections; `driftline alerts test NAME` sends a message"
            )
    except OSError as error:
        return fault(
            variable, f"{host}:{port} cannot be reached: {error.strerror or error}.", _repair(variable)
        )


def _repair(variable: str) -> str:
    return f"Start the server, or correct host, port, name and login in {variable}."


def _first_line(error: Exception, url: str) -> str:
    """Return what went wrong in a line, without the URL, which may hold a password."""
    lines = str(error).replace(url, "…").strip().splitlines() or [type(error).__name__]
    return lines[0] if lines[0].endswith(".") else f"{lines[0]}."
