"""SFTP servers as stores of files: their keys are verified, and credentials come from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from declaration.errors import DriftlineError
from declaration.text import one_line

PASSWORD, KEY, PASSPHRASE = "DRIFTLINE_SFTP_PASSWORD", "DRIFTLINE_SFTP_KEY", "DRIFTLINE_SFTP_PASSPHRASE"
KNOWN_HOSTS = "DRIFTLINE_SFTP_KNOWN_HOSTS"
"""Variables of the password, the file of a private key, its passphrase, and the file of servers' keys."""

SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")

TIMEOUT_S, KEEPALIVE_S = 30, 15
"""Longest time for a connection and for a login, and between two signs of life; without three of those it is lost."""

_PORT = re.compile(r"(.*):(\d+)")


class SftpError(DriftlineError):
    """An SFTP server cannot be used."""


@dataclass(frozen=True)
class SftpPlace:
    """Server, user and path of an `sftp://` URL.

    Attributes
    ----------
    host, port, user
        Where to, as whom; what is None is what the user's SSH configuration says.
    path
        From the server's root, as a pattern.
    """

    host: str
    port: int | None
    user: str | None
    path: str


def sftp_place(url: str) -> SftpPlace:
    """Read an `sftp://` URL.

    Raises
    ------
    SftpError
        If it names no host, or holds a password.

    Examples
    --------
    >>> sftp_place("sftp://shop@files.example.org:2222/out/*.csv")
    SftpPlace(host='files.example.org', port=2222, user='shop', path='/out/*.csv')
    """
    # Not by urlsplit: a pattern's question mark would begin a query.
    authority, _, path = url.partition("://")[2].partition("/")
    login, at, host = authority.rpartition("@")
    if ":" in login:
        raise SftpError(
            f"source 'sftp://…@{one_line(host)}' holds a password. Take it out of the URL, and set {PASSWORD}."
        )
    port = _PORT.fullmatch(host)
    if port is not None:
        host = port[1]
    host = host.removeprefix("[").removesuffix("]")
    if not host or host.startswith("-"):
        raise SftpError(f"source '{one_line(url)}' names no host. Write sftp://user@host/path.")
    return SftpPlace(
        host, int(port[2]) if port is not None else None, unquote(login) if at else None, f"/{path}"
    )


@contextmanager
def sftp_store(url: str) -> Iterator[tuple[Any, str]]:
    """Open the server of a URL as a file system, for as long as it is needed; return it with the path on it.

    Raises
    ------
    SftpError
        If the server's key is not known, it does not let us in, or does not answer.
    """
    place = sftp_place(url)
    import asyncssh
    from sshfs import SSHFileSystem

    try:
        store = SSHFileSystem(place.host, **_options(place), skip_instance_cache=True)
    except asyncssh.HostKeyNotVerifiable as error:
        raise SftpError(
            f"source '{url}': the key of {place.host} is not the one that is known, or none is: {one_line(str(error))}. Compare "
            f"its fingerprint with what its owner says, and add it to {' or '.join(map(str, _known_hosts_files()))}."
        ) from error
    except (asyncssh.Error, PermissionError) as error:
        raise SftpError(
            f"source '{url}': {place.host} does not let us in: {one_line(str(error))}. Correct the user, {PASSWORD} or {KEY}."
        ) from error
    try:
        yield store, place.path
    except asyncssh.Error as error:
        raise SftpError(
            f"source '{url}' cannot be read: {type(error).__name__}: {one_line(str(error))}. Correct the path, or run it again."
        ) from error
    finally:
        store.loop.call_soon_threadsafe(store.client.close)


def _options(place: SftpPlace) -> dict[str, Any]:
    """Return what is asked of a connection."""
    files = [str(file) for file in _known_hosts_files() if file.is_file()]
    given = {
        "port": place.port,
        "username": place.user,
        "password": os.environ.get(PASSWORD),
        "client_keys": [os.environ[KEY]] if os.environ.get(KEY) else None,
        "passphrase": os.environ.get(PASSPHRASE),
    }
    return {
        # Empty means that no key is known: None would mean that none is asked for.
        "known_hosts": files or b"",
        "connect_timeout": TIMEOUT_S,
        "login_timeout": TIMEOUT_S,
        "keepalive_interval": KEEPALIVE_S,
        **{name: value for name, value in given.items() if value is not None},
    }


def _known_hosts_files() -> list[Path]:
    own = os.environ.get(KNOWN_HOSTS)
    return [Path(own)] if own else [Path.home() / ".ssh" / "known_hosts", SYSTEM_KNOWN_HOSTS]
