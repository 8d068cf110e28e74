"""The source of a dataset: the union of all source types, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from declaration.sources.blocks import SourceBlock
from declaration.sources.fixed_width import FixedWidthSourceSpec
from declaration.sources.python import PythonSourceSpec
from declaration.sources.rest import RestSourceSpec
from declaration.sources.sql import SqlSourceSpec
from declaration.sources.tables import DeltaSourceSpec, IcebergSourceSpec
from declaration.sources.text import CsvSourceSpec, ExcelSourceSpec, JsonSourceSpec
from declaration.sources.typed import AvroSourceSpec, OrcSourceSpec, ParquetSourceSpec
from declaration.sources.upstream import AssetSourceSpec, DatasetSourceSpec
from declaration.sources.xml import XmlSourceSpec

SourceSpec = Annotated[
    CsvSourceSpec
    | FixedWidthSourceSpec
    | ParquetSourceSpec
    | JsonSourceSpec
    | XmlSourceSpec
    | ExcelSourceSpec
    | OrcSourceSpec
    | AvroSourceSpec
    | DeltaSourceSpec
    | IcebergSourceSpec
    | SqlSourceSpec
    | RestSourceSpec
    | DatasetSourceSpec
    | AssetSourceSpec
    | PythonSourceSpec,
    Field(discriminator="type"),
]
"""Block of any type. A new type is a block more here, and an entry in `sources.types.SOURCE_TYPES`."""

SOURCE_BLOCKS: tuple[type[SourceBlock], ...] = get_args(get_args(SourceSpec)[0])
"""The blocks, in the order in which they are listed."""
