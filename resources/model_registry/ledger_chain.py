"""The chain of a ledger's rows: each is hashed together with the hash of the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

BEGINNING = ""
"""Text that the first row follows, in the place of a hash."""

PREVIOUS = "previous_sha256"
OWN = "row_sha256"


@dataclass(frozen=True)
class Head:
    """Head of a ledger: the number of rows, and the hash of the last, which covers all before."""

    count: int
    sha256: str


@dataclass(frozen=True)
class Break:
    """The first place at which a chain does not hold.

    Attributes
    ----------
    place
        Number of the row, from 0.
    what
        What is wrong with it, as the end of a sentence that begins with "row <place>".
    """

    place: int
    what: str


def row_sha256(previous: str, content: Mapping[str, object]) -> str:
    """Hash a row's own columns and the hash of the row before.

    Examples
    --------
    >>> row_sha256("", {"sequence": 0}) == hashlib.sha256(b'["", {"sequence": 0}]').hexdigest()
    True
    """
    return hashlib.sha256(
        json.dumps([previous, content], sort_keys=True, default=_plain).encode()
    ).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"a {type(value).__name__} is no value of a ledger's column")


def contents(rows: Sequence[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """Give rows as they are hashed: without the chain's own columns."""
    return ({name: value for name, value in row.items() if name not in (PREVIOUS, OWN)} for row in rows)


def chained(rows: Sequence[Mapping[str, object]]) -> Sequence[str]:
    """Return the hash of each row as it follows from the content; rows that are older than the chain have one too."""
    hashes: list[str] = []
    for content in contents(rows):
        hashes.append(row_sha256(hashes[-1] if hashes else BEGINNING, content))
    return hashes


def first_break(rows: Sequence[Mapping[str, object]], hashes: Sequence[str]) -> Break | None:
    """Find where a chain does not hold; None where it holds.

    Rows before the first one with a hash were written before there was a chain: the first link covers them.

    Parameters
    ----------
    rows
        The ledger's rows in order.
    hashes
        What `chained` says of them.
    """
    begun = next((place for place, row in enumerate(rows) if row.get(OWN) is not None), len(rows))
    for place in range(begun, len(rows)):
        row, before = rows[place], rows[place - 1] if place else None
        if row["sequence"] != place:
            return Break(place, f"has the number {row['sequence']}: a row is missing, or there twice")
        if row.get(PREVIOUS) != (hashes[place - 1] if place else BEGINNING):
            return Break(place, "does not follow the row before it: one of the two was changed")
        if row.get(OWN) != hashes[place]:
            return Break(place, "does not have the content that it was written with")
        if before is not None and row["champion_before"] != before["champion_after"]:
            return Break(place, f"takes version {row['champion_before']} for the champion, which it was not")
    return None
