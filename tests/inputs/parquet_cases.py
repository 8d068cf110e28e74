"""Parquet: damaged, nested, mistyped, and several files of one source."""

import io
from collections.abc import Mapping
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from tests.inputs.case import Case, Kept, Refused

COLUMNS = {"id": "int", "n": "string"}


def parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def parquet_case(
    name: str, content: bytes | pa.Table, expected: Kept | Refused, *, columns: Mapping[str, object] = COLUMNS
) -> Case:
    """Describe one Parquet file."""
    files = {"a.parquet": content if isinstance(content, bytes) else parquet(content)}
    return Case("Parquet: " + name, files, columns, expected, path="a.parquet", source={"type": "parquet"})


SOUND = pa.table({"id": [1, 2], "n": ["a", "b"]})
MANY = parquet(pa.table({"id": list(range(1_000)), "n": [f"x{number}" for number in range(1_000)]}))
DAMAGED = "get it again, or correct source.type"
GIVEN = r"'given': a\.parquet"

CASES = (
    parquet_case("no bytes", b"", Refused("ReadError", "too small", GIVEN, DAMAGED)),
    parquet_case(
        "a file without its end", parquet(SOUND)[:-10], Refused("ReadError", "No magic bytes", GIVEN, DAMAGED)
    ),
    parquet_case(
        "a footer of a wrong length",
        parquet(SOUND)[:-8] + b"\xff\xff\xff\x7fPAR1",
        Refused("ReadError", "Footer length", GIVEN, DAMAGED),
    ),
    parquet_case(
        "a spoilt page",
        MANY[:20] + b"\xff" * 100 + MANY[120:],
        Refused("ReadError", "cannot be read", GIVEN, DAMAGED),
    ),
    parquet_case(
        "CSV in its place", b"id,n\n1,a\n2,b\n3,c\n", Refused("ReadError", "cannot be read", GIVEN, DAMAGED)
    ),
    parquet_case("no columns", pa.table({}), Refused("ReadError", "at least one", GIVEN, DAMAGED)),
    parquet_case("no rows", SOUND.slice(0, 0), Kept(0)),
    parquet_case(
        "lists and structs for text",
        pa.table({"id": [1, 2], "n": [{"x": [1]}, {"x": []}]}),
        Kept(2, values={"n": ["{'x': [1]}", "{'x': []}"]}),
    ),
    parquet_case(
        "lists for numbers",
        pa.table({"id": [[1], [2]], "n": ["a", "b"]}),
        Kept(0, rejects=2, reasons=[r"id: not a whole number of 64 bits: \[1\]$", r": \[2\]$"]),
    ),
    parquet_case(
        "bytes for text",
        pa.table({"id": [1, 2], "n": [b"\xff\xfe", b"ok"]}),
        Kept(2, values={"n": ["\\xFF\\xFE", "ok"]}),
    ),
    parquet_case(
        "unsigned numbers beyond 63 bits",
        pa.table({"id": pa.array([1, 2**64 - 1], pa.uint64()), "n": ["a", "b"]}),
        Kept(1, rejects=1, values={"id": [1]}),
    ),
    parquet_case(
        "fractions for whole numbers",
        pa.table({"id": [1.0, 2.5, float("nan"), float("inf"), None], "n": ["a"] * 5}),
        Kept(2, rejects=3, values={"id": [1, None]}),
    ),
    parquet_case(
        "nothing but nulls",
        pa.table({"id": pa.nulls(2), "n": pa.nulls(2)}),
        Kept(2, values={"id": [None, None]}),
    ),
    parquet_case(
        "days beyond the calendar",
        pa.table({"at": pa.array([2**31 - 1, 5 - 2**31, 0], pa.int32()).cast(pa.date32())}),
        Kept(1, rejects=2, values={"at": [date(1970, 1, 1)]}),
        columns={"at": "date"},
    ),
    parquet_case(
        "instants beyond the calendar",
        pa.table({"at": pa.array([2**62], pa.timestamp("us", tz="UTC"))}),
        Kept(0, rejects=1),
        columns={"at": "timestamp_tz"},
    ),
    parquet_case(
        "instants beyond 64 bits of microseconds",
        pa.table({"at": pa.array([2**62], pa.timestamp("ms"))}),
        Refused("ReadError", "Could not convert", GIVEN, "Correct the columns' types"),
        columns={"at": "timestamp"},
    ),
    parquet_case(
        "two columns of one name",
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]),
        Refused(
            "ReadError", "does not tell apart", r"a\.parquet has the columns 'id' and 'id'", "Rename one"
        ),
        columns={"id": "int"},
    ),
    parquet_case(
        "our own column",
        pa.table({"_driftline_file": ["x"], "id": [1]}),
        Refused("ReadError", "Driftline's own", r"a\.parquet has the column", "Rename it"),
        columns={"id": "int"},
    ),
    parquet_case(
        "names of columns inside others",
        pa.table({"x": [{"id": 1, "ID": {"n": 2}}], "id": [7], "n": ["a"]}),
        Kept(1, values={"id": [7]}),
    ),
    Case(
        "Parquet: files of other types",
        {"a.parquet": parquet(SOUND), "b.parquet": parquet(pa.table({"id": ["x"], "n": [None]}))},
        COLUMNS,
        Kept(2, rejects=1),
        path="*.parquet",
        source={"type": "parquet"},
    ),
    Case(
        "Parquet: a file without a column that others have",
        {"a.parquet": parquet(SOUND), "b.parquet": parquet(pa.table({"id": [3]}))},
        COLUMNS,
        Refused("ReadError", "has no column 'n'", r"b\.parquet", "declare `optional: true`"),
        path="*.parquet",
        source={"type": "parquet"},
    ),
    Case(
        "Parquet: a file without an optional column that others have",
        {"a.parquet": parquet(SOUND), "b.parquet": parquet(pa.table({"id": [3]}))},
        {**COLUMNS, "n": {"type": "string", "optional": True}},
        Kept(3, values={"n": ["a", "b", None]}),
        path="*.parquet",
        source={"type": "parquet"},
    ),
    Case(
        "Parquet: a file called like a pattern",
        {"a[1].parquet": parquet(SOUND), "a1.parquet": parquet(pa.table({"id": [9], "n": ["z"]}))},
        COLUMNS,
        Kept(2),
        path="a[1].parquet",
        source={"type": "parquet"},
    ),
)
