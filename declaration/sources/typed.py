"""Sources that are files whose columns have types: Parquet."""

from __future__ import annotations

from typing import ClassVar, Literal

from declaration.sources.blocks import FileSourceBlock


class ParquetSourceSpec(FileSourceBlock):
    """Parquet files."""

    reads_parquet: ClassVar[bool] = True

    type: Literal["parquet"]
    """Parquet files."""
