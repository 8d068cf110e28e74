"""Faults of databases in words: what happened, where, and how to repair it; no password is in them."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from declaration.text import one_line
from sources.files import SourceError

WAITS_S = (1.0, 4.0)
"""Pauses before a reading is tried again, where what failed may pass."""

Result = TypeVar("Result")


class Trouble(Enum):
    """Kinds of faults: what is said, how to repair it, and whether it may pass by itself."""

    AWAY = ("the database does not answer", "Start it, or correct the URL.", True)
    LOST = ("the connection was lost while rows were read", "Nothing was written: run it again.", True)
    LOCKED = ("another session holds a lock", "Run it again when that one has finished.", True)
    REFUSED = ("the database refuses the user or the password", "Correct the URL.", False)
    NO_DATABASE = ("there is no such database", "Correct the URL.", False)
    NO_TABLE = ("there is no such table", "Correct `table` or the query.", False)
    NO_COLUMN = ("there is no such column", "Correct `columns`, `cursor` or the query.", False)
    FORBIDDEN = ("the user may not read this", "Grant it SELECT.", False)
    TIMEOUT = ("the time is over", "Raise `timeout`, or give the event time's column an index.", False)
    OTHER = ("the database refuses", "Correct the query, or cast the column in one.", False)


class DatabaseError(SourceError):
    """A database cannot be read."""

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


@dataclass(frozen=True)
class Reporter:
    """Says a source's faults.

    Attributes
    ----------
    place
        The source, as messages name it.
    secrets
        Texts that no message holds.
    """

    place: str
    secrets: tuple[str, ...] = ()

    def error(self, trouble: Trouble, said: object, *, repair: str | None = None) -> DatabaseError:
        """Return the error: what the database itself says comes second, on one line, without secrets."""
        what, usual, may_pass = trouble.value
        words = self.without_secrets(_plain(str(said)))
        detail = f" ({words.rstrip('.')})" if words else ""
        return DatabaseError(f"source '{self.place}': {what}{detail}. {repair or usual}", may_pass=may_pass)

    def without_secrets(self, text: str) -> str:
        """Return a text with stars in place of secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def _plain(said: str) -> str:
    """Return the first sentence of a database's message: what follows repeats the query."""
    text = re.sub(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?", "", said.strip())
    text = text.partition("\n\nQuery was:")[0].partition("\nLINE ")[0]
    text = re.sub(
        r"^(?:Failed to [^:]*: |Execution error [^:]*: )?(?:could not begin COPY: )?ERROR:\s+", "", text
    )
    return one_line(" ".join(text.split()))


def patiently(read: Callable[[int], Result], waits_s: Sequence[float] | None = None) -> Result:
    """Read, and read again from the beginning where what failed may pass; reading changes nothing, so that it may be done twice.

    Parameters
    ----------
    read
        Reads; its argument is the number of the attempt, from 0.
    waits_s
        Pauses between attempts; `WAITS_S` when absent.

    Raises
    ------
    DatabaseError
        If it fails for good, or still after the last attempt.
    """
    pauses = list(WAITS_S if waits_s is None else waits_s)
    for attempt in range(len(pauses) + 1):
        try:
            return read(attempt)
        except DatabaseError as error:
            if not error.may_pass:
                raise
            if attempt == len(pauses):
                raise DatabaseError(f"{error} It was tried {attempt + 1} times.") from error
        # Not all at the same instant, where many wait for one server.
        time.sleep(pauses[attempt] * random.uniform(0.75, 1.25))
    raise AssertionError("the last attempt returns or raises")
