"""The `partitions:` block: how the data is cut."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import (
    Field,
)

from declaration.types import Block, Instant

Cadence = Literal["hour", "day", "week", "month", "rows", "load"]


class PartitionsSpec(Block):
    """Partitions into which the data is cut."""

    every: Cadence = "day"
    """A length of time; `rows`: `size` rows of a source that has only an order; `load`: each state of a source without time (a snapshot)."""
    start: Instant = datetime(2000, 1, 1)  # noqa: DTZ001  # A wall clock in `timezone`.
    """First instant of the first partition, in `timezone`. Required, except with `every: rows` and `every: load`, whose clock is made and begins here."""
    end: Instant | None = None
    """First instant after the last partition; absent while data keeps arriving."""
    timezone: str = "UTC"
    """IANA name of the zone in which partitions begin and naive source times are read."""
    size: int | None = Field(default=None, ge=10)
    """Rows of one partition, with `every: rows`."""
