"""Data files: which columns have a dictionary of their values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.lake.files import write_file


def dictionaries(folder: Path, rows: pa.Table) -> set[str]:
    file = write_file(rows.to_batches(), rows.schema, folder)
    assert file is not None
    assert pq.read_table(file.path, partitioning=None).equals(rows)
    group = pq.ParquetFile(file.path).metadata.row_group(0)
    columns = (group.column(place) for place in range(group.num_columns))
    return {column.path_in_schema for column in columns if column.has_dictionary_page}


def test_values_that_repeat_have_a_dictionary_and_measurements_none(tmp_path: Path) -> None:
    n = 5_000
    rows = pa.table(
        {
            "id": [f"{number:032x}" for number in range(n)],
            "measured": np.random.default_rng(0).normal(size=n),
            "kind": ["a", "b"] * (n // 2),
            "grade": pa.array([1.5, None] * (n // 2)),
        }
    )
    assert dictionaries(tmp_path, rows) == {"kind", "grade"}


def test_beside_nested_columns_every_column_has_one(tmp_path: Path) -> None:
    rows = pa.table({"score": [0.1, 0.2, 0.3], "scores": [[0.1], [0.2], [0.3]]})
    assert {path.partition(".")[0] for path in dictionaries(tmp_path, rows)} == {"score", "scores"}
