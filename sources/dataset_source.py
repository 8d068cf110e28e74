"""Datasets of other pipelines: their accepted rows, pinned to a version of the lake's table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from declaration.partitioning import LoadPartitions, partitioning
from declaration.sources.upstream import DatasetSourceSpec
from declaration.upstream import UpstreamDataset
from sources.converted import write_parquet
from sources.files import SourceError
from sources.forms import PARQUET
from sources.source_type import WHOLE, Asked, Opened, SourceType
from sources.stores import AcceptedRows, Stores
from sources.tables import in_order

MOST_NAMED = 5
"""Partitions that a message names."""


@contextmanager
def _open(source: DatasetSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Write the accepted rows as Parquet: of the partitions that are needed where both have the same clock, else of all."""
    upstream, rows = _rows(source, asked)
    needed = upstream.needed(asked.partition)
    if needed is not None:
        _refuse_lacking(source, upstream, rows, needed, asked.partition or "")
    chosen = _whole(upstream, rows) if needed is None else needed
    asked.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=asked.scratch, prefix="dataset-") as name:
        target = Path(name) / f"{source.dataset}.parquet"
        write_parquet(target, rows.schema, rows.batches(chosen), where=f"dataset {source.place}")
        facts: dict[str, str | int | float] = {
            "reads": f"{rows.table}@{rows.version}",
            "source_version": rows.version,
            "n_source_partitions": len(chosen),
        }
        yield Opened((target,), _state(rows, chosen), facts)


def _marks(source: DatasetSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the content of each partition that can be read where both have the same clock, else that of the whole."""
    upstream, stores = _known(source, asked)
    rows = stores.accepted(source.pipeline, source.dataset, source.version)
    if rows is None and upstream.has_same_clock:
        # A look like any other: what is accepted later came since.
        return {}
    if rows is None:
        raise _nothing_accepted(source)
    if upstream.has_same_clock:
        return {key: _state(rows, needed) for key, needed in upstream.readable(set(rows.partitions)).items()}
    return {WHOLE: _state(rows, _whole(upstream, rows))}


def _rows(source: DatasetSourceSpec, asked: Asked) -> tuple[UpstreamDataset, AcceptedRows]:
    upstream, stores = _known(source, asked)
    rows = stores.accepted(source.pipeline, source.dataset, source.version)
    if rows is None:
        raise _nothing_accepted(source)
    return upstream, rows


def _known(source: DatasetSourceSpec, asked: Asked) -> tuple[UpstreamDataset, Stores]:
    if asked.upstream is None or asked.stores is None:
        raise SourceError(
            f"dataset {source.place} is read by a pipeline of the same project alone, beside its lake. Name the pipeline that reads it."
        )
    return asked.upstream, asked.stores


def _nothing_accepted(source: DatasetSourceSpec) -> SourceError:
    return SourceError(
        f"dataset {source.place} has no accepted rows in the lake yet. Run that pipeline first: driftline replay {source.pipeline}"
    )


def _refuse_lacking(
    source: DatasetSourceSpec,
    upstream: UpstreamDataset,
    rows: AcceptedRows,
    needed: Sequence[str],
    partition: str,
) -> None:
    """Refuse to read a partition before those are there in which its rows can be: it would lack them in silence."""
    if not needed:
        raise SourceError(
            f"dataset {source.place} has no partition for {partition}: that pipeline is cut from {upstream.partitions.start.isoformat()}"
            + (f" to {upstream.partitions.end.isoformat()}" if upstream.partitions.end else "")
            + ". Give this pipeline the same `partitions.start`."
        )
    lacking = [key for key in needed if key not in rows.partitions]
    if lacking:
        more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
        raise SourceError(
            f"dataset {source.place}: partition {', '.join(lacking[:MOST_NAMED])}{more} is not there yet, or a blocking expectation refused "
            f"it. Run it first: driftline run {source.pipeline} --partition {lacking[0]}"
        )


def _whole(upstream: UpstreamDataset, rows: AcceptedRows) -> Sequence[str]:
    """Return the partitions that hold the whole: of loads the newest, as each does."""
    if isinstance(partitioning(upstream.partitions), LoadPartitions) and upstream.event_time is not None:
        return rows.partitions[-1:]
    return rows.partitions


def _state(rows: AcceptedRows, chosen: Sequence[str]) -> str:
    """Return the content of partitions; the version says more than their rows, as it grows with every other partition."""
    digest = hashlib.sha256(rows.table.encode())
    for key in chosen:
        digest.update(f"\0{key}\0{rows.states.get(key, '')}".encode())
    return digest.hexdigest()


DATASET_SOURCE = SourceType(DatasetSourceSpec, _open, PARQUET, _marks, in_order)
