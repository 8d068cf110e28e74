"""Formats of schemas: what writes each, what reads it, and the `columns:` block of what was read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from declaration.pipeline import Pipeline
from declaration.schemas import Schema, SchemaColumn, schema_of
from driftline.schema.foreign import FormatError

Format = Literal["avro", "json-schema", "odcs"]

MOST_BYTES = 4 * 2**20
"""Size of a file that is read: a schema of a thousand described columns is a tenth of it."""


def exported(pipeline: Pipeline, dataset: str | None, kind: Format) -> str:
    """Return the declared columns of a dataset as text of a format.

    Raises
    ------
    FormatError
        If there is no such dataset, or one must be named.
    """
    from driftline.schema.avro import avro_schema
    from driftline.schema.json_schema import json_schema
    from driftline.schema.odcs import odcs_contract

    names = list(pipeline.spec.datasets)
    if dataset is None and len(names) == 1:
        dataset = names[0]
    if dataset not in names:
        what = "--dataset is needed" if dataset is None else f"there is no dataset '{dataset}'"
        raise FormatError(f"{what}: '{pipeline.name}' has {', '.join(names)}.")
    schema = schema_of(pipeline.spec.datasets[dataset])
    if kind == "odcs":
        return odcs_contract(schema, pipeline, dataset)
    made = avro_schema(schema, dataset) if kind == "avro" else json_schema(schema, pipeline, dataset)
    return json.dumps(made, indent=2, ensure_ascii=False)


def imported(file: Path, chosen: str | None) -> Schema:
    """Return the columns that a file declares: an Avro schema, a JSON Schema or an ODCS data contract.

    Raises
    ------
    FormatError
        If it is none of these, or its columns have no type here.
    """
    from driftline.schema.avro import avro_columns
    from driftline.schema.json_schema import json_schema_columns
    from driftline.schema.odcs import odcs_columns

    document = _document(file)
    if document.get("kind") == "DataContract":
        return odcs_columns(document, chosen)
    read: Callable[[Mapping[str, Any]], Schema] | None = None
    if document.get("type") == "record":
        read = avro_columns
    elif isinstance(document.get("properties"), dict):
        read = json_schema_columns
    if read is None:
        raise FormatError(
            f"{file.name} is no Avro record (`type: record`), no JSON Schema of an object (`properties`) and no ODCS data "
            "contract (`kind: DataContract`)."
        )
    return read(document)


def _document(file: Path) -> Mapping[str, Any]:
    import yaml

    if file.stat().st_size > MOST_BYTES:
        raise FormatError(f"{file.name} has more than {MOST_BYTES:,} bytes: it is no schema.")
    try:
        # JSON is YAML.
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise FormatError(f"{file.name} is neither JSON nor YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(document, dict):
        raise FormatError(f"{file.name} holds no object. Name the file of a schema.")
    return document


def columns_block(schema: Schema) -> str:
    """Return the `columns:` block of a declaration."""
    import yaml

    columns = {column.name: _entry(column) for column in schema.columns}
    text = yaml.safe_dump({"columns": columns}, sort_keys=False, allow_unicode=True, width=10_000)
    return str(text)


def _entry(column: SchemaColumn) -> object:
    described: dict[str, object] = {"type": column.type}
    if column.is_optional:
        described["optional"] = True
    if column.description:
        described["description"] = column.description
    return column.type if len(described) == 1 else described
