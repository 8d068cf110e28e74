"""Files of every source as ones that the engine reads: unpacked, in UTF-8, as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window, partitioning
from declaration.partitions import PartitionsSpec
from declaration.sources.spec import SourceSpec
from declaration.upstream import UpstreamDataset
from sources.files import unpacked
from sources.scratch import scratch_folder
from sources.source_type import Asked, Opened
from sources.stores import Stores
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb


def asked_window(
    dataset: DatasetSpec,
    partitions: PartitionsSpec,
    window: Window | None,
    upstream: UpstreamDataset | None = None,
) -> Window | None:
    """Return the partition that a source is asked for; None where it gives everything."""
    can_answer = dataset.source.is_asked or (upstream is not None and upstream.is_aligned)
    is_asked = can_answer and dataset.is_partitioned and partitioning(partitions).ends_by_clock
    return window if is_asked else None


@contextmanager
def opened(
    source: SourceSpec,
    *,
    folder: Path,
    scratch: Path,
    partition: str | None = None,
    asked: Window | None = None,
    dataset: DatasetSpec | None = None,
    partitions: PartitionsSpec | None = None,
    most_rows: int | None = None,
    upstream: UpstreamDataset | None = None,
    stores: Stores | None = None,
    clock: datetime | None = None,
) -> Iterator[Opened]:
    """Open a source; files that are made of one that has none are removed after.

    Parameters
    ----------
    source
        What the declaration says.
    folder
        Folder of the declaration.
    scratch
        Where files are made.
    partition
        Key of the partition; None for the whole source.
    asked
        The window that a source is asked for (`asked_window`); None for all of its rows.
    dataset, partitions
        What is declared of the rows, and how they are cut; None where nothing is.
    most_rows
        Rows that a look needs at most, of a source that is asked.
    upstream, stores
        What a source is that was made elsewhere, and where such things are kept (`Asked`).
    clock
        The present instant, where files that are too young are not to be read.

    Raises
    ------
    SourceError
        If nothing is there, or the source cannot be read.
    """
    timezone = partitions.timezone if partitions is not None else "UTC"
    takes_strays = asked is not None and partitions is not None and _is_first(asked, partitions)
    span = _span(asked, partitions) if asked is not None and partitions is not None else None
    request = Asked(
        folder,
        scratch,
        partition,
        asked,
        dataset,
        timezone,
        takes_strays,
        most_rows,
        upstream,
        stores,
        clock,
        span,
    )
    with type_of(source).open(source, request) as source_now:
        yield source_now


def _is_first(window: Window, partitions: PartitionsSpec) -> bool:
    """Tell whether a partition is the first, under which rows are kept that belong to none."""
    return partitioning(partitions).windows(until=window.end)[0].key == window.key


def _span(window: Window, partitions: PartitionsSpec) -> tuple[datetime, datetime | None]:
    """Return the instants between which all partitions lie."""
    end = partitions.end
    if end is not None and end.tzinfo is None:
        end = end.replace(tzinfo=ZoneInfo(partitions.timezone))
    return partitioning(partitions).windows(until=window.end)[0].start, end


@contextmanager
def readable(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], spec: DatasetSpec, scratch: Path
) -> Iterator[tuple[Path, ...]]:
    """Give files that the engine can read: unpacked and in UTF-8; copies are removed after."""
    with unpacked(files, scratch=scratch) as plain, scratch_folder(scratch, "text-") as name:
        yield type_of(spec.source).prepare(connection, plain, spec.source, folder=name)
