"""Avro object container files, block by block, each type as the one of Arrow that holds all of its values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from declaration.extras import require_extra
from declaration.sources.typed import AvroSourceSpec
from sources.converted import as_parquet
from sources.file_types import look_at_files, marks_of_files, open_files
from sources.forms import PARQUET
from sources.rejects import ReadError
from sources.source_type import SourceType

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 10_000
"""Records that are in memory at a time."""

MAX_DIGITS = 38
"""Digits of the longest decimal that the engine holds."""

_PRIMITIVES: Mapping[str, pa.DataType] = {
    "null": pa.string(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "bytes": pa.binary(), "string": pa.string(), "enum": pa.string(),
}  # fmt: skip
_LOGICAL: Mapping[str, pa.DataType] = {
    "date": pa.date32(), "time-millis": pa.time32("ms"), "time-micros": pa.time64("us"), "uuid": pa.string(),
    "timestamp-millis": pa.timestamp("us", "UTC"), "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("us"), "local-timestamp-micros": pa.timestamp("us"),
}  # fmt: skip
"""Types of values that a primitive stands for. Others are read as their primitive, as the format's specification has it."""


def _prepare(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: AvroSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    del connection, source
    require_extra("avro", "a source of `type: avro`")
    return as_parquet(files, _read, folder=folder)


@contextmanager
def _read(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Open a file; its records are read in batches.

    Raises
    ------
    ReadError
        If it is no Avro file, is damaged, or holds no records.
    """
    from fastavro import reader

    with path.open("rb") as stream:
        try:
            found = reader(stream)
            written = found.writer_schema
            if not isinstance(written, Mapping) or written.get("type") != "record":
                raise ReadError(
                    f"{path.name} holds values that are no records, and so no columns. Write records."
                )
            names: Names = {}
            fields = [_field(field, names, path.name) for field in written["fields"]]
            schema = pa.schema([field for field, _ in fields])
            texts = {field.name: to_text for field, to_text in fields if to_text is not None}
            # Records, as the schema says.
            records = cast("Iterator[Mapping[str, Any]]", found)
            yield schema, _batches(records, schema, texts)
        except ReadError:
            raise
        except (
            ValueError,
            EOFError,
            OverflowError,
            KeyError,
            IndexError,
            TypeError,
            pa.ArrowException,
        ) as error:
            # fastavro has no exception of its own for a file that is none, or ends early.
            raise ReadError(
                f"{path.name} cannot be read as an Avro file ({type(error).__name__}: {error}). It is damaged, incomplete, of "
                "another format, or packed in a way that is not installed (snappy and zstandard need their packages)."
            ) from error


def _batches(
    records: Iterator[Mapping[str, Any]], schema: pa.Schema, texts: Mapping[str, Callable[[Any], str]]
) -> Iterator[pa.RecordBatch]:
    while block := list(islice(records, BATCH_ROWS)):
        columns = []
        for field in schema:
            values = [record[field.name] for record in block]
            if field.name in texts:
                to_text = texts[field.name]
                values = [None if value is None else to_text(value) for value in values]
            columns.append(pa.array(values, field.type))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


Names = dict[str, Any]
"""Named types that stand earlier in the schema."""


def _field(field: Mapping[str, Any], names: Names, file: str) -> tuple[pa.Field, Callable[[Any], str] | None]:
    """Return a column, and what makes a text of its values where no type holds them all."""
    name, kind = str(field["name"]), field["type"]
    where = f"{file}: the column {name!r}"
    options = [option for option in kind if option != "null"] if isinstance(kind, list) else [kind]
    if len(options) > 1:
        for option in options:
            _type(option, names, where)
        return pa.field(name, pa.string()), _as_json
    arrow = _type(options[0], names, where) if options else pa.string()
    if options and _logical(options[0]) == "uuid":
        return pa.field(name, arrow), str
    return pa.field(name, arrow), None


def _logical(kind: Any) -> str | None:
    return kind.get("logicalType") if isinstance(kind, Mapping) else None


def _type(kind: Any, names: Names, where: str) -> pa.DataType:
    if isinstance(kind, list):
        options = [option for option in kind if option != "null"]
        if len(options) > 1:
            raise ReadError(
                f"{where} holds values that may be of several types ({', '.join(map(_said, options))}). "
                "Write it as a column of its own, or as text."
            )
        return _type(options[0], names, where) if options else pa.string()
    if isinstance(kind, str):
        return _PRIMITIVES[kind] if kind in _PRIMITIVES else names[kind]
    base, logical = kind["type"], kind.get("logicalType")
    if isinstance(base, list | Mapping):
        return _type(base, names, where)
    if logical == "decimal":
        arrow = _decimal(kind, where)
    elif logical in _LOGICAL:
        arrow = _LOGICAL[logical]
    elif base == "array":
        arrow = pa.list_(_type(kind["items"], names, where))
    elif base == "map":
        arrow = pa.map_(pa.string(), _type(kind["values"], names, where))
    elif base in ("record", "error"):
        arrow = pa.struct([(field["name"], _type(field["type"], names, where)) for field in kind["fields"]])
    elif base == "fixed":
        arrow = pa.binary(kind["size"])
    else:
        arrow = _type(base, names, where)
    if "name" in kind:
        # fastavro has made full names of them.
        names[kind["name"]] = arrow
    return arrow


def _decimal(kind: Mapping[str, Any], where: str) -> pa.DataType:
    precision, scale = int(kind["precision"]), int(kind.get("scale", 0))
    if precision > MAX_DIGITS:
        raise ReadError(
            f"{where} has decimals of {precision} digits, more than the {MAX_DIGITS} that the engine holds. Write it as text."
        )
    return pa.decimal128(precision, scale)


def _said(kind: Any) -> str:
    return str(kind.get("logicalType") or kind["type"]) if isinstance(kind, Mapping) else str(kind)


def _as_json(value: Any) -> str:
    """Write a value of a column of several types: a text as it is, all others as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


AVRO_FILES = SourceType(
    AvroSourceSpec, open_files, PARQUET, marks_of_files, _prepare, (".avro",), look=look_at_files
)
