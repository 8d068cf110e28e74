"""Tally of a training set's rows while they pass: missing values, and the partitions that they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from declaration.names import SOURCE_PARTITION

NOT_FEATURES = ("label", "label_time", SOURCE_PARTITION)


class Tally:
    """Counts of rows."""

    def __init__(self, leading: Sequence[str]) -> None:
        self._no_features = {*leading, *NOT_FEATURES}
        self.n_rows = self.size_bytes = 0
        self.nulls: Counter[str] = Counter()
        self.rows_by_partition: Counter[str] = Counter()

    def clear(self) -> None:
        """Forget all."""
        self.n_rows = self.size_bytes = 0
        self.nulls.clear()
        self.rows_by_partition.clear()

    def add(self, table: pa.Table) -> None:
        """Count some rows."""
        self.n_rows += table.num_rows
        self.size_bytes += table.nbytes
        for name in table.column_names:
            if name not in self._no_features:
                self.nulls[name] += table[name].null_count
        for counted in table[SOURCE_PARTITION].value_counts().to_pylist():
            self.rows_by_partition[counted["values"]] += counted["counts"]

    def counted(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Count rows as they pass."""
        for table in tables:
            self.add(table)
            yield table
