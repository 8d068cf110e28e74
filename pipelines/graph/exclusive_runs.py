"""Exclusive runs: one at a time makes a partition of an asset; others started beside it wait, and make it anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from declaration.errors import DriftlineError
from resources.lake.lake import Lake
from resources.locks import LockBusyError, held_alone

PATIENCE = timedelta(minutes=10)
"""Time that a run waits for another that makes the same partition."""


class PartitionBusyError(DriftlineError):
    """Another run makes the same partition, for longer than we wait."""


@contextmanager
def written_alone(
    lake: Lake, table: str, partition: str | None, run_id: str, *, patience: timedelta = PATIENCE
) -> Iterator[None]:
    """Wait for, and hold, the right to make a partition of a table, or all of it.

    Among machines that share no locks the lake's commit decides.

    Raises
    ------
    PartitionBusyError
        If another run holds it for longer than `patience`.
    """
    what = f"{table}, partition {partition}" if partition else table
    # Partition keys are no file names.
    name = hashlib.sha256(what.encode()).hexdigest()[:32]
    try:
        with held_alone(lake.table_path(".locks") / name, f"run {run_id}", patience=patience):
            yield
    except LockBusyError as error:
        raise PartitionBusyError(
            f"another run makes {what} since more than {patience} ({error}) "
            "Wait until it has ended, or terminate it, and run the partition again."
        ) from error
