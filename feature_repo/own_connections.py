"""Connections of an online store, one a thread: two threads on one would share its transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close it."""


Connection = TypeVar("Connection", bound=Closable)


@dataclass
class _Held(Generic[Connection]):
    """A connection that is closed when its thread ends, or its store is no longer used."""

    connection: Connection
    process: int

    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:
        # The default is there when the interpreter ends and the module's names are gone. After a
        # fork the connection is still the parent's: closing it would end the parent's session.
        if self.process == getpid():
            self.connection.close()


class OwnConnections(Generic[Connection]):
    """Connections by thread and process.

    One made before a fork is never used after it: both processes would write to one socket, and of
    SQLite's locks the child has none (https://www.sqlite.org/howtocorrupt.html, section 2.7).
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def get(
        self, connect: Callable[[], Connection], is_usable: Callable[[Connection], bool] = lambda _: True
    ) -> Connection:
        """Return this thread's connection; connect where there is none that can be used."""
        held: _Held[Connection] | None = getattr(self._local, "held", None)
        if held is None or held.process != os.getpid() or not is_usable(held.connection):
            held = _Held(connect(), os.getpid())
            self._local.held = held
        return held.connection

    def close(self) -> None:
        """Close this thread's connection; it connects again when it is asked to."""
        self._local.__dict__.pop("held", None)
