"""Types of a source before any declaration: its columns, with the types that their values have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from resources.engine.duckdb import Engine
from sources.folder_keys import folder_keys
from sources.opening import asked_window, opened, readable
from sources.stores import Stores
from sources.types import type_of

_WORDS: Mapping[str, str] = {
    "BIGINT": "int", "HUGEINT": "int", "INTEGER": "int", "SMALLINT": "int", "TINYINT": "int", "UBIGINT": "int",
    "UINTEGER": "int", "USMALLINT": "int", "UTINYINT": "int", "DOUBLE": "float", "FLOAT": "float",
    "VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp_tz", "TIMESTAMPTZ_NS": "timestamp_tz",
    "DECIMAL": "decimal",
}  # fmt: skip
"""The declaration's words for DuckDB's types."""


def source_types(
    pipeline: Pipeline, name: str, window: Window | None, engine: Engine, stores: Stores
) -> Mapping[str, str]:
    """Return the columns of a source's first file, and of its folders, with the types of their values; else text.

    Raises
    ------
    DriftlineError
        If the source is not there or cannot be opened.
    """
    key = window.key if window is not None else None
    scratch = Path(engine.spill_directory)
    dataset, upstream = pipeline.spec.datasets[name], pipeline.upstream.get(name)
    requested = asked_window(dataset, pipeline.spec.partitions, window, upstream)
    with (
        opened(
            dataset.source,
            folder=Path(pipeline.folder),
            scratch=scratch,
            partition=key,
            asked=requested,
            partitions=pipeline.spec.partitions,
            upstream=upstream,
            stores=stores,
        ) as now,
        engine.connect(reads=now.files) as connection,
        readable(connection, now.files, dataset, scratch) as plain,
    ):
        if not plain:
            return {}
        in_folders = {key: "string" for key, _ in folder_keys(now.files[0])}
        shown = type_of(dataset.source).form.sniffed(connection, plain[0], dataset)
        return {**in_folders, **{name: word(kind) for name, kind in shown.items()}}


def word(kind: str) -> str:
    """Return the declaration's word for a type of DuckDB's; its own name where there is none."""
    return _WORDS.get(kind.partition("(")[0], kind.lower())
