"""Stores of what was made elsewhere, as sources see them: accepted rows of other pipelines, materializations of assets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class AcceptedRows:
    """One version of a dataset's rows that met the expectations.

    Attributes
    ----------
    table
        The lake's table.
    version
        Its version.
    schema
        Columns of the rows.
    partitions
        Keys of the partitions that were accepted, with or without rows; '' alone of a table without partitions.
    states
        For each partition that has rows a text that is another one when its content is.
    batches
        Gives the rows of some partitions.
    """

    table: str
    version: int
    schema: pa.Schema
    partitions: tuple[str, ...]
    states: Mapping[str, str]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Materialized:
    """One materialization of an asset, as Dagster recorded it.

    Attributes
    ----------
    event
        Number of the event, which grows.
    run_id, at
        The run that made it, and when.
    partition
        Its partition; None where it has none.
    data_version
        Version that the run gave to the data; '' where it gave none.
    texts
        Entries of its metadata that are texts, paths, URLs and numbers, as texts.
    """

    event: int
    run_id: str
    at: datetime
    partition: str | None
    data_version: str
    texts: Mapping[str, str]


class Stores(Protocol):
    """Access to what was made elsewhere."""

    def accepted(self, pipeline: str, dataset: str, version: int | None) -> AcceptedRows | None:
        """Return the accepted rows of a dataset, the newest by default; None where nothing was accepted yet."""
        ...

    def newest(self, key: Sequence[str], partition: str | None) -> Materialized | None:
        """Return the newest materialization of an asset, or of one of its partitions; None where there is none."""
        ...

    def events(self, key: Sequence[str]) -> Mapping[str, int]:
        """Return the number of the newest materialization of each partition of an asset."""
        ...

    def assets(self) -> Sequence[str]:
        """List the keys of all assets that were materialized."""
        ...
