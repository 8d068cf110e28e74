"""JSON Schema: a dataset's rows as objects, and the columns that the schema of an object declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from declaration.pipeline import Pipeline
from declaration.schemas import Schema, SchemaColumn
from declaration.types import ColumnType
from driftline.schema.foreign import FormatError, named_types

DIALECT = "https://json-schema.org/draft/2020-12/schema"

OWN_TYPE = "x-driftline-type"
"""Keyword with the declared type, which JSON's types do not tell."""

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"

JSON_TYPES: Mapping[ColumnType, Mapping[str, Any]] = {
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"type": "number"},
    "decimal": {"type": ["number", "string"], "pattern": r"^-?[0-9]{1,29}(\.[0-9]{1,9})?$"},
    "string": {"type": "string"},
    # Formats are notes for most validators: the patterns are what they judge by.
    "date": {"type": "string", "format": "date", "pattern": f"^{_DAY}$"},
    "timestamp": {"type": "string", "pattern": f"^{_DAY}[T ]{_CLOCK}$"},
    "timestamp_tz": {
        "type": "string",
        "format": "date-time",
        "pattern": f"^{_DAY}[T ]{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})$",
    },
}
"""JSON's type of each declared one."""


def json_schema(schema: Schema, pipeline: Pipeline, dataset: str) -> Mapping[str, Any]:
    """Return the schema of a row as an object; other properties are let through, as undeclared columns are."""
    return {
        "$schema": DIALECT,
        "title": dataset,
        **({"description": text} if (text := pipeline.spec.datasets[dataset].description) else {}),
        "type": "object",
        "properties": {column.name: _property(column) for column in schema.columns},
        "required": [column.name for column in schema.columns if not column.is_optional],
    }


def _property(column: SchemaColumn) -> Mapping[str, Any]:
    kind = dict(JSON_TYPES[column.type])
    if column.is_nullable:
        types = kind["type"] if isinstance(kind["type"], list) else [kind["type"]]
        kind["type"] = [*types, "null"]
    return {
        **kind,
        OWN_TYPE: column.type,
        **({"description": column.description} if column.description else {}),
        **({"deprecated": True} if column.deprecated else {}),
    }


def json_schema_columns(document: Mapping[str, Any]) -> Schema:
    """Return the columns of the schema of an object.

    Raises
    ------
    FormatError
        If properties have types that no column has.
    """
    required = document.get("required") or []
    if not isinstance(required, list):
        raise FormatError("`required` of the JSON Schema is no list. Correct the file.")
    return Schema(named_types([*_columns(document["properties"], frozenset(map(str, required)))]))


def _columns(
    properties: Mapping[Any, Any], required: frozenset[str]
) -> Iterator[tuple[str, str, SchemaColumn | None]]:
    for key, form in properties.items():
        name = str(key)
        if not isinstance(form, Mapping):
            raise FormatError(f"property '{name}' of the JSON Schema is no object. Correct the file.")
        types = form.get("type")
        listed = list(types) if isinstance(types, list) else [types]
        plain = [kind for kind in listed if kind != "null"]
        kind = _type(plain, form)
        yield (
            name,
            str(types),
            None
            if kind is None
            else SchemaColumn(
                name, kind, "null" in listed, name not in required, name, str(form.get("description") or "")
            ),
        )


def _type(types: list[Any], form: Mapping[str, Any]) -> ColumnType | None:
    own = form.get(OWN_TYPE)
    if own in get_args(ColumnType):
        return next(kind for kind in get_args(ColumnType) if kind == own)
    if not types and isinstance(form.get("enum"), list):
        types = ["string"] if all(isinstance(value, str | None) for value in form["enum"]) else []
    if set(types) == {"string"}:
        formats: Mapping[Any, ColumnType] = {"date": "date", "date-time": "timestamp_tz"}
        return formats.get(form.get("format"), "string")
    plain: Mapping[frozenset[Any], ColumnType] = {
        frozenset({"boolean"}): "boolean",
        frozenset({"integer"}): "int",
        frozenset({"number"}): "float",
        frozenset({"integer", "number"}): "float",
    }
    return plain.get(frozenset(kind for kind in types if isinstance(kind, str)))
