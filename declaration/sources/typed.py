"""Sources that are files whose columns have types: Parquet, ORC, Avro."""

from __future__ import annotations

from typing import ClassVar, Literal

from declaration.sources.blocks import FileSourceBlock


class ParquetSourceSpec(FileSourceBlock):
    """Parquet files."""

    reads_parquet: ClassVar[bool] = True

    type: Literal["parquet"]
    """Parquet files."""


class OrcSourceSpec(FileSourceBlock):
    """ORC files."""

    type: Literal["orc"]
    """ORC files."""


class AvroSourceSpec(FileSourceBlock):
    """Avro object container files."""

    type: Literal["avro"]
    """Avro object container files."""
