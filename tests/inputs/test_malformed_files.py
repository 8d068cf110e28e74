# ruff: noqa: E501  # A table: one case a line is easier to read than to wrap.
"""What people's files look like: each is read without losing a row, or refused with what, where and how to repair."""

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.materialization import Scope, StageRun
from assets.raw.asset import materialize_raw
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from tests.fixtures.tiny import lake_and_engine

NOW = datetime(2024, 2, 1, tzinfo=UTC)
Content = bytes | Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One malformed input.

    Attributes
    ----------
    files
        Content by name, or how the file is made.
    rows, rejected, outside
        What must come of it, where it can be read.
    says
        Parts of the message, where it cannot: what, where, how to repair.
    columns, source, event_time
        The declaration.
    values
        Values of the column `x` that must arrive.
    """

    files: Mapping[str, Content]
    rows: int = 0
    rejected: int = 0
    outside: int = 0
    says: tuple[str, ...] = ()
    columns: Mapping[str, object] = field(default_factory=lambda: {"id": "int", "x": "string"})
    source: Mapping[str, object] = field(default_factory=lambda: {"type": "csv", "path": "t.csv"})
    event_time: str | None = None
    timezone: str = "UTC"
    values: tuple[object, ...] | None = None


def text(*lines: str, encoding: str = "utf-8", end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode(encoding)


def zipped(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def parquet(**columns: pa.Array) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def csv_case(*lines: str, **known: object) -> Case:
    return Case({"t.csv": text("id,x", *lines)}, **known)  # type: ignore[arg-type]  # fields of a case


def times(*values: str, kind: str = "timestamp_tz", **known: object) -> Case:
    lines = [f"{number},{value}" for number, value in enumerate(values)]
    return Case({"t.csv": text("id,at", *lines)}, columns={"id": "int", "at": kind}, event_time="at", **known)  # type: ignore[arg-type]  # fields of a case


def named(name: str, **known: object) -> Case:
    """A column of a name that SQL, YAML or HTML could trip over."""
    header = '"' + name.replace('"', '""') + '"'
    return Case(
        {"t.csv": text(f"id,{header}", "1,a", "2,b")},
        rows=2,
        columns={"id": "int", "x": {"type": "string", "source": name}},
        values=("a", "b"),
        **known,
    )  # type: ignore[arg-type]


PARQUET = {"type": "parquet", "path": "t.parquet"}
JSON = {"type": "json", "path": "t.json"}
EXCEL = {"type": "excel", "path": "t.xlsx"}
BIG = "9" * 400

CASES = {
    # Encodings
    "utf8-bom": Case({"t.csv": b"\xef\xbb\xbf" + text("id,x", "1,a")}, rows=1, values=("a",)),
    "utf16-le-with-mark": Case({"t.csv": "\ufeff".encode("utf-16-le") + text("id,x", "1,ä", encoding="utf-16-le")}, rows=1, values=("ä",)),
    "utf16-be-with-mark": Case({"t.csv": "\ufeff".encode("utf-16-be") + text("id,x", "1,ä", encoding="utf-16-be")}, rows=1, values=("ä",)),
    "utf32-with-mark": Case({"t.csv": "id,x\n1,ä\n".encode("utf-32")}, rows=1, values=("ä",)),
    "latin1-declared": Case({"t.csv": text("id,x", "1,Zoë", encoding="latin-1")}, rows=1, values=("Zoë",), source={"type": "csv", "path": "t.csv", "encoding": "latin-1"}),
    "latin1-as-utf8": Case({"t.csv": text("id,x", "1,Zoë", "2,b", "3,c", encoding="latin-1")}, says=("t.csv", "utf-8")),
    "windows1252-euro": Case({"t.csv": text("id,x", "1,5 €", encoding="cp1252")}, rows=1, values=("5 €",), source={"type": "csv", "path": "t.csv", "encoding": "windows-1252"}),
    "latin1-header-as-utf8": Case({"t.csv": text("id,ä", "1,a", encoding="latin-1")}, says=("header is not UTF-8", "source.encoding", "save it as UTF-8")),
    "mark-against-declaration": Case({"t.csv": "\ufeff".encode("utf-16-le") + text("id,x", "1,ä", encoding="utf-16-le")}, rows=1, values=("ä",), source={"type": "csv", "path": "t.csv", "encoding": "latin-1"}),
    # Structure
    "empty-file": Case({"t.csv": b""}, says=("t.csv", "empty")),
    "only-line-ends": Case({"t.csv": b"\n\n\n"}, says=("t.csv", "first line is blank")),
    "header-only": Case({"t.csv": b"id,x\n"}, rows=0),
    "header-without-line-end": Case({"t.csv": b"id,x"}, rows=0),
    "last-line-without-end": Case({"t.csv": b"id,x\n1,a\n2,b"}, rows=2),
    "too-many-fields": csv_case(*[f"{i},a" for i in range(200)], "7,a,b", rows=200, rejected=1),
    "too-few-fields": csv_case(*[f"{i},a" for i in range(200)], "7", rows=200, rejected=1),
    "too-many-ragged": csv_case("1,a", "2,b,c", says=("1 of 2 rows", "max_rejected_share", "t.csv, line 3", "as many values as the header")),
    "duplicate-header": Case({"t.csv": text("id,x,x", "1,a,b")}, says=("the header names 'x' twice", "Rename one")),
    "header-with-nothing": Case({"t.csv": text("id,,x", "1,?,a")}, rows=1, values=("a",)),
    "header-with-blanks": Case({"t.csv": text("id, x", "1,a")}, says=("has no column 'x'", "It has: 'id', ' x'", "Did you mean ' x'?")),
    "missing-column": Case({"t.csv": text("id,y", "1,a")}, says=("has no column 'x'", "It has: 'id', 'y'", "Correct `columns`")),
    "windows-line-ends": Case({"t.csv": text("id,x", "1,a", "2,b", end="\r\n")}, rows=2, values=("a", "b")),
    "old-mac-line-ends": Case({"t.csv": text("id,x", "1,a", "2,b", end="\r")}, says=("carriage returns alone", "Save it with")),
    "mixed-line-ends": Case({"t.csv": b"id,x\r\n1,a\n2,b\r\n"}, says=("mixes line ends", "Save it")),
    "unclosed-quote": Case({"t.csv": text("id,x", '1,"a', "2,b")}, says=("t.csv, line 2", "a quote is opened and not closed", "Close the quote")),
    "line-end-in-quotes": Case({"t.csv": text("id,x", '1,"a', 'b"', "2,c")}, rows=2, values=("a\nb", "c")),
    "quotes-in-quotes": Case({"t.csv": text("id,x", '1,"say ""no"""')}, rows=1, values=('say "no"',)),
    "separator-in-quotes": Case({"t.csv": text("id,x", '1,"a,b"')}, rows=1, values=("a,b",)),
    "wrong-separator": Case({"t.csv": text("id;x", "1;a")}, says=("one column with the delimiter ','", 'Declare `delimiter: ";"`')),
    "blank-lines-between": Case({"t.csv": b"id,x\n1,a\n\n2,b\n"}, rows=2, rejected=0, source={"type": "csv", "path": "t.csv", "max_rejected_share": 0.5}),
    "comment-lines": Case({"t.csv": text("# made by hand", "id,x", "1,a")}, says=("has no column 'id', 'x'",)),
    "nul-bytes": Case({"t.csv": b"id,x\n1,a\x00b\n"}, rows=1, values=("a\x00b",)),
    "a-million-characters": Case({"t.csv": text("id,x", f"1,{'y' * 1_000_000}", "2,b")}, rows=2),
    "a-gigantic-field": Case({"t.csv": text("id,x", "1,a", f"2,{'y' * 17 * 1024**2}")}, says=("t.csv",)),
    "two-thousand-columns": Case({"t.csv": text("id,x," + ",".join(f"c{i}" for i in range(2_000)), "1,a," + ",".join("0" * 2_000))}, rows=1, values=("a",)),
    # Values
    "mixed-types": Case({"t.csv": text("id,x", *[f"{i},{i}" for i in range(200)], "200,many")}, rows=200, rejected=1, columns={"id": "int", "x": "int"}),
    "fractions-in-whole-numbers": Case({"t.csv": text("id,x", *[f"{i},{i}" for i in range(200)], "200,2.5")}, rows=200, rejected=1, columns={"id": "int", "x": "int"}),
    "beyond-64-bits": Case({"t.csv": text("id,x", *[f"{i},{i}" for i in range(200)], "200,9223372036854775808")}, rows=200, rejected=1, columns={"id": "int", "x": "int"}),
    "infinities-and-nan": Case({"t.csv": text("id,x", "1,inf", "2,-Infinity", "3,NaN", "4,1e5")}, rows=4, columns={"id": "int", "x": "float"}),
    "beyond-doubles": Case({"t.csv": text("id,x", *[f"{i},1" for i in range(200)], f"200,{BIG}")}, rows=200, rejected=1, columns={"id": "int", "x": "float"}),
    "negative-zero": Case({"t.csv": text("id,x", "1,-0")}, rows=1, columns={"id": "int", "x": "int"}, values=(0,)),
    "decimal-commas": Case({"t.csv": text("id,x", '1,"1,5"')}, says=("1 of 1 rows", "t.csv, line 2", "decimal point and no thousands separators"), columns={"id": "int", "x": "float"}),
    "spellings-of-truth": Case({"t.csv": text("id,x", "1,TRUE", "2,no", "3,t", "4,1")}, rows=4, columns={"id": "int", "x": "boolean"}, values=(True, False, True, True)),
    "no-spelling-of-truth": Case({"t.csv": text("id,x", *[f"{i},true" for i in range(200)], "1,maybe")}, rows=200, rejected=1, columns={"id": "int", "x": "boolean"}),
    "words-for-nothing": Case({"t.csv": text("id,x", "1,NA", "2,5")}, rows=2, columns={"id": "int", "x": "int"}, values=(None, 5), source={"type": "csv", "path": "t.csv", "null_values": ["NA", ""]}),
    "undeclared-words-for-nothing": Case({"t.csv": text("id,x", "1,NA", "2,5")}, says=("1 of 2 rows",), columns={"id": "int", "x": "int"}),
    "a-failing-computed-column": Case({"t.csv": text("id,x", *[f"{i},a" for i in range(200)], "200,")}, rows=201, columns={"id": "int", "x": {"type": "int", "sql": "100 // nullif(id, 0)"}}),
    "a-computed-column-of-nothing": Case({"t.csv": text("id,x", "1,a")}, says=("cannot be read as declared", "nothing"), columns={"id": "int", "x": {"type": "int", "sql": "nothing + 1"}}),
    # Names
    "name-with-quotes": named('a "b"'),
    "name-with-blank": named("a b"),
    "name-of-sql": named("select"),
    "name-with-emoji": named("🦆 ducks"),
    "name-of-html": named("<script>alert(1)</script>"),
    "name-with-injection": named("x; DROP TABLE t; --"),
    "name-with-apostrophe": named("it's"),
    "name-with-line-end": named("a\nb"),
    "name-with-percent-and-braces": named("{a} %s $1 ?"),
    "name-of-ours": Case({"t.csv": text("id,_driftline_row", "1,a")}, says=("has the column '_driftline_row'", "Driftline's own", "Rename it"), columns={"id": "int"}),
    # Times
    "mixed-offsets": times("2024-01-01T01:00:00Z", "2024-01-01T01:00:00+05:00", "2024-01-01 23:30:00-01:00", rows=1, outside=1, rejected=0),
    "no-zone-in-a-zone": times("2024-01-01 00:30:00", "2024-01-01 23:30:00", rows=2, timezone="Asia/Kolkata"),
    "an-hour-that-is-left-out": times("2024-03-31 02:30:00", "2024-01-01 12:00", rows=1, outside=0, timezone="Europe/Berlin"),
    "days-of-no-calendar": times("2024-02-30", *["2024-01-01"] * 150, rows=150, rejected=1, kind="date"),
    "year-zero-and-9999": times("0000-00-00", "9999-12-31", *["2024-01-01"] * 150, rows=150, rejected=1, outside=1, kind="date"),
    "event-time-always-missing": times("", "", says=("2 of 2 rows", "no event time", "Fill it in")),
    "event-time-before-everything": times("1999-01-01", "2024-01-01", rows=1, outside=1, kind="date"),
    "months-first": times("01/13/2024", says=("1 of 1 rows",), kind="date"),
    # Packed files
    "gzip": Case({"t.csv.gz": gzip.compress(text("id,x", "1,a"))}, rows=1, source={"type": "csv", "path": "t.csv.gz"}),
    "gzip-of-nothing": Case({"t.csv.gz": b""}, says=("t.csv.gz",), source={"type": "csv", "path": "t.csv.gz"}),
    "gzip-cut-short": Case({"t.csv.gz": gzip.compress(text("id,x", *[f"{i},a{i * 7919}" for i in range(20_000)]))[:-2_000]}, says=("t.csv.gz",), source={"type": "csv", "path": "t.csv.gz"}),
    "gzip-that-is-none": Case({"t.csv.gz": text("id,x", "1,a")}, says=("t.csv.gz",), source={"type": "csv", "path": "t.csv.gz"}),
    "zip-of-two": Case({"t.zip": zipped({"a.csv": b"id,x\n", "b.csv": b"id,x\n"})}, says=("a zip source holds exactly one file, this one 2",), source={"type": "csv", "path": "t.zip"}),
    "zip-bomb": Case({"t.zip": zipped({"a.csv": b"id,x\n" + b"1,a\n" * 6_000_000})}, says=("would unpack to", "Unpack it yourself"), source={"type": "csv", "path": "t.zip"}),
    "zip-that-climbs": Case({"t.zip": zipped({"../../a.csv": text("id,x", "1,a")})}, rows=1, source={"type": "csv", "path": "t.zip"}),
    "zip-cut-short": Case({"t.zip": zipped({"a.csv": text("id,x", "1,a")})[:-30]}, says=("not a readable zip file",), source={"type": "csv", "path": "t.zip"}),
    # Other formats
    "parquet-that-is-none": Case({"t.parquet": b"id,x\n1,a\n"}, says=("t.parquet", "cannot be read"), source=PARQUET),
    "parquet-cut-short": Case({"t.parquet": parquet(id=pa.array([1]), x=pa.array(["a"]))[:-20]}, says=("t.parquet", "cannot be read"), source=PARQUET),
    "parquet-of-other-types": Case({"t.parquet": parquet(id=pa.array(["1", "b"]), x=pa.array([1, 2]))}, rows=1, rejected=1, source={**PARQUET, "max_rejected_share": 0.5}),
    "parquet-nested": Case({"t.parquet": parquet(id=pa.array([1]), x=pa.array([{"a": 1}]))}, rows=1, source=PARQUET),
    "json-of-broken-lines": Case({"t.json": text('{"id": 1, "x": "a"}', '{"id": 2, "x"', "[1]", "7")}, rows=1, rejected=3, source={**JSON, "max_rejected_share": 1.0}),
    "json-cut-array": Case({"t.json": b'[{"id": 1, "x": "a"}, {"id": 2'}, says=("t.json", "Repair it"), source=JSON),
    "json-of-one-object": Case({"t.json": json.dumps({"id": 1, "x": "a"}, indent=1).encode()}, says=("t.json",), source=JSON),
    "json-of-nothing": Case({"t.json": b""}, says=("holds no line of JSON",), source=JSON),
    "json-of-other-types": Case({"t.json": text('{"id": "one", "x": {"y": 1}}', '{"id": 2, "x": null}')}, rows=1, rejected=1, source={**JSON, "max_rejected_share": 0.5}),
    "excel-that-is-none": Case({"t.xlsx": b"id,x\n1,a\n"}, says=("t.xlsx cannot be read as an Excel workbook", "Save it as"), source=EXCEL),
    # Places
    "a-path-that-climbs": Case({}, says=("may not leave the declaration's folder",), source={"type": "csv", "path": "../t.csv"}),
    "a-folder": Case({"t.csv": lambda path: path.mkdir()}, says=("is a folder", "Name the files in it")),
    "a-pipe": Case({"t.csv": lambda path: os.mkfifo(path)}, says=("a pipe or a device", "Write its content to a file")),
    "a-link-that-leads-out": Case({"t.csv": lambda path: path.symlink_to("/etc/hostname")}, says=("leads out of",)),
    "a-link-to-nothing": Case({"t.csv": lambda path: path.symlink_to("gone.csv")}, says=("leads nowhere", "Put the file itself there")),
    "a-pattern-of-nothing": Case({}, says=("no such file",), source={"type": "csv", "path": "*.csv"}),
    "files-of-other-headers": Case({"a.csv": text("id,x", "1,a"), "b.csv": text("x,id", "b,2")}, rows=2, values=("a", "b"), source={"type": "csv", "path": "*.csv"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_input_is_read_whole_or_refused_with_its_repair(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = tmp_path / "declared"
    folder.mkdir()
    for file, content in case.files.items():
        if isinstance(content, bytes):
            (folder / file).write_bytes(content)
        else:
            content(folder / file)
    declared = {"source": case.source, "columns": case.columns, "event_time": case.event_time}
    partitions = {"every": "day", "start": "2024-01-01", "end": "2024-04-01", "timezone": case.timezone}
    spec = PipelineSpec.model_validate({"partitions": partitions, "datasets": {"t": declared}})
    pipeline = Pipeline("inputs", spec, str(folder), {}, "hash")
    lake, engine = lake_and_engine(tmp_path)
    span = partitioning(spec.partitions).window("2024-01-01") if case.event_time else None
    scope = Scope(span, run_id="run", clock=NOW)
    if case.says:
        with pytest.raises(DriftlineError) as caught:
            materialize_raw(StageRun(pipeline, scope, lake, engine), "t")
        message = str(caught.value)
        assert not [part for part in case.says if part not in message], message
        # Nothing is half-written, and no copy is left behind.
        assert not (tmp_path / "lake").exists()
        assert not [path for path in (tmp_path / "spill").rglob("*") if path.is_file()]
        return
    metadata = materialize_raw(StageRun(pipeline, scope, lake, engine), "t").metadata
    found = (metadata["n_rows"], metadata["n_rejected"], metadata["n_out_of_range"])
    assert found == (case.rows, case.rejected, case.outside)
    if span is None:
        assert metadata["n_source_rows"] == case.rows + case.rejected
    assert lake.snapshot("inputs/raw_rejects/t").n_rows == case.rejected
    if case.values is not None:
        assert tuple(lake.read("inputs/raw/t")["x"].to_pylist()) == case.values
    assert not [path for path in (tmp_path / "spill").rglob("*") if path.is_file()]
