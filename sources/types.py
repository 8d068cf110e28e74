"""Table of source types. A new type is a block in `declaration.sources`, a file here, and an entry below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from declaration.sources.spec import SourceSpec
from sources.asset_source import ASSET_SOURCE
from sources.avro import AVRO_FILES
from sources.dataset_source import DATASET_SOURCE
from sources.delta import DELTA_TABLE
from sources.file_types import CSV_FILES, JSON_FILES, PARQUET_FILES, WORKBOOKS
from sources.fixed_width import FIXED_WIDTH
from sources.iceberg import ICEBERG_TABLE
from sources.orc import ORC_FILES
from sources.python_file import PYTHON_FILE
from sources.rest_source import REST_SOURCE
from sources.source_type import SourceType
from sources.sql_source import SQL_SOURCE
from sources.xml_files import XML_FILES

SOURCE_TYPES: Mapping[str, SourceType[Any]] = {
    "csv": CSV_FILES,
    "fixed_width": FIXED_WIDTH,
    "parquet": PARQUET_FILES,
    "json": JSON_FILES,
    "xml": XML_FILES,
    "excel": WORKBOOKS,
    "orc": ORC_FILES,
    "avro": AVRO_FILES,
    "delta": DELTA_TABLE,
    "iceberg": ICEBERG_TABLE,
    "sql": SQL_SOURCE,
    "rest": REST_SOURCE,
    "dataset": DATASET_SOURCE,
    "asset": ASSET_SOURCE,
    "python": PYTHON_FILE,
}
"""By the name that a declaration uses."""


def type_of(source: SourceSpec) -> SourceType[Any]:
    """Return the type of a declared source."""
    return SOURCE_TYPES[source.type]
