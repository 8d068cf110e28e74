"""Progress of a long reading: rows and their rate, told in a log some seconds apart."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PROGRESS = logging.getLogger("driftline.stages.progress")
"""Gets a line now and then of a reading that takes long; runs keep it in their event log, terminals show it."""

TELL_EVERY_S = 10.0
"""Seconds between two lines: a reading that is over earlier tells nothing."""


@dataclass
class Progress:
    """Progress of one reading.

    Attributes
    ----------
    place
        The source, as lines name it.
    n_rows
        Rows that have arrived.
    waited_s
        Seconds that the other side took to give them.
    """

    place: str
    n_rows: int = 0
    waited_s: float = 0.0
    _started: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self._told = time.monotonic()

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give batches on, counted."""
        asked = time.monotonic()
        for batch in batches:
            self.waited_s += time.monotonic() - asked
            self.add(batch.num_rows)
            yield batch
            asked = time.monotonic()
        self.waited_s += time.monotonic() - asked

    def add(self, n_rows: int) -> None:
        """Count rows that have arrived."""
        self.n_rows += n_rows
        now = time.monotonic()
        if now - self._told >= TELL_EVERY_S:
            self._told = now
            rate = self.n_rows / (now - self._started)
            PROGRESS.info("%s: %s rows so far, %s a second", self.place, f"{self.n_rows:,}", f"{rate:,.0f}")
