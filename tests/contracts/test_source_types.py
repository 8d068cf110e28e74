"""What holds of every source type: each record is a typed row or a reject, once, and what is no such file is refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import get_args
from xml.sax.saxutils import escape

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from openpyxl import Workbook
from pyarrow import orc
from pyiceberg.catalog.sql import SqlCatalog

from declaration.datasets import DatasetSpec
from declaration.errors import DriftlineError
from declaration.sources.blocks import FileSourceBlock
from declaration.sources.spec import SOURCE_BLOCKS
from declaration.sources.upstream import UpstreamSourceBlock
from sources.opening import opened, readable
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE, ReadError
from sources.types import SOURCE_TYPES
from tests.fixtures.apis import Answer, serving

Texts = Sequence[Sequence[str | None]]
"""Records of texts, None where nothing stands: what every type can hold."""


def write_csv(path: Path, names: Sequence[str], records: Texts) -> None:
    lines = [names, *([value or "" for value in record] for record in records)]
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")


def write_sheet(path: Path, names: Sequence[str], records: Texts) -> None:
    book = Workbook()
    for line in (names, *records):
        book.worksheets[0].append(list(line))
    with path.open("wb") as stream:
        book.save(stream)


def write_json_lines(path: Path, names: Sequence[str], records: Texts) -> None:
    objects = [dict(zip(names, record, strict=True)) for record in records]
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")


WIDTH = 40


def write_fixed_width(path: Path, names: Sequence[str], records: Texts) -> None:
    lines = ["".join((value or "").ljust(WIDTH) for value in record) for record in (names, *records)]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def write_xml(path: Path, names: Sequence[str], records: Texts) -> None:
    rows = [
        "".join(f"<{name}>{escape(value or '')}</{name}>" for name, value in zip(names, record, strict=True))
        for record in records
    ]
    path.write_text(
        "<orders>" + "".join(f"<order>{row}</order>\n" for row in rows) + "</orders>", encoding="utf-8"
    )


def table_of(names: Sequence[str], records: Texts) -> pa.Table:
    return pa.table(
        {name: pa.array([record[i] for record in records], pa.string()) for i, name in enumerate(names)}
    )


def write_parquet(path: Path, names: Sequence[str], records: Texts) -> None:
    pq.write_table(table_of(names, records), path)


def write_python(path: Path, names: Sequence[str], records: Texts) -> None:
    columns = {name: [record[i] for record in records] for i, name in enumerate(names)}
    made = f"pa.table({{name: pa.array(values, pa.string()) for name, values in {columns!r}.items()}})"
    path.write_text(f"import pyarrow as pa\n\ndef read(start, end):\n    return {made}\n", encoding="utf-8")


def write_orc(path: Path, names: Sequence[str], records: Texts) -> None:
    orc.write_table(table_of(names, records), path)


def write_avro(path: Path, names: Sequence[str], records: Texts) -> None:
    fields = [{"name": name, "type": ["null", "string"]} for name in names]
    with path.open("wb") as stream:
        fastavro.writer(
            stream,
            {"type": "record", "name": "order", "fields": fields},
            [dict(zip(names, record, strict=True)) for record in records],
            codec="deflate",
        )


def write_delta(path: Path, names: Sequence[str], records: Texts) -> None:
    write_deltalake(path, table_of(names, records), mode="overwrite")


def write_iceberg(path: Path, names: Sequence[str], records: Texts) -> None:
    rows = table_of(names, records)
    catalog = SqlCatalog("c", uri="sqlite://", warehouse=path.parent.as_uri())
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", schema=rows.schema, location=path.as_uri())
    table.append(rows)


def write_sqlite(path: Path, names: Sequence[str], records: Texts) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as session:
        session.execute(f"CREATE TABLE orders ({', '.join(f'{name} TEXT' for name in names)})")
        places = ", ".join("?" for _ in names)
        session.executemany(f"INSERT INTO orders VALUES ({places})", records)


def write_json(path: Path, names: Sequence[str], records: Texts) -> None:
    path.write_text(
        json.dumps([dict(zip(names, record, strict=True)) for record in records]), encoding="utf-8"
    )


WRITERS: Mapping[str, Callable[[Path, Sequence[str], Texts], None]] = {
    "csv": write_csv,
    "excel": write_sheet,
    "fixed_width": write_fixed_width,
    "json": write_json_lines,
    "parquet": write_parquet,
    "python": write_python,
    "xml": write_xml,
    "orc": write_orc,
    "avro": write_avro,
    "delta": write_delta,
    "iceberg": write_iceberg,
    "sql": write_sqlite,
    "rest": write_json,
}
"""How a file of each type is made; a new type has no tests until it stands here, and fails below."""

OWN_KEYS: Mapping[str, Mapping[str, str]] = {"sql": {"url": "sqlite:///shop.db", "query": "given.file"}}
"""Keys of types that have no path to the file."""

NAMES = ("id", "city", "price", "n", "is_open", "day", "at")
COLUMNS: Mapping[str, object] = {
    "id": "int", "city": "string", "price": "float", "n": "decimal", "is_open": "boolean", "day": "date",
    "at": "timestamp_tz",
}  # fmt: skip
GOOD: Texts = [
    ("1", "Köln", "2.5", "0.1", "true", "2024-02-29", "2024-01-01T10:00:00Z"),
    ("2", None, None, None, None, None, None),
    ("3", "O'Brien; x", "-1e3", "12.000000001", "false", "1969-12-31", "2024-01-01T12:00:00+02:00"),
]  # fmt: skip
BAD: Texts = [
    ("four", "a", "1", "1", "true", "2024-01-01", "2024-01-01T00:00:00Z"),
    ("5", "a", "cheap", "1", "true", "2024-01-01", "2024-01-01T00:00:00Z"),
    ("6", "a", "1", "1", "maybe", "2024-01-01", "2024-01-01T00:00:00Z"),
    ("7", "a", "1", "1", "true", "2024-02-30", "2024-01-01T00:00:00Z"),
    ("8", "a", "1", "1", "true", "2024-01-01", "yesterday"),
]
TABLES = ("delta", "iceberg")
"""Types that are folders, whose rows have no order."""

UNORDERED = (*TABLES, "rest")
"""Types whose rows have no order."""

LINE_BY_LINE = ("csv", "fixed_width", "json")
"""Types whose files do not say how long they are: the last record may be a piece of one."""

NOISE = b"\x00\xff\xfe\x81\x00PK" * 100


class Source:
    """One file of a type in a folder, read as the product reads it."""

    def __init__(
        self, kind: str, folder: Path, connection: duckdb.DuckDBPyConnection, api: str | None = None
    ) -> None:
        self.kind, self.folder, self.connection, self.api = kind, folder, connection, api
        self.file = folder / "given.file"
        self.names: Sequence[str] = NAMES

    def write(self, names: Sequence[str], records: Texts) -> None:
        WRITERS[self.kind](self.file, names, records)
        self.names = names

    @property
    def place(self) -> Mapping[str, object]:
        """The keys of a declaration that say where it is."""
        if self.kind == "rest":
            return {"url": f"{self.api}/{self.file.name}", "max_attempts": 1}
        if self.kind == "sql":
            return {"url": f"sqlite:///{self.file.name}", "table": "orders"}
        return {"path": self.file.name}

    @property
    def shown(self) -> str:
        """Return how messages and rejects call it: of a database the table."""
        return "orders" if self.kind == "sql" else self.file.name

    def spoil(self, content: bytes) -> None:
        """Put a file of other content in its place."""
        if self.file.is_dir():
            shutil.rmtree(self.file)
        self.file.write_bytes(content)

    def read(self, columns: Mapping[str, object] = COLUMNS, **keys: object) -> Counts:
        source = {"type": self.kind, **self.place, **self.keys(), **keys}
        spec = DatasetSpec.model_validate({"source": source, "columns": columns})
        scratch = self.folder / "scratch"
        with (
            opened(spec.source, folder=self.folder, scratch=scratch) as now,
            readable(self.connection, now.files, spec, scratch) as plain,
        ):
            return read_files(self.connection, plain, spec, name="orders", timezone="UTC", found=now.files)

    def keys(self) -> Mapping[str, object]:
        """Return the keys without which a source of the type cannot be declared."""
        if self.kind == "fixed_width":
            return {"fields": dict.fromkeys(self.names, WIDTH), "skip_lines": 1}
        return {"rows": "orders/order"} if self.kind == "xml" else {}

    def rows(self) -> list[tuple[object, ...]]:
        return self.connection.sql(f'SELECT * REPLACE (epoch_us("at") AS "at") FROM {READ_TABLE}').fetchall()

    def rejects(self) -> list[tuple[str, str]]:
        return self.connection.sql(f"SELECT source, reason FROM {REJECTS_TABLE}").fetchall()


MADE_ELSEWHERE = {"dataset", "asset"}
"""Types that read what Driftline, or a typed file of another type, holds already: it has no records of texts that could be wrong."""


@pytest.fixture(params=[name for name in SOURCE_TYPES if name not in MADE_ELSEWHERE])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> Iterator[Source]:
    """Return an empty place for a source of each type."""
    assert request.param in WRITERS, f"say above how a file of '{request.param}' is made"
    if request.param != "rest":
        yield Source(request.param, tmp_path, connection)
        return
    with serving(lambda asking: _file_answer(tmp_path / asking.path.lstrip("/"))) as api:
        yield Source(request.param, tmp_path, connection, api.url)


def _file_answer(file: Path) -> Answer:
    """Return what an API answers that has a file's content."""
    return Answer(file.read_bytes()) if file.is_file() else Answer(b"no such thing", status=404)


def test_every_declared_type_has_its_files_prepared_and_read() -> None:
    declared = {block: get_args(block.model_fields["type"].annotation) for block in SOURCE_BLOCKS}
    assert {
        block: (name,) for name, block in ((name, kind.keys) for name, kind in SOURCE_TYPES.items())
    } == declared


def test_only_what_others_made_has_no_files_of_its_own() -> None:
    made = {name for name, kind in SOURCE_TYPES.items() if issubclass(kind.keys, UpstreamSourceBlock)}
    assert made == MADE_ELSEWHERE


def test_values_are_typed_and_nothing_is_null(source: Source) -> None:
    source.write(NAMES, GOOD)
    assert source.read() == Counts(3, 0)
    instant = 1_704_103_200_000_000  # 2024-01-01 10:00 UTC
    first, second, third = source.rows()
    assert first[:3] == (1, "Köln", 2.5)
    assert (str(first[3]), *first[4:]) == ("0.100000000", True, date(2024, 2, 29), instant)
    assert second == (2, None, None, None, None, None, None)
    assert third[:3] == (3, "O'Brien; x", -1000.0)
    assert (str(third[3]), *third[4:]) == ("12.000000001", False, date(1969, 12, 31), instant)


def test_a_text_that_means_null_does_so_in_every_type(source: Source) -> None:
    source.write(("id", "city", "at"), [("1", "NA", None), ("2", "na", None), ("3", None, None)])
    column = {"type": "string", "null_values": ["", "NA"]}
    assert source.read({"id": "int", "city": column, "at": "timestamp_tz"}) == Counts(3, 0)
    assert [row[1] for row in source.rows()] == [None, "na", None]


def test_every_record_is_a_row_or_a_reject_with_its_reason(source: Source) -> None:
    source.write(NAMES, [GOOD[0], *BAD, GOOD[2]])
    assert source.read() == Counts(2, 5)
    assert [row[0] for row in source.rows()] == [1, 3]
    blamed = sorted(reason.partition(":")[0] for _, reason in source.rejects())
    assert blamed == ["at", "day", "id", "is_open", "price"]
    assert all(name.startswith(source.shown) for name, _ in source.rejects())


def test_the_same_file_reads_the_same_again(source: Source) -> None:
    source.write(NAMES, [(str(n), None, *GOOD[0][2:]) for n in range(500)] + list(BAD))
    first = source.read(), source.rows(), source.rejects()
    assert first[0] == Counts(500, 5)
    order = str if source.kind in UNORDERED else int
    assert [row[0] for row in first[1]] == sorted(range(500), key=order)
    assert (source.read(), source.rows(), source.rejects()) == first


def test_columns_without_records_are_no_rows(source: Source) -> None:
    source.write(NAMES, [])
    if source.kind in ("json", "xml"):
        # Names stand in objects alone: without any, nobody knows what the file is.
        with pytest.raises(
            DriftlineError, match=r"given\.file(: no element 'orders/order'| holds no line of JSON)"
        ):
            source.read()
        return
    assert source.read() == Counts(0, 0)
    assert source.rows() == []


def test_a_column_that_is_not_there_is_named_with_the_repair(source: Source) -> None:
    source.write(("id", "Channel"), [("1", "web")])
    with pytest.raises(
        DriftlineError,
        match=rf"{source.shown}.* has no column 'channel'\. .*Did you mean 'Channel'.*`source`",
    ):
        source.read({"id": "int", "channel": "string"})
    with pytest.raises(
        DriftlineError, match=rf"{source.shown}.* has no column 'city'\. It has: .*`optional: true`"
    ):
        source.read({"id": "int", "city": "string"})


def test_another_spelling_is_no_absence(source: Source) -> None:
    source.write(("id", "Channel"), [("1", "web")])
    with pytest.raises(
        ReadError, match=r"has no column 'channel', but 'Channel'. Name this spelling with `source`"
    ):
        source.read({"id": "int", "channel": {"type": "string", "optional": True}})


def test_a_column_that_may_be_absent_is_null(source: Source) -> None:
    source.write(("id",), [("1",), ("2",)])
    counts = source.read({"id": "int", "at": {"type": "timestamp_tz", "optional": True}})
    assert counts == Counts(2, 0, {"at": 1})
    assert source.rows() == [(1, None), (2, None)]


def test_folders_give_columns_in_their_declared_types(source: Source) -> None:
    if not issubclass(SOURCE_TYPES[source.kind].keys, FileSourceBlock) or source.kind in TABLES:
        pytest.skip("not files in folders")
    for folder in (
        "year=2023/city=K%C3%B6ln",
        "year=2024/city=__HIVE_DEFAULT_PARTITION__",
        "year=soon/city=Rom",
    ):
        source.file = source.folder / folder / "given.file"
        source.file.parent.mkdir(parents=True)
        source.write(("id", "at"), [("1", "2024-01-01T10:00:00Z")])
    columns = {"id": "int", "year": "int", "city": "string", "at": "timestamp_tz"}
    assert source.read(columns, path="*/*/given.file") == Counts(2, 1)
    assert sorted(row[1:3] for row in source.rows()) == [(2023, "Köln"), (2024, None)]
    assert [reason for _, reason in source.rejects()] == ["year: not a whole number of 64 bits: soon"]


def test_a_column_has_formats_of_its_own_in_every_type(source: Source) -> None:
    source.write(
        ("id", "day", "at"), [("1", "31.01.2024", None), ("2", "2024-01-31", None), ("3", None, None)]
    )
    columns = {"id": "int", "day": {"type": "date", "formats": ["%d.%m.%Y"]}, "at": "timestamp_tz"}
    # Cells of a sheet may be days themselves, which stand in ISO's form then.
    n_rejected = 0 if source.kind == "excel" else 1
    assert source.read(columns) == Counts(3 - n_rejected, n_rejected)
    assert sorted(row[1] for row in source.rows() if row[1] is not None) == [date(2024, 1, 31)] * (
        2 - n_rejected
    )


def test_a_file_of_another_kind_is_refused_by_its_name(source: Source) -> None:
    source.spoil(NOISE)
    with pytest.raises(DriftlineError, match="given"):
        source.read()


def test_a_file_without_a_byte_is_no_crash_and_no_row(source: Source) -> None:
    source.file.write_bytes(b"")
    with pytest.raises(DriftlineError, match=r"given|orders"):
        source.read()


def test_a_file_that_is_cut_off_loses_no_record_silently(source: Source) -> None:
    source.write(NAMES, [GOOD[0]] * 200)
    (file,) = source.file.rglob("*.parquet") if source.kind in TABLES else (source.file,)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    if source.kind not in LINE_BY_LINE:
        with pytest.raises(DriftlineError, match="given"):
            source.read()
        return
    n_lines = len(source.file.read_bytes().splitlines()) - (source.kind != "json")
    counts = source.read()
    assert counts.n_read + counts.n_rejected == n_lines
    assert counts.n_rejected <= 1


def test_a_file_that_is_not_there_is_named(source: Source) -> None:
    with pytest.raises(DriftlineError, match=r"given\.file"):
        source.read()


def test_nothing_is_left_in_the_scratch_folder(source: Source) -> None:
    source.write(NAMES, GOOD)
    source.read()
    source.spoil(NOISE)
    with pytest.raises(DriftlineError):
        source.read()
    scratch = source.folder / "scratch"
    assert list(scratch.iterdir()) == []
