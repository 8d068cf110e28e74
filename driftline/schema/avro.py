"""Avro: a schema as a record, and the columns that a record declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from declaration.schemas import Schema, SchemaColumn
from declaration.types import ColumnType
from driftline.schema.foreign import FormatError, named_types

AVRO_TYPES: Mapping[ColumnType, str | Mapping[str, Any]] = {
    "boolean": "boolean",
    "int": "long",
    "float": "double",
    "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9},
    "string": "string",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
    "timestamp_tz": {"type": "long", "logicalType": "timestamp-micros"},
}
"""Avro's type of each declared one."""

_TYPES: Mapping[str, ColumnType] = {
    "boolean": "boolean", "int": "int", "long": "int", "float": "float", "double": "float", "string": "string",
    "decimal": "decimal", "date": "date", "local-timestamp-micros": "timestamp", "local-timestamp-millis": "timestamp",
    "timestamp-micros": "timestamp_tz", "timestamp-millis": "timestamp_tz", "uuid": "string", "enum": "string",
}  # fmt: skip
"""Declared type of each of Avro's, by its logical type where it has one."""

OWN_NAME = "driftline.column"
"""Property of a field with the column's name, where that is no name in Avro."""


def avro_schema(schema: Schema, name: str) -> Mapping[str, Any]:
    """Return a schema as an Avro record: optional columns have the default NULL, renamed ones the alias.

    Names that Avro does not know get underscores, and the column's own beside.
    """
    names = _names(schema)
    return {
        "type": "record",
        "name": _plain(name),
        "fields": [_field(column, names[column.name]) for column in schema.columns],
    }


def _names(schema: Schema) -> Mapping[str, str]:
    """Return a name in Avro for each column: the same where it is one, and none twice."""
    names: dict[str, str] = {c.name: c.name for c in schema.columns if c.name == _plain(c.name)}
    for column in schema.columns:
        if column.name not in names:
            plain, number = _plain(column.name), 1
            while (chosen := plain if number == 1 else f"{plain}_{number}") in names.values():
                number += 1
            names[column.name] = chosen
    return names


def _plain(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _field(column: SchemaColumn, name: str) -> Mapping[str, Any]:
    kind = AVRO_TYPES[column.type]
    return {
        "name": name,
        "type": ["null", kind] if column.is_nullable else kind,
        **({"default": None} if column.is_optional else {}),
        **({"doc": column.description} if column.description else {}),
        **({"aliases": [_plain(column.renamed_from)]} if column.renamed_from is not None else {}),
        **({OWN_NAME: column.name} if name != column.name else {}),
    }


def avro_columns(document: Mapping[str, Any]) -> Schema:
    """Return the columns of an Avro record.

    Raises
    ------
    FormatError
        If it is no record, or fields have types that no column has.
    """
    fields = document.get("fields")
    if document.get("type") != "record" or not isinstance(fields, list):
        raise FormatError(
            "this is no Avro record: it has no list `fields`. Name the file of a record's schema."
        )
    return Schema(named_types([*_columns(fields)]))


def _columns(fields: list[Any]) -> Iterator[tuple[str, str, SchemaColumn | None]]:
    for field in fields:
        if not isinstance(field, Mapping) or not isinstance(field.get("name"), str):
            raise FormatError("a field of the Avro record has no name. Correct the file.")
        name = str(field.get(OWN_NAME) or field["name"])
        branches = field.get("type")
        kinds = [kind for kind in branches if kind != "null"] if isinstance(branches, list) else [branches]
        kind = _type(kinds[0]) if len(kinds) == 1 else None
        is_nullable = isinstance(branches, list) and "null" in branches
        yield (
            name,
            str(branches),
            None
            if kind is None
            else SchemaColumn(name, kind, is_nullable, "default" in field, name, str(field.get("doc") or "")),
        )


def _type(kind: object) -> ColumnType | None:
    if isinstance(kind, str):
        return _TYPES.get(kind)
    if not isinstance(kind, Mapping):
        return None
    logical, plain = kind.get("logicalType"), kind.get("type")
    if logical == "decimal" and not _fits(kind):
        return None
    return _TYPES.get(str(logical)) or (_type(plain) if isinstance(plain, str | Mapping) else None)


def _fits(kind: Mapping[str, Any]) -> bool:
    """Tell whether a decimal fits into the lake's: 29 digits before the point, 9 after."""
    precision, scale = kind.get("precision"), kind.get("scale", 0)
    return isinstance(precision, int) and isinstance(scale, int) and scale <= 9 and precision - scale <= 29
