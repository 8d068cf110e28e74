"""Values of files and APIs, as they are stored and as they arrive: what the page of types shows, and what tests assert.

`python -m tests.sources.arrivals` writes the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake
from openpyxl import Workbook
from pyarrow import orc
from pyiceberg.catalog.sql import SqlCatalog

from tests.sources.databases import test_duckdb_file, test_mariadb, test_postgres, test_sqlite_file

PAGE = Path(__file__).parents[2] / "docs" / "source-types.md"

AT = datetime(2024, 2, 29, 10, 0, 0, 123456)
INSTANT = AT.replace(tzinfo=UTC)
DAY = date(2024, 2, 29)


@dataclass(frozen=True)
class Case:
    """One value.

    Attributes
    ----------
    kind
        Type of the source.
    stored
        What stands in it, as the page says it.
    value
        The same for the writer.
    declared
        Type that the declaration names.
    arrives
        The value in the lake; a text that begins with `reject:` where it is one, with its reason.
    """

    kind: str
    stored: str
    value: Any
    declared: str
    arrives: Any


def _shown(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(kind: str) -> Iterator[Case]:
    for text, declared, arrives in (
        ("1", "int", 1), ("1.0", "int", 1), ("1.5", "int", "reject: v: not a whole number of 64 bits: 1.5"),
        ("007", "string", "007"), ("0.1", "float", 0.1), ("0.1", "decimal", Decimal("0.1")), ("1e3", "float", 1000.0),
        ("true", "boolean", True), ("1", "boolean", True), ("2024-02-29", "date", DAY),
        ("2024-02-30", "date", "reject: v: not a date: 2024-02-30"), ("2024-02-29 10:00:00.123456", "timestamp", AT),
        ("2024-02-29T11:00:00.123456+01:00", "timestamp_tz", INSTANT), ("2024-02-29T10:00:00.123456Z", "timestamp_tz", INSTANT),
    ):  # fmt: skip
        yield Case(kind, f"`{text}`", text, declared, arrives)


def _json(kind: str) -> Iterator[Case]:
    for text, declared, arrives in (
        ("1", "int", 1), ("9007199254740993", "int", 9007199254740993), ("1.5", "float", 1.5), ("0.1", "decimal", Decimal("0.1")),
        ("true", "boolean", True), ('"ü"', "string", "ü"), ('"2024-02-29"', "date", DAY),
        ('"2024-02-29T10:00:00.123456Z"', "timestamp_tz", INSTANT), ("[1, null]", "string", "[1,null]"), ("null", "int", None),
        ('"x"', "int", "reject: v: not a whole number of 64 bits: x"),
    ):  # fmt: skip
        yield Case(kind, f"`{text}`", text, declared, arrives)


def _typed(kind: str, *, leave_out: Sequence[str] = ()) -> Iterator[Case]:
    for name, form, value, declared, arrives in (
        ("bool", pa.bool_(), True, "boolean", True), ("int8", pa.int8(), -128, "int", -128), ("int64", pa.int64(), 2**63 - 1, "int", 2**63 - 1),
        ("uint64", pa.uint64(), 2**64 - 1, "int", "reject: v: not a whole number of 64 bits: 18446744073709551615"),
        ("float32", pa.float32(), 0.5, "float", 0.5), ("float64", pa.float64(), 0.1, "float", 0.1),
        ("decimal(12, 2)", pa.decimal128(12, 2), Decimal("12.30"), "decimal", Decimal("12.3")), ("string", pa.string(), "ü", "string", "ü"),
        ("date32", pa.date32(), DAY, "date", DAY), ("timestamp[us]", pa.timestamp("us"), AT, "timestamp", AT),
        ("timestamp[us, UTC]", pa.timestamp("us", "UTC"), INSTANT, "timestamp_tz", INSTANT),
        ("int64", pa.int64(), 7, "string", "7"), ("float64", pa.float64(), 1.5, "int", "reject: v: not a whole number of 64 bits: 1.5"),
    ):  # fmt: skip
        if name not in leave_out:
            yield Case(
                kind, f"{name} `{_shown(value)}`", pa.table({"v": pa.array([value], form)}), declared, arrives
            )


def _avro() -> Iterator[Case]:
    for name, schema, value, declared, arrives in (
        ("boolean", "boolean", True, "boolean", True), ("int", "int", 7, "int", 7), ("long", "long", 2**63 - 1, "int", 2**63 - 1),
        ("float", "float", 0.5, "float", 0.5), ("double", "double", 0.1, "float", 0.1), ("string", "string", "ü", "string", "ü"),
        ("enum", {"type": "enum", "name": "e", "symbols": ["a", "b"]}, "a", "string", "a"),
        ("date", {"type": "int", "logicalType": "date"}, DAY, "date", DAY),
        ("timestamp-micros", {"type": "long", "logicalType": "timestamp-micros"}, INSTANT, "timestamp_tz", INSTANT),
        ("decimal(12, 2)", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}, Decimal("12.30"), "decimal", Decimal("12.3")),
    ):  # fmt: skip
        yield Case("avro", f"{name} `{_shown(value)}`", (schema, value), declared, arrives)


def _excel() -> Iterator[Case]:
    for name, value, declared, arrives in (
        ("number", 1, "int", 1), ("number", 0.1, "float", 0.1), ("number", 1.5, "int", "reject: v: not a whole number of 64 bits: 1.5"),
        ("text", "007", "string", "007"), ("truth value", True, "boolean", True), ("day", DAY, "date", DAY),
        ("time", datetime(2024, 2, 29, 10), "timestamp", datetime(2024, 2, 29, 10)),
    ):  # fmt: skip
        yield Case("excel", f"{name} `{_shown(value)}`", value, declared, arrives)


CASES: Sequence[Case] = [
    *_texts("csv"),
    *_texts("xml"),
    *_json("json"),
    *_json("rest"),
    *_typed("parquet"),
    *_typed("orc", leave_out=("uint64",)),
    *_typed("delta", leave_out=("uint64",)),
    *_typed("iceberg", leave_out=("uint64", "int8")),
    *_avro(),
    *_excel(),
]


def write(case: Case, file: Path) -> None:
    """Write a case as a file with the one column `v`, beside a number `n`."""
    value = case.value
    if case.kind == "csv":
        file.write_text(f"n,v\n1,{value}\n", encoding="utf-8")
    elif case.kind == "xml":
        file.write_text(f"<a><b><n>1</n><v>{value}</v></b></a>", encoding="utf-8")
    elif case.kind == "json":
        file.write_text(f'{{"n": 1, "v": {value}}}\n', encoding="utf-8")
    elif case.kind == "rest":
        file.write_text(f'[{{"n": 1, "v": {value}}}]', encoding="utf-8")
    elif case.kind == "excel":
        book = Workbook()
        for line in (["n", "v"], [1, value]):
            book.worksheets[0].append(line)
        with file.open("wb") as stream:
            book.save(stream)
    elif case.kind == "avro":
        schema, one = value
        fields = [{"name": "n", "type": "int"}, {"name": "v", "type": schema}]
        with file.open("wb") as stream:
            fastavro.writer(stream, {"type": "record", "name": "r", "fields": fields}, [{"n": 1, "v": one}])
    else:
        _write_table(case.kind, value.append_column("n", pa.array([1])), file)


def _write_table(kind: str, rows: pa.Table, file: Path) -> None:
    if kind == "parquet":
        pq.write_table(rows, file)
    elif kind == "orc":
        orc.write_table(rows, file)
    elif kind == "delta":
        write_deltalake(file, rows)
    else:
        catalog = SqlCatalog("c", uri="sqlite://", warehouse=file.parent.as_uri())
        catalog.create_namespace("n")
        catalog.create_table("n.t", schema=rows.schema, location=file.as_uri()).append(rows)


TITLES: Mapping[str, str] = {
    "csv": "CSV and fixed-width text", "xml": "XML", "json": "JSON", "rest": "HTTP APIs", "parquet": "Parquet", "orc": "ORC",
    "delta": "Delta", "iceberg": "Iceberg", "avro": "Avro", "excel": "Excel",
}  # fmt: skip

_HEAD = """\
# Types by source

How single values of each kind of source arrive, as tests assert it: each line below is a case of one. A value that does not fit the declared type is
a [reject](how-to/own-data.md#types) with its reason, never another value nor NULL. `decimal` has 29 digits before the point and 9 after, `int` 64 bits,
`timestamp_tz` is an instant in UTC, `timestamp` a wall clock. More about databases: [Read from databases](how-to/databases.md#how-types-arrive).
"""

_DATABASES = (
    ("Postgres", test_postgres.TYPES),
    ("MySQL, MariaDB", test_mariadb.TYPES),
    ("SQLite", test_sqlite_file.TYPES),
    ("DuckDB", test_duckdb_file.TYPES),
)


def page() -> str:
    """Return the page: a table for each kind of source, of the cases that tests run."""
    parts = [_HEAD]
    for title, cases in _DATABASES:
        lines = [
            _line(
                f"`{kind}` {_code(stored)}",
                declared,
                "the server's own text" if arrives is None else _code(_shown(arrives)),
            )
            for kind, stored, declared, arrives in cases
        ]
        parts.append(_table(title, lines))
    for kind, title in TITLES.items():
        lines = [_line(case.stored, case.declared, _arrival(case)) for case in CASES if case.kind == kind]
        parts.append(_table(title, lines))
    return "\n".join(parts)


def _arrival(case: Case) -> str:
    text = _shown(case.arrives)
    return f"a reject: {text.partition(': ')[2]}" if text.startswith("reject:") else _code(text)


def _code(text: str) -> str:
    return f"`{text}`"


def _line(stored: str, declared: str, arrives: str) -> str:
    cells = (cell.replace("|", "\\|") for cell in (stored, f"`{declared}`", arrives))
    return f"| {' | '.join(cells)} |"


def _table(title: str, lines: Sequence[str]) -> str:
    return "\n".join(
        [f"## {title}", "", "| stored | declared as | arrives as |", "|---|---|---|", *lines, ""]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(json.dumps({"cases": len(CASES)}))  # noqa: T201 - a command's answer
