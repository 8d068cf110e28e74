"""ODCS, the Open Data Contract Standard: a dataset as a contract, and the columns of one object of a contract.

References
----------
Bitol, Open Data Contract Standard 3.1.0: `schema`, its objects and their properties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from declaration.pipeline import Pipeline
from declaration.schemas import Schema, SchemaColumn
from declaration.types import SQL_TYPES, ColumnType
from driftline.schema.foreign import FormatError, named_types

API_VERSION = "v3.1.0"

LOGICAL_TYPES: Mapping[ColumnType, Mapping[str, Any]] = {
    "boolean": {"logicalType": "boolean"},
    "int": {"logicalType": "integer", "logicalTypeOptions": {"format": "i64"}},
    "float": {"logicalType": "number", "logicalTypeOptions": {"format": "f64"}},
    "decimal": {"logicalType": "number"},
    "string": {"logicalType": "string"},
    "date": {"logicalType": "date"},
    "timestamp": {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
    "timestamp_tz": {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}},
}
"""Logical type of each declared one; the physical type is the engine's."""

_TYPES: Mapping[str, ColumnType] = {
    "boolean": "boolean",
    "integer": "int",
    "number": "float",
    "string": "string",
}


def odcs_contract(schema: Schema, pipeline: Pipeline, dataset: str) -> str:
    """Return a data contract in YAML; its version is the beginning of the schema's hash."""
    import yaml

    spec = pipeline.spec.datasets[dataset]
    contract = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"{pipeline.name}.{dataset}",
        "name": dataset,
        "version": schema.hash[:12],
        "status": "active",
        "schema": [
            {
                "name": dataset,
                "logicalType": "object",
                "physicalType": "table",
                "physicalName": pipeline.table("profiled", dataset),
                **({"description": spec.description} if spec.description else {}),
                "properties": [_property(column, spec.key) for column in schema.columns],
            }
        ],
    }
    return str(yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=10_000)).rstrip("\n")


def _property(column: SchemaColumn, key: Sequence[str]) -> Mapping[str, Any]:
    return {
        "name": column.name,
        **LOGICAL_TYPES[column.type],
        "physicalType": SQL_TYPES[column.type],
        "required": not column.is_nullable,
        **({"description": column.description} if column.description else {}),
        **(
            {"primaryKey": True, "primaryKeyPosition": key.index(column.name) + 1}
            if column.name in key
            else {}
        ),
        **({"tags": ["deprecated"]} if column.deprecated else {}),
    }


def odcs_columns(document: Mapping[str, Any], chosen: str | None) -> Schema:
    """Return the columns of one object of a contract.

    Raises
    ------
    FormatError
        If it has no such object, or one must be chosen, or properties have types that no column has.
    """
    objects = document.get("schema")
    named = {
        str(item.get("name")): item.get("properties")
        for item in (objects if isinstance(objects, list) else [])
        if isinstance(item, Mapping)
    }
    if chosen is None and len(named) == 1:
        chosen = next(iter(named))
    properties = named.get(chosen or "")
    if not isinstance(properties, list):
        what = (
            "--object is needed"
            if chosen is None
            else f"the contract has no object '{chosen}' with properties"
        )
        raise FormatError(f"{what}: it has {', '.join(named) or 'none'}.")
    return Schema(named_types([*_columns(properties)]))


def _columns(properties: Sequence[Any]) -> Iterator[tuple[str, str, SchemaColumn | None]]:
    for item in properties:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise FormatError("a property of the contract has no name. Correct the file.")
        name, shown = item["name"], str(item.get("logicalType") or item.get("physicalType"))
        kind = _type(item)
        description = str(item.get("description") or "")
        # A contract says whether a value may be NULL, not whether rows may come without the column.
        yield (
            name,
            shown,
            None
            if kind is None
            else SchemaColumn(name, kind, item.get("required") is not True, False, name, description),
        )


def _type(item: Mapping[str, Any]) -> ColumnType | None:
    options = item.get("logicalTypeOptions")
    options = options if isinstance(options, Mapping) else {}
    logical, physical = item.get("logicalType"), str(item.get("physicalType") or "").upper()
    if logical == "number" and physical.startswith(("DECIMAL", "NUMERIC")):
        return "decimal"
    if logical == "timestamp":
        # The standard's default is UTC.
        return "timestamp" if options.get("timezone") is False else "timestamp_tz"
    if logical == "date":
        # Contracts before 3.1 have no timestamps, but dates with a time.
        return "timestamp" if "H" in str(options.get("format") or "") else "date"
    return _TYPES.get(str(logical))
