"""Columns that only some files have, and columns that only the names of folders have: declared, never guessed."""

import csv
import gzip
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from assets.materialization import StageRun
from assets.raw.asset import materialize_raw
from declaration.datasets import DatasetSpec
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from sources.opening import readable
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE, ReadError
from tests.fixtures.reading import dataset
from tests.fixtures.tiny import lake_and_engine, scope

Row = Mapping[str, object]

ENDINGS = {"csv": "csv", "json": "jsonl", "parquet": "parquet", "excel": "xlsx"}


def write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> Path:
    """Write rows in the format that a name ends in, with the columns in an order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: [row[name] for row in rows] for name in columns}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({name: row[name] for name in columns}) + "\n" for row in rows))
    elif path.suffix == ".xlsx":
        book = Workbook()
        for line in (list(columns), *([row[name] for name in columns] for row in rows)):
            book.worksheets[0].append(line)
        book.save(path)
    else:
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([row[name] for name in columns] for row in rows)
    return path


def read(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], spec: DatasetSpec, scratch: Path
) -> tuple[Counts, list[tuple[object, ...]]]:
    with readable(connection, files, spec, scratch) as plain:
        counts = read_files(connection, plain, spec, name="orders", timezone="UTC", found=files)
    columns = ", ".join(f'"{name}"' for name in spec.columns)
    return counts, connection.sql(f"SELECT {columns} FROM {READ_TABLE}").fetchall()


@pytest.mark.parametrize("kind", ENDINGS)
def test_an_optional_column_is_null_where_a_file_lacks_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    old = write(tmp_path / f"a.{ENDINGS[kind]}", ["id", "gone"], [{"id": 1, "gone": "x"}])
    new = write(tmp_path / f"b.{ENDINGS[kind]}", ["channel", "id"], [{"id": 2, "channel": "web"}])
    optional = {"type": "string", "optional": True}
    spec = dataset({"id": "int", "channel": optional, "gone": optional}, kind)
    counts, rows = read(connection, [old, new], spec, tmp_path / "scratch")
    assert sorted(rows) == [(1, None, "x"), (2, "web", None)]
    assert counts == Counts(2, 0, {"channel": 1, "gone": 1})
    assert read(connection, [old], spec, tmp_path / "scratch")[1] == [(1, None, "x")]


@pytest.mark.parametrize("kind", ["csv", "excel", "parquet"])
def test_a_file_that_lacks_another_column_is_refused_with_the_repair(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    new = write(tmp_path / f"a.{ENDINGS[kind]}", ["id", "channel"], [{"id": 2, "channel": "web"}])
    old = write(tmp_path / f"b.{ENDINGS[kind]}", ["id"], [{"id": 1}])
    spec = dataset({"id": "int", "channel": "string"}, kind)
    for files in ([new, old], [old, new], [old]):
        says = r"b\.\w+(, sheet 'Sheet')? has no column 'channel'. It has: 'id'\. .*declare `optional: true` for what files may lack"
        with pytest.raises(ReadError, match=says):
            read(connection, files, spec, tmp_path / "scratch")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_a_computed_column_reads_must_be_in_every_file_or_declared(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    files = [
        write(tmp_path / f"a.{ENDINGS[kind]}", ["id", "old"], [{"id": 1, "old": "x"}]),
        write(tmp_path / f"b.{ENDINGS[kind]}", ["new", "id"], [{"id": 2, "new": "y"}]),
    ]
    either = {"type": "string", "sql": "coalesce(new, old)"}
    with pytest.raises(ReadError, match=r'column "?(new|old)"? not found|"(new|old)"'):
        read(connection, files, dataset({"id": "int", "either": either}, kind), tmp_path / "scratch")
    optional = {"type": "string", "optional": True}
    spec = dataset({"id": "int", "new": optional, "old": optional, "either": either}, kind)
    assert [row[3] for row in read(connection, files, spec, tmp_path / "scratch")[1]] == ["x", "y"]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_rows_keep_their_place_over_files_of_different_columns(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    files = [
        write(
            tmp_path / f"{name}.{ENDINGS[kind]}", columns, [{"id": id_, "x": "1"}, {"id": id_ + 1, "x": "2"}]
        )
        for name, columns, id_ in (("a", ["id", "x"], 0), ("b", ["x", "id"], 2), ("c", ["id", "x"], 4))
    ]
    spec = DatasetSpec.model_validate(
        {"source": {"type": kind, "path": "x"}, "columns": {"id": "int"}, "key": ["row_number"]}
    )
    assert read(connection, files, spec, tmp_path / "scratch")[1] == [(number, number) for number in range(6)]


def test_rejects_of_different_headers_name_file_and_line(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = [
        write(tmp_path / "a.csv", ["id", "x"], [{"id": 1, "x": "u"}, {"id": "one", "x": "v"}]),
        write(tmp_path / "b.csv", ["x", "id"], [{"id": "two", "x": "u"}, {"id": 2, "x": "v"}]),
    ]
    assert read(connection, files, dataset({"id": "int"}), tmp_path / "scratch")[0] == Counts(2, 2)
    found = connection.sql(f"SELECT source, line, raw_text FROM {REJECTS_TABLE} ORDER BY source").fetchall()
    assert found == [("a.csv", 3, "one,v"), ("b.csv", 2, "u,two")]


COLUMNS = {"n": "int", "text": "string", "share": "float"}
VALUES = {
    "n": st.none() | st.integers(-(2**63), 2**63 - 1),
    "text": st.none()
    | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=5),
    "share": st.none() | st.floats(allow_nan=False, allow_infinity=False),
}
FILES = st.lists(
    st.tuples(
        st.permutations(sorted(COLUMNS)).flatmap(lambda names: st.integers(0, 3).map(lambda n: names[:n])),
        st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@given(files=FILES)
@settings(max_examples=10, deadline=None)
def test_files_with_any_of_the_columns_in_any_order_are_read_whole(
    kind: str, files: list[tuple[list[str], list[Row]]]
) -> None:
    columns = {name: {"type": type_, "optional": True} for name, type_ in COLUMNS.items()}
    spec = dataset({"id": "int", **columns}, kind)
    expected, paths = [], []
    with TemporaryDirectory() as name, duckdb.connect() as connection:
        for number, (there, rows) in enumerate(files):
            numbered = [{**row, "id": 100 * number + place} for place, row in enumerate(rows)]
            paths.append(write(Path(name) / f"{number}.{ENDINGS[kind]}", [*there, "id"], numbered))
            expected += [(row["id"], *(row[c] if c in there else None for c in COLUMNS)) for row in numbered]
        counts, found = read(connection, paths, spec, Path(name) / "scratch")
    assert sorted(found) == expected
    lacking = {c: sum(c not in there for there, _ in files) for c in COLUMNS}
    if kind != "json":
        assert counts.absent == {column: n for column, n in lacking.items() if n}


# Folders


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_folders_give_their_columns_typed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    folders = (
        "year=2023/day=2023-01-02/city=S%C3%A3o Paulo",
        "year=2024/day=2024-02-29/city=a%3Db%2Fc",
        "year=2024/day=__HIVE_DEFAULT_PARTITION__/city=",
    )
    files = [
        write(tmp_path / folder / f"part.{ENDINGS[kind]}", ["id"], [{"id": 1}, {"id": 2}])
        for folder in folders
    ]
    columns = {"id": "int", "jahr": {"type": "int", "source": "year"}, "day": "date", "city": "string"}
    counts, rows = read(connection, files, dataset(columns, kind), tmp_path / "scratch")
    assert counts == Counts(6, 0)
    rows.sort(key=lambda row: (row[1], str(row[3]) == "", row[0]))
    assert rows[::2] == [
        (1, 2023, date(2023, 1, 2), "São Paulo"), (1, 2024, date(2024, 2, 29), "a=b/c"), (1, 2024, None, ""),
    ]  # fmt: skip
    assert rows[1::2] == [(2, *row[1:]) for row in rows[::2]]
    assert (
        read(connection, files[:1], dataset({"year": "string"}, kind), tmp_path / "scratch")[1]
        == [("2023",)] * 2
    )


def test_folders_count_for_files_that_are_unpacked_first(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = []
    for year, name in ((2023, "a.csv.gz"), (2024, "a.csv.zip")):
        path = tmp_path / f"year={year}" / name
        path.parent.mkdir()
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(b"id\n1\n"))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.csv", "id\n1\n")
        files.append(path)
    spec = dataset({"id": "int", "year": "int"}, encoding="utf-8")
    assert read(connection, files, spec, tmp_path / "scratch")[1] == [(1, 2023), (1, 2024)]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_folder_whose_value_does_not_fit_rejects_its_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    files = [
        write(tmp_path / f"year={year}" / f"a.{ENDINGS[kind]}", ["id"], [{"id": 1}])
        for year in ("2023", "2023.5")
    ]
    counts, rows = read(connection, files, dataset({"id": "int", "year": "int"}, kind), tmp_path / "scratch")
    assert (rows, counts) == ([(1, 2023)], Counts(1, 1))
    (reason,) = connection.sql(f"SELECT reason FROM {REJECTS_TABLE}").fetchall()[0]
    assert reason.startswith("year: not ")
    assert "2023.5" in reason


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_the_column_of_the_file_counts_before_the_folders(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    spec = dataset({"id": "int", "year": "int"}, kind)
    own = write(tmp_path / "year=2023" / f"a.{ENDINGS[kind]}", ["id", "year"], [{"id": 1, "year": 1999}])
    assert read(connection, [own], spec, tmp_path / "scratch")[1] == [(1, 1999)]
    other = write(tmp_path / "year=2024" / f"b.{ENDINGS[kind]}", ["id"], [{"id": 1}])
    for files in ([own, other], [other, own]):
        with pytest.raises(
            ReadError,
            match=r"'year' is in .*/year=2023/a.\w+, but for .*/year=2024/b.\w+ only in the name of a folder",
        ):
            read(connection, files, spec, tmp_path / "scratch")


def test_folders_with_other_keys_are_refused_unless_the_column_is_optional(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = [
        write(tmp_path / "year=2023" / "a.csv", ["id"], [{"id": 1}]),
        write(tmp_path / "other" / "b.csv", ["id"], [{"id": 2}]),
    ]
    with pytest.raises(
        ReadError, match=r"other/b.csv lies in no folder 'year=…', as .*/year=2023/a.csv does"
    ):
        read(connection, files, dataset({"id": "int", "year": "int"}), tmp_path / "scratch")
    spec = dataset({"id": "int", "year": {"type": "int", "optional": True}})
    counts, rows = read(connection, files, spec, tmp_path / "scratch")
    assert (rows, counts.absent) == ([(1, 2023), (2, None)], {"year": 1})


def test_folders_that_contradict_each_other_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = write(tmp_path / "year=2023" / "year=2024" / "a.csv", ["id"], [{"id": 1}])
    with pytest.raises(ReadError, match=r"two folders above a.csv give the column 'year': '2023' and '2024'"):
        read(connection, [path], dataset({"id": "int", "year": "int"}), tmp_path / "scratch")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_what_is_nowhere_is_refused_without_names_of_ours(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    path = write(tmp_path / "year=2023" / f"a.{ENDINGS[kind]}", ["id"], [{"id": 1}])
    with pytest.raises(ReadError, match="has no column 'month'") as raised:
        read(connection, [path], dataset({"id": "int", "month": "int"}, kind), tmp_path / "scratch")
    assert "driftline" not in str(raised.value).lower()


def by_arrow(folder: Path, table: pa.Table) -> None:
    schema = pa.schema([table.schema.field("city"), table.schema.field("n")])
    ds.write_dataset(table, folder, format="parquet", partitioning=ds.partitioning(schema, flavor="hive"))


def by_pandas(folder: Path, table: pa.Table) -> None:
    table.to_pandas().to_parquet(folder, partition_cols=["city", "n"])


def by_duckdb(folder: Path, table: pa.Table) -> None:
    with duckdb.connect() as connection:
        connection.register("given", table)
        connection.execute(f"COPY given TO '{folder}' (FORMAT parquet, PARTITION_BY (city, n))").fetchall()


@pytest.mark.parametrize("written", [by_arrow, by_pandas, by_duckdb])
def test_what_others_part_by_folders_is_read_back(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, written: object
) -> None:
    cities = ["Köln", "São Paulo", "a/b", "x=y", "100%", "100%25", "it's", 'q"q', "a:b?c*d", "ü+ ö", "#[]{}"]
    table = pa.table({"id": range(len(cities)), "city": cities, "n": range(len(cities))})
    written(tmp_path / "out", table)  # type: ignore[operator]  # one of the three
    files = sorted((tmp_path / "out").rglob("*.parquet"))
    spec = dataset({"id": "int", "city": "string", "n": "int"}, "parquet")
    assert sorted(read(connection, files, spec, tmp_path / "scratch")[1]) == [  # type: ignore[type-var]
        (number, city, number) for number, city in enumerate(cities)
    ]


@given(
    values=st.lists(
        st.tuples(
            st.none()
            | st.text(
                st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\\"),
                min_size=1,
                max_size=8,
            ),
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
@settings(max_examples=10, deadline=None)
def test_any_values_come_back_from_arrows_folders(values: list[tuple[str | None, int | None]]) -> None:
    table = pa.table(
        {
            "id": range(len(values)),
            "city": pa.array([city for city, _ in values], pa.string()),
            "n": pa.array([n for _, n in values], pa.int64()),
        }
    )
    with TemporaryDirectory() as name, duckdb.connect() as connection:
        by_arrow(Path(name) / "out", table)
        files = sorted((Path(name) / "out").rglob("*.parquet"))
        spec = dataset({"id": "int", "city": "string", "n": "int"}, "parquet")
        counts, rows = read(connection, files, spec, Path(name) / "scratch")
    assert counts == Counts(len(values), 0)
    assert {row[0]: row[1:] for row in rows} == dict(enumerate(values))


def keyed(folder: Path, kind: str, path: str, **source: object) -> Pipeline:
    """Return a pipeline of days whose time stands in the names of folders."""
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "day", "start": "2024-01-01"},
            "datasets": {
                "readings": {
                    "source": {"type": kind, "path": path, **source},
                    "columns": {"id": "int", "day": "date", "channel": {"type": "string", "optional": True}},
                    "event_time": "day",
                }
            },
        }
    )
    return Pipeline("tiny", spec, str(folder), {}, "hash")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_folder_can_give_the_event_time(tmp_path: Path, kind: str, mode: str) -> None:
    for day in (1, 2):
        there = ["id"] if day == 1 else ["id", "channel"]
        row = {"id": day, "channel": "web"}
        write(tmp_path / "lake" / f"day=2024-01-0{day}" / f"a.{ENDINGS[kind]}", there, [row])
    slot = "*" if mode == "full" else "{partition}"
    pipeline = keyed(tmp_path, kind, f"lake/day={slot}/*", mode=mode)
    lake, engine = lake_and_engine(tmp_path)
    outcomes = [materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings") for day in (0, 1)]
    rows = sorted(lake.read("tiny/raw/readings").to_pylist(), key=lambda row: int(row["id"]))
    assert rows == [
        {"id": 1, "day": date(2024, 1, 1), "channel": None},
        {"id": 2, "day": date(2024, 1, 2), "channel": "web"},
    ]
    told = [outcome.metadata.get("absent_columns") for outcome in outcomes]
    assert told == (["channel in 1 of 2 files"] * 2 if mode == "full" else ["channel in 1 of 1 files", None])


def test_pandas_reads_the_same_from_folders(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "day": ["2024-01-01"] * 2 + ["2024-01-02"]})
    frame.to_parquet(tmp_path / "given", partition_cols=["day"])
    pipeline = keyed(tmp_path, "parquet", "given/*/*.parquet")
    lake, engine = lake_and_engine(tmp_path)
    for day in (0, 1):
        materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings")
    found = lake.read("tiny/raw/readings").to_pandas()
    theirs = pd.read_parquet(tmp_path / "given")
    assert sorted(zip(found["id"], found["day"].astype(str), strict=True)) == sorted(
        zip(theirs["id"], theirs["day"].astype(str), strict=True)
    )
