"""Reading of a source into a table of Arrow, as the raw stage reads it, without a declaration of its columns."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from declaration.datasets import DatasetSpec
from sources.opening import opened, readable
from sources.types import SOURCE_TYPES


def whole(connection: duckdb.DuckDBPyConnection, folder: Path, **block: object) -> pa.Table:
    """Return the rows that a source of a typed kind shows, with the types in which it shows them."""
    source = SOURCE_TYPES[str(block["type"])].keys.model_validate(block)
    probe = DatasetSpec.model_validate({"source": source, "columns": {"any": "string"}})
    scratch = folder / "scratch"
    with (
        opened(probe.source, folder=folder, scratch=scratch) as now,
        readable(connection, now.files, probe, scratch) as (file,),
    ):
        return connection.sql(f"SELECT * FROM read_parquet('{file}')").to_arrow_table()
