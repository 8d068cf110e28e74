"""Table of uploads in the lake: which file was taken, by whom, and what was in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from declaration.lake_table import LakeTable
from sources.uploads import Placed

if TYPE_CHECKING:
    from resources.lake.lake import Lake

UPLOADS = LakeTable(
    "uploads",
    pa.schema(
        [
            ("at", pa.timestamp("us", tz="UTC")),
            ("dataset", pa.string()),
            ("file", pa.string()),
            ("place", pa.string()),
            ("sha256", pa.string()),
            ("size_bytes", pa.int64()),
            ("person", pa.string()),
            ("source_partition", pa.string()),
            ("n_rows", pa.int64()),
            ("n_rejected", pa.int64()),
        ]
    ),
)
"""A row for each file that was taken; `place` is where it was put, `source_partition` whose rows it holds."""


def record_upload(
    lake: Lake, pipeline: str, dataset: str, file: str, placed: Placed, *, person: str, at: datetime
) -> bool:
    """Write down an upload; what is written down already is not again, as after one that was killed in between.

    Returns
    -------
    bool
        Whether it was written.
    """
    table = UPLOADS.of(pipeline)
    row: Mapping[str, object] = {
        "at": at,
        "dataset": dataset,
        "file": file,
        "place": str(placed.place),
        "sha256": placed.sha256,
        "size_bytes": placed.size_bytes,
        "person": person,
        "source_partition": placed.partition,
        "n_rows": placed.n_rows,
        "n_rejected": placed.n_rejected,
    }
    if not placed.is_new and lake.has(table):
        is_same = (
            (pc.field("dataset") == dataset)
            & (pc.field("sha256") == placed.sha256)
            & (pc.field("place") == str(placed.place))
        )
        if lake.read(table).filter(is_same).num_rows:
            return False
    lake.append(table, UPLOADS.rows([row]))
    return True
