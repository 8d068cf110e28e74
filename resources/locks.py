"""Locks of a file or a database, for one process at a time: whoever shares the one shares the other."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from declaration.errors import DriftlineError

SQLITE = "sqlite:///"


class DatabaseLockError(DriftlineError):
    """A database is of a kind that cannot be locked."""


class LockBusyError(DriftlineError):
    """Somebody else holds a lock, for longer than we wait."""


_of_thread = threading.local()
"""Files that a thread has locked."""

POLL = timedelta(milliseconds=50)
"""Between two looks at a lock that is waited for with a bound."""


@contextmanager
def file_lock(path: Path, *, patience: timedelta | None = None) -> Iterator[None]:
    """Wait for, and hold, the lock of a file, which is made and stays; a process that is killed releases it.

    Raises
    ------
    LockBusyError
        If somebody else holds it for longer than `patience`; None waits for ever.
    RuntimeError
        If this thread holds it already, as where two purposes share a name.
    """
    with _not_twice(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            if patience is None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            else:
                _flock_within(handle, patience)
            yield


@contextmanager
def _not_twice(path: Path) -> Iterator[None]:
    """Refuse what could only wait for itself."""
    held: set[tuple[int, Path]] = _of_thread.__dict__.setdefault("held", set())
    # A forked child has locked nothing yet.
    lock = (os.getpid(), path)
    if lock in held:
        raise RuntimeError(f"{path} is locked by this thread already, which would wait for itself for ever.")
    held.add(lock)
    try:
        yield
    finally:
        held.remove(lock)


def _is_at(handle: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _flock_within(handle: TextIO, patience: timedelta) -> None:
    end = time.monotonic() + patience.total_seconds()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise LockBusyError(
                    f"{handle.name} is held by another process for more than {patience}."
                ) from error
            time.sleep(POLL.total_seconds())
        else:
            return


@contextmanager
def held_alone(path: Path, holder: str, *, patience: timedelta) -> Iterator[None]:
    """Hold a lock of many, whose file is there only while it is held or waited for.

    Raises
    ------
    LockBusyError
        If another, who is named, holds it for longer than `patience`.
    """
    end = time.monotonic() + patience.total_seconds()
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as handle:
            try:
                _flock_within(handle, timedelta(seconds=max(end - time.monotonic(), 0)))
            except LockBusyError as error:
                handle.seek(0)
                raise LockBusyError(
                    f"{handle.read() or 'another process'} holds {path} for more than {patience}."
                ) from error
            # The holder before deletes the file: who waited for that one begins again.
            if not _is_at(handle, path):
                continue
            handle.truncate(0)
            handle.write(holder)
            handle.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


@contextmanager
def database_lock(url: str, purpose: str) -> Iterator[None]:
    """Wait for, and hold, a lock while the block runs; a process that is killed releases it.

    Not reentrant.

    Parameters
    ----------
    url
        SQLAlchemy URL of the database: a SQLite file, beside which a file `<name>.lock` is locked, or Postgres,
        where it is an advisory lock of the session.
    purpose
        What it is for: locks of other purposes on the same Postgres do not wait for each other. A SQLite
        file has one writer, and so one lock.

    Raises
    ------
    DatabaseLockError
        If it is neither.
    """
    if url.startswith(SQLITE):
        database = Path(url.removeprefix(SQLITE))
        with file_lock(database.with_name(f"{database.name}.lock")):
            yield
        return
    if not url.startswith("postgresql"):
        kind = url.partition(":")[0]
        raise DatabaseLockError(
            f"a database of the kind '{kind}' cannot be shared. Give sqlite:///<file> or "
            "postgresql+psycopg2://user:password@host:5432/database."
        )
    from sqlalchemy import NullPool, create_engine, text

    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    key = int.from_bytes(hashlib.sha256(f"driftline/{purpose}".encode()).digest()[:8], signed=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        yield


def make_schema(url: str, schema: str) -> None:
    """Make a schema of a Postgres database unless it is there; to be called under a lock."""
    from sqlalchemy import NullPool, create_engine, text

    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
