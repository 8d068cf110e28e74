"""What is compatible is what fastavro, given Avro's rules, reads as it was written."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import numpy as np
import pytest

from declaration.compatibility import incompatibilities, unreadable
from declaration.datasets import Compatibility
from declaration.schemas import Schema, SchemaColumn
from declaration.types import ColumnType
from driftline.schema.avro import avro_schema

VALUES: dict[ColumnType, Any] = {
    "boolean": True,
    "int": 12,
    "float": 2.5,
    "decimal": Decimal("3.250000000"),
    "string": "seven",
    "date": date(2024, 3, 1),
    "timestamp": datetime(2024, 3, 1, 12, 30),
    "timestamp_tz": datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
}
NAMES = ("a", "b", "c", "d")


def drawn(rng: np.random.Generator) -> Schema:
    """Draw a schema of few columns and types, so that two of them often are near each other."""
    names = [name for name in NAMES if rng.uniform() < 0.75] or ["a"]
    return Schema(
        tuple(
            SchemaColumn(
                name,
                ("int", "float", *VALUES)[rng.integers(2 + len(VALUES))],
                is_nullable=bool(is_nullable := rng.uniform() < 0.6),
                is_optional=bool(is_nullable and rng.uniform() < 0.6),
            )
            for name in names
        )
    )


def changed(schema: Schema, rng: np.random.Generator) -> Schema:
    """Change some columns of a schema, and let one in five be renamed."""
    other = drawn(rng).by_name
    kept = [other.get(c.name, c) if rng.uniform() < 0.3 else c for c in schema.columns if rng.uniform() < 0.9]
    added = [c for name, c in other.items() if name not in schema.by_name and rng.uniform() < 0.3]
    columns = [*kept, *added] or list(schema.columns)
    if rng.uniform() < 0.2:
        old = columns[0]
        columns[0] = SchemaColumn("z", old.type, old.is_nullable, old.is_optional, renamed_from=old.name)
    return Schema(tuple(columns))


def rows_of(schema: Schema) -> list[dict[str, Any]]:
    """Return a row with every value, and one with NULL wherever it may be."""
    full = {c.name: VALUES[c.type] for c in schema.columns}
    return [full, {c.name: None if c.is_nullable else full[c.name] for c in schema.columns}]


def kind(value: object) -> tuple[type, bool]:
    """Return a value's type, and whether it is an instant."""
    return type(value), getattr(value, "tzinfo", None) is not None


def arrives(reader: Schema, writer: Schema) -> bool:
    """Tell whether fastavro reads the writer's rows with the reader's schema, each value the same and of the reader's type."""
    written_as, read_as = (
        fastavro.parse_schema(json.loads(json.dumps(avro_schema(s, "r")))) for s in (writer, reader)
    )
    for row in rows_of(writer):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, written_as, row)
        buffer.seek(0)
        try:
            read = fastavro.schemaless_reader(buffer, written_as, read_as)
        except (fastavro.read.SchemaResolutionError, UnicodeDecodeError):
            return False
        for column in reader.columns:
            origin = column.name if column.name in row else column.renamed_from
            value = read[column.name]
            # fastavro makes values of the writer's logical type: one that the reader does not declare is none of its values.
            if value != row.get(origin) or (value is not None and kind(value) != kind(VALUES[column.type])):
                return False
    return True


def test_two_thousand_pairs_are_judged_as_fastavro_reads_them() -> None:
    rng = np.random.default_rng(15)
    verdicts = []
    for _ in range(2_000):
        writer = drawn(rng)
        reader = changed(writer, rng)
        verdict = not unreadable(reader, writer)
        assert verdict == arrives(reader, writer), (reader, writer)
        verdicts.append(verdict)
    # Neither answer is rare: an oracle that always says the same would prove nothing.
    assert 400 < sum(verdicts) < 1_600


def schema(**types: ColumnType) -> Schema:
    return Schema(
        tuple(SchemaColumn(name, kind, is_optional=name == "optional") for name, kind in types.items())
    )


BASE = schema(id="int", optional="string")


@pytest.mark.parametrize(
    ("mode", "now", "is_refused"),
    [
        ("none", schema(id="string"), False),
        (None, schema(id="string"), False),
        ("backward", schema(id="float"), False),
        ("backward", schema(id="int", new="int"), True),
        ("backward", schema(id="int", optional="string"), False),
        ("backward", schema(optional="string"), False),
        ("forward", schema(id="float", optional="string"), True),
        ("forward", schema(id="int"), False),
        ("forward", schema(optional="string"), True),
        ("forward", schema(id="int", optional="string", new="int"), False),
        ("full", schema(id="int"), False),
        ("full", schema(id="float", optional="string"), True),
    ],
)
def test_each_mode_asks_its_own_direction(mode: Compatibility, now: Schema, is_refused: bool) -> None:
    assert bool([*incompatibilities(mode, now, [(1, BASE)])]) == is_refused


@pytest.mark.parametrize(("mode", "numbers"), [("backward", []), ("backward_transitive", ["1"])])
def test_only_transitive_modes_look_at_every_version(mode: Compatibility, numbers: Sequence[str]) -> None:
    versions = [(1, schema(id="string")), (2, schema(id="int"))]
    faults = [*incompatibilities(mode, schema(id="float"), versions)]
    assert [fault.split("version ")[1][0] for fault in faults] == numbers


def test_a_refusal_says_what_and_how_to_repair_it() -> None:
    (fault,) = incompatibilities("backward", schema(id="string"), [(4, schema(id="int"))])
    assert fault == (
        "column 'id' cannot be read from rows of version 4 (int cannot be read as string), and compatibility is backward. "
        "Restore it, declare it with `since` or `optional` where it is new, or give it another name."
    )
