"""Tables of the lake that each pipeline has: name and columns of one, declared where its rows are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake.

    Attributes
    ----------
    name
        Its name below the pipeline's.
    schema
        Its columns.
    """

    name: str
    schema: pa.Schema

    def of(self, pipeline: str) -> str:
        """Return the name of a pipeline's table.

        Examples
        --------
        >>> LakeTable("ledger", pa.schema([("version", pa.int32())])).of("flights")
        'flights/ledger'
        """
        return f"{pipeline}/{self.name}"

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Return rows as Arrow's table of this schema; a column that a row does not name is null."""
        return pa.Table.from_pylist(list(rows), schema=self.schema)
