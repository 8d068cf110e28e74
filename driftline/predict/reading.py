"""Rows that somebody asks about, from a file or standard input: JSON lines, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from serving.request_rows import RequestRowsError

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

BY_SUFFIX: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}

MAX_ROWS = 100_000
"""Rows of one question: for more, a partition of predictions costs less, and is kept."""


def format_of(name: str) -> Format:
    """Tell a file's format from its name; standard input (`-`) has JSON lines.

    Raises
    ------
    AskedRowsError
        If the name does not say it.
    """
    kind = "jsonl" if name == "-" else BY_SUFFIX.get(Path(name).suffix.lower())
    if kind is None:
        raise RequestRowsError(
            f"'{name}' does not end in {', '.join(BY_SUFFIX)}. Say what it is with --format: {', '.join(FORMATS)}."
        )
    return kind


def rows_from(content: bytes, kind: Format, where: str) -> pa.Table:
    """Read rows; texts stay texts, and are cast to the declared types later.

    Parameters
    ----------
    content
        The file's bytes, UTF-8 where it is text.
    kind
        How they are written. JSON is one object a line, or one array of objects.
    where
        The file's name, for messages.

    Raises
    ------
    AskedRowsError
        If they cannot be read, or are too many.
    """
    try:
        table = (
            _parquet(content) if kind == "parquet" else _table(_objects(content.decode("utf-8-sig"), kind))
        )
    except (ValueError, csv.Error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise RequestRowsError(
            f"{where} cannot be read as {kind}: {reason}. Correct it, or say --format."
        ) from error
    if not table.num_rows:
        raise RequestRowsError(f"{where} has no rows. Give at least one to ask about.")
    return table


def _refuse_too_many(n_rows: int) -> None:
    if n_rows > MAX_ROWS:
        raise ValueError(
            f"it has {n_rows:,} rows, and {MAX_ROWS:,} can be asked about at once: materialize the partition's predictions instead"
        )


def _parquet(content: bytes) -> pa.Table:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(content))
    # Before it is unpacked.
    _refuse_too_many(file.metadata.num_rows)
    return file.read()


def _objects(text: str, kind: Format) -> Sequence[Mapping[str, Any]]:
    values = _csv_objects(text) if kind == "csv" else _json_objects(text)
    _refuse_too_many(len(values))
    return values


def _csv_objects(text: str) -> Sequence[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    names = reader.fieldnames or ()
    if len(set(names)) < len(names):
        raise ValueError("its first line names a column twice")
    rows = list(reader)
    # Python keeps what is too much under the name None.
    if any(None in row for row in rows):
        raise ValueError("a line has more fields than the first one has names")
    return [{name: value or None for name, value in row.items()} for row in rows]


def _json_objects(text: str) -> Sequence[Mapping[str, Any]]:
    is_array = text.lstrip().startswith("[")
    # Not splitlines: it also splits at characters that JSON allows inside a text.
    lines = [text] if is_array else [line for line in text.split("\n") if line.strip()]
    # With all their digits: a double would round them.
    values = [json.loads(line, parse_float=Decimal) for line in lines]
    values = values[0] if is_array else values
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise ValueError(f"row {number} is no object")
    return values


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        try:
            columns[name] = _column([row.get(name) for row in rows])
        except pa.ArrowException as error:
            raise ValueError(f"'{name}' has values of different kinds: {error}") from error
    return pa.table(columns)


def _column(values: Sequence[Any]) -> pa.Array:
    """Return values with a common type; numbers that none of Arrow's holds exactly as texts."""
    numbers = [value for value in values if isinstance(value, int | Decimal) and not isinstance(value, bool)]
    is_of_numbers = len(numbers) == sum(value is not None for value in values)
    if is_of_numbers and not _fit(numbers):
        return pa.array([None if value is None else str(value) for value in values])
    return pa.array([float(value) if isinstance(value, Decimal) else value for value in values])


def _fit(numbers: Sequence[int | Decimal]) -> bool:
    """Tell whether numbers are themselves as integers of 64 bits, or as doubles where one has a fraction."""
    if not any(isinstance(number, Decimal) for number in numbers):
        return all(-(2**63) <= number < 2**63 for number in numbers)
    return all(
        Decimal(repr(float(number))) == number if isinstance(number, Decimal) else abs(number) <= 2**53
        for number in numbers
    )
