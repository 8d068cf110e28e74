"""Rows of the lake that a reading may not replace: those that its source no longer tells of."""

from __future__ import annotations

from assets.raw.loads import FINGERPRINT
from assets.raw.reading import ReadError
from resources.lake import Lake


def refuse_to_empty(lake: Lake, table: str, partition: str, where: str) -> None:
    """Refuse to empty a partition whose file was there once: that it is missing now does not unmake its rows.

    Parameters
    ----------
    lake, table, partition
        What would be written.
    where
        Dataset and source, for the message.

    Raises
    ------
    ReadError
        If the partition holds rows.
    """
    n_rows = lake.snapshot(table).rows_by_partition.get(partition, 0) if lake.has(table) else 0
    if n_rows:
        raise ReadError(
            f"{where}: partition {partition} holds {n_rows:,} rows, but its file is gone. "
            "Restore the file; to empty the partition, put one there that has no rows."
        )


def refuse_other_load(lake: Lake, table: str, load: str, fingerprint: str, where: str) -> None:
    """Refuse to write a new state of a source over the newest load, as which it was found to be unchanged.

    Raises
    ------
    ReadError
        If the load holds another state.
    """
    if not lake.has(table) or load != max(lake.snapshot(table).partitions, default=""):
        return
    if lake.commit_of(table).get(FINGERPRINT) != fingerprint:
        raise ReadError(
            f"{where} changed after it was found to be {load}, unchanged. "
            "Nothing was written: run it again, and it is the next load."
        )
