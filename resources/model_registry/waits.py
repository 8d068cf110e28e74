"""Trainings that wait for labels: one row for each partition that could not be learned as of, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa

from declaration.lake_table import LakeTable
from resources.lake.lake import Lake, Snapshot

WAITS = "waits for labels"
"""Outcome of a training that was asked for and not made."""

WAITING_TRAININGS = LakeTable(
    "waits",
    pa.schema(
        [
            ("partition", pa.string()),
            ("instant", pa.timestamp("us", tz="UTC")),
            ("asked_for", pa.string()),
            ("needed", pa.string()),
            ("spec_hash", pa.string()),
            ("run_id", pa.string()),
        ]
    ),
)
"""A row per partition as of which nothing could be trained."""


@dataclass(frozen=True)
class Wait:
    """A training that waits: it was asked for, and the labels there were did not suffice.

    Attributes
    ----------
    partition
        What it was to be trained as of.
    instant
        When it was tried (UTC).
    asked_for
        Why it was asked for.
    needed
        Which labels are missing, in words.
    spec_hash
        The declaration that was tried: another one may need less.
    run_id
        Dagster's run.
    """

    partition: str
    instant: datetime
    asked_for: str
    needed: str
    spec_hash: str
    run_id: str


def write_wait(lake: Lake, pipeline: str, wait: Wait, *, commit: Mapping[str, str]) -> Snapshot:
    """Write that a training waits; tried again as of the same partition, it has one row."""
    rows = WAITING_TRAININGS.rows([asdict(wait)])
    return lake.write(WAITING_TRAININGS.of(pipeline), rows, partition=wait.partition, commit=commit)


def read_waits(lake: Lake, pipeline: str) -> tuple[Wait, ...]:
    """Return all trainings that waited for labels, in the order of their partitions."""
    table = WAITING_TRAININGS.of(pipeline)
    if not lake.has(table):
        return ()
    rows = lake.read(table).select(WAITING_TRAININGS.schema.names).sort_by("partition").to_pylist()
    return tuple(Wait(**row) for row in rows)
