"""Registry of schemas: each version of a dataset's columns, with the run that first wrote rows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from declaration.pipeline import Pipeline
from declaration.schemas import Schema, SchemaColumn
from resources.lake.commits import Overtaken
from resources.lake.lake import Lake

INSTANT = pa.timestamp("us", tz="UTC")

SCHEMAS = LakeTable(
    "schemas",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("version", pa.int32()),
            ("hash", pa.string()),
            ("first_seen", INSTANT),
            ("run_id", pa.string()),
            ("spec_hash", pa.string()),
            ("position", pa.int32()),
            ("column", pa.string()),
            ("type", pa.string()),
            ("is_nullable", pa.bool_()),
            ("is_optional", pa.bool_()),
            ("source", pa.string()),
            ("description", pa.string()),
            ("since", pa.date32()),
            ("deprecated", pa.date32()),
            ("renamed_from", pa.string()),
            ("widened_from", pa.string()),
        ]
    ),
)
"""A row per column of each version. Rows are only added; when a version was last seen is in the commits of the raw table."""

SCHEMA_MARK = "schema"
"""Key in the commit of a raw table: number and hash of the schema that its rows were written with."""


@dataclass(frozen=True)
class Registered:
    """One version of a dataset's schema.

    Attributes
    ----------
    number
        Counted from 1.
    schema
        Its columns.
    first_seen, run_id
        When (UTC), and by which run.
    """

    number: int
    schema: Schema
    first_seen: datetime
    run_id: str

    @property
    def mark(self) -> str:
        """Mark in the commits of its rows."""
        return schema_mark(self.number, self.schema)


def schema_mark(number: int, schema: Schema) -> str:
    """Return what commits of rows are known by that were written with a version of a schema."""
    return f"{number} {schema.hash}"


def read_schemas(lake: Lake, pipeline: str, dataset: str) -> Sequence[Registered]:
    """Return the versions of a dataset's schema, oldest first; none before the first was written."""
    table = SCHEMAS.of(pipeline)
    return _versions(lake.read(table).to_pylist(), dataset) if lake.has(table) else ()


def _versions(rows: Sequence[Mapping[str, Any]], dataset: str) -> Sequence[Registered]:
    own = sorted(
        (row for row in rows if row["dataset"] == dataset), key=lambda row: (row["version"], row["position"])
    )
    found = []
    for number, columns in groupby(own, key=lambda row: int(row["version"])):
        listed = list(columns)
        schema = Schema(tuple(_column(row) for row in listed))
        found.append(Registered(number, schema, listed[0]["first_seen"], listed[0]["run_id"]))
    return found


_FIELDS = (
    "type", "is_nullable", "is_optional", "source", "description", "since", "deprecated", "renamed_from", "widened_from",
)  # fmt: skip


def _column(row: Mapping[str, Any]) -> SchemaColumn:
    return SchemaColumn(name=row["column"], **{name: row[name] for name in _FIELDS})


def register(
    lake: Lake, pipeline: Pipeline, dataset: str, schema: Schema, *, run_id: str, clock: datetime
) -> int:
    """Add a version to the registry, unless it is the newest already; return its number.

    Of runs that do so at once, one adds it.
    """
    table = SCHEMAS.of(pipeline.name)
    while True:
        at = lake.snapshot(table).version if lake.has(table) else None
        rows = lake.read(table, version=at).to_pylist() if at is not None else []
        versions = _versions(rows, dataset)
        if versions and versions[-1].schema.hash == schema.hash:
            return versions[-1].number
        number = versions[-1].number + 1 if versions else 1
        shared = {
            "dataset": dataset, "version": number, "hash": schema.hash, "first_seen": clock, "run_id": run_id,
            "spec_hash": pipeline.spec_hash,
        }  # fmt: skip
        added = SCHEMAS.rows(
            {**shared, "position": place, "column": c.name, **{name: getattr(c, name) for name in _FIELDS}}
            for place, c in enumerate(schema.columns)
        )
        try:
            lake.append_at(table, added, version=at, commit={"pipeline": pipeline.name, "run_id": run_id})
        except Overtaken:
            continue
        return number


@dataclass(frozen=True)
class Sighting:
    """The newest write of rows with a schema: when (UTC), and by which run."""

    instant: datetime
    run_id: str


def last_seen(lake: Lake, table: str) -> Mapping[str, Sighting]:
    """Return the newest write of a raw table with each version of its schema, by their marks; none from before the registry."""
    seen: dict[str, Sighting] = {}
    for commit in lake.commits_of(table):
        if SCHEMA_MARK in commit:
            instant = datetime.fromtimestamp(commit["timestamp"] / 1000, tz=UTC)
            seen.setdefault(commit[SCHEMA_MARK], Sighting(instant, str(commit.get("run_id", ""))))
    return seen
