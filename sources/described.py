"""Facts that a source's own definition states: keys, columns that are always there, what they mean, and which tells of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Described:
    """What is known of a table before a row of it is read.

    Attributes
    ----------
    keys
        Columns that identify a row together, the primary key first, then unique ones whose columns are never NULL.
    has_primary
        Whether the first of `keys` is a primary key.
    required
        Columns that are never NULL.
    comment, comments
        What people wrote about the table, and about columns.
    allowed
        Values that a column's type allows, where that lists them.
    indexed
        Columns with which an index begins.
    updated
        Columns that the database itself sets at each change.
    """

    keys: Sequence[tuple[str, ...]] = ()
    has_primary: bool = False
    required: frozenset[str] = frozenset()
    comment: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()
    updated: frozenset[str] = frozenset()
