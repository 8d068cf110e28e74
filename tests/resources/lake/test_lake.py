"""The lake replaces partitions in one commit, pins versions and refuses what it cannot keep."""

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from resources.lake.lake import Lake, LakeError, scan


def rows(*values: int) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.int64())})


def values_of(lake: Lake, table: str) -> list[int]:
    return sorted(lake.read(table)["value"].to_pylist())


def test_a_partition_is_replaced_and_the_others_stay(lake: Lake) -> None:
    lake.write("p/raw/x", rows(1, 2), partition="2013-01-01")
    lake.write("p/raw/x", rows(3), partition="2013-02-01")
    lake.write("p/raw/x", rows(4), partition="2013-01-01")
    assert values_of(lake, "p/raw/x") == [3, 4]


def test_each_write_is_one_commit_that_says_who_wrote_it(lake: Lake) -> None:
    snapshot = lake.write("p/raw/x", rows(1), partition="a", commit={"run_id": "r1", "spec_hash": "s"})
    again = lake.write("p/raw/x", rows(2), partition="a", commit={"run_id": "r2", "spec_hash": "s"})
    assert (snapshot.version, again.version) == (0, 1)
    newest = DeltaTable(str(lake.table_path("p/raw/x"))).history(1)[0]
    assert newest["run_id"] == "r2"


def test_a_pinned_version_does_not_move(lake: Lake) -> None:
    before = lake.write("p/raw/x", rows(1, 2), partition="a")
    lake.write("p/raw/x", rows(9), partition="a")
    pinned = lake.snapshot("p/raw/x", before.version)
    assert duckdb.sql(f"SELECT sum(value) FROM {scan(pinned)}").fetchall() == [(3,)]


def test_a_stream_is_written_like_a_table(lake: Lake) -> None:
    snapshot = lake.write("p/raw/x", rows(1, 2, 3).to_reader(max_chunksize=1), partition="a")
    assert snapshot.n_rows == 3
    assert values_of(lake, "p/raw/x") == [1, 2, 3]


def test_an_empty_partition_keeps_its_columns(lake: Lake) -> None:
    lake.write("p/raw/x", rows(1), partition="a")
    snapshot = lake.write("p/raw/x", rows(), partition="a")
    assert snapshot.n_rows == 0
    assert duckdb.sql(f"SELECT * FROM {scan(snapshot)}").columns == ["value"]


def test_a_partition_may_take_the_place_of_all_others_in_one_commit(lake: Lake) -> None:
    for key in ("a", "b"):
        lake.write("p/raw/x", rows(1), partition=key)
    texts = pa.table({"value": ["one", "two"]})
    snapshot = lake.write("p/raw/x", texts, partition="c", is_alone=True)
    assert (snapshot.version, snapshot.rows_by_partition) == (2, {"c": 2})
    # Columns of another type too: no row of before is there to be lost.
    assert lake.read("p/raw/x")["value"].to_pylist() == ["one", "two"]


def test_a_selection_of_partitions_is_scanned(lake: Lake) -> None:
    lake.write("p/raw/x", rows(1), partition="a")
    snapshot = lake.write("p/raw/x", rows(2), partition="b")
    assert duckdb.sql(f"SELECT * FROM {scan(snapshot, ['b'])}").fetchall() == [(2,)]
    assert duckdb.sql(f"SELECT * FROM {scan(snapshot, ['c'])}").fetchall() == []


def test_the_file_of_a_row_tells_its_partition(lake: Lake) -> None:
    """Keys of hours hold colons, which Delta writes as %3A into the path."""
    keys = {1: "2013-11-03-01:00", 2: "2013-11-03-02:00"}
    for value, key in keys.items():
        lake.write("p/raw/x", rows(value), partition=key)
    snapshot = lake.snapshot("p/raw/x")
    partition_of = {path: key for key, paths in snapshot.files.items() for path in paths}
    found = duckdb.sql(f"SELECT value, _file FROM {scan(snapshot, file_column='_file')}").fetchall()
    assert {value: partition_of[path] for value, path in found} == keys
    assert duckdb.sql(f"SELECT * FROM {scan(snapshot, [], file_column='_file')}").columns == [
        "value",
        "_file",
    ]


def test_a_new_column_is_null_where_older_partitions_lack_it(lake: Lake) -> None:
    lake.write("p/raw/x", rows(1), partition="a")
    wider = rows(2).append_column("note", pa.array(["new"]))
    snapshot = lake.write("p/raw/x", wider, partition="b")
    found = duckdb.sql(f"SELECT value, note FROM {scan(snapshot)} ORDER BY value").fetchall()
    assert found == [(1, None), (2, "new")]
    assert lake.read("p/raw/x").num_rows == 2


def test_column_names_are_only_names(lake: Lake) -> None:
    hostile = pa.table({'a"; DROP TABLE x; --': [1], "select": [2], "日付": [3]})
    snapshot = lake.write("p/raw/x", hostile, partition="it's")
    assert duckdb.sql(f"SELECT * FROM {scan(snapshot)}").fetchall() == [(1, 2, 3)]
    again = lake.write("p/raw/x", hostile, partition="it's")
    assert again.n_rows == 1


def test_instants_come_back_in_utc(lake: Lake) -> None:
    instant = datetime(2013, 1, 1, 5, tzinfo=UTC)
    table = pa.table({"at": pa.array([instant], pa.timestamp("us", tz="UTC"))})
    lake.write("p/raw/x", table, partition="a")
    assert lake.read("p/raw/x")["at"].to_pylist() == [instant]


@pytest.mark.parametrize("table", ["../outside", "/etc/x", "p/../../x", "", "."])
def test_a_table_outside_the_lake_is_refused(lake: Lake, table: str) -> None:
    with pytest.raises(LakeError, match="lies outside the lake"):
        lake.write(table, rows(1))


def test_a_missing_table_says_which_asset_to_run(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"table 'p/raw/x' is not in the lake .* Materialize the asset"):
        lake.snapshot("p/raw/x")


def test_a_column_of_another_type_is_refused_and_the_table_stays(lake: Lake) -> None:
    lake.write("p/raw/x", rows(1), partition="a")
    with pytest.raises(
        LakeError,
        match=r"column .value. is int64 in the rows that are there and list<element: int64> in the new ones",
    ):
        lake.write("p/raw/x", pa.table({"value": pa.array([[1]])}), partition="b")
    assert values_of(lake, "p/raw/x") == [1]


def _write_many(root: str, partition: str, n_writes: int) -> None:
    lake = Lake(root=root)
    for value in range(n_writes):
        lake.write("p/raw/x", rows(value), partition=partition)


def test_two_writers_of_two_partitions_lose_nothing(lake: Lake) -> None:
    lake.write("p/raw/x", rows(0), partition="seed")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(lake.root, name, 8)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert values_of(lake, "p/raw/x") == [0, 7, 7]


@pytest.mark.slow
def test_writers_that_are_killed_leave_whole_partitions(lake: Lake) -> None:
    killing = [sys.executable, "-m", "tests.resources.lake.kills", lake.root, "5"]
    done = subprocess.run(killing, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert lake.snapshot("p/raw/x").n_rows > 0


def test_a_failure_after_the_commit_takes_no_file_away(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write("p/raw/x", rows(1), partition="a")

    def full(folder: Path, version: int) -> None:
        raise OSError(28, f"no space left for version {version} in {folder}")

    with monkeypatch.context() as patched:
        patched.setattr("resources.lake.commits.set_mark", full)
        with pytest.raises(OSError, match="no space left for version 1"):
            lake.write("p/raw/x", rows(2), partition="b")
    assert values_of(lake, "p/raw/x") == [1, 2]


class Late(Lake):
    """A lake in which another process makes a table just after we looked for it."""

    def has(self, table: str) -> bool:
        found = super().has(table)
        if not found:
            Lake(root=self.root).write(table, rows(7), partition="theirs")
        return found


def test_a_partition_of_a_table_that_is_made_meanwhile_stays(lake: Lake) -> None:
    Late(root=lake.root).write("p/raw/x", rows(1), partition="ours")
    assert lake.snapshot("p/raw/x").rows_by_partition == {"ours": 1, "theirs": 1}


@pytest.mark.parametrize("partition", ["a", None], ids=["one partition", "the whole table"])
def test_two_first_writers_of_the_same_leave_one(lake: Lake, partition: str | None) -> None:
    both = threading.Barrier(2)

    def stream() -> Iterator[pa.RecordBatch]:
        # Each begins to write before the other has ended, if it is let.
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        yield from rows(1).to_batches()

    def write() -> None:
        lake.write(
            "p/raw/x", pa.RecordBatchReader.from_batches(rows(1).schema, stream()), partition=partition
        )

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write), pool.submit(write)]:
            done.result(timeout=60)
    assert values_of(lake, "p/raw/x") == [1]


def _meanwhile(lake: Lake, begun: list[int]) -> pa.RecordBatchReader:
    """Give a stream, during the first of which another writer replaces the same partition."""
    begun.append(len(begun))

    def stream() -> Iterator[pa.RecordBatch]:
        if begun == [0]:
            other = threading.Thread(target=lambda: lake.write("p/raw/x", rows(7), partition="a"))
            other.start()
            other.join(timeout=60)
        yield from rows(1).to_batches()

    return pa.RecordBatchReader.from_batches(rows(1).schema, stream())


def test_a_stream_that_can_be_given_anew_is_written_after_another_writer(lake: Lake) -> None:
    lake.write("p/raw/x", rows(0), partition="a")
    begun: list[int] = []
    lake.write("p/raw/x", lambda: _meanwhile(lake, begun), partition="a")
    assert (values_of(lake, "p/raw/x"), begun) == ([1], [0, 1])


def test_a_stream_that_is_drained_loses_to_another_writer(lake: Lake) -> None:
    lake.write("p/raw/x", rows(0), partition="a")
    with pytest.raises(LakeError, match="'p/raw/x': 1 attempts to commit lost against other writers"):
        lake.write("p/raw/x", _meanwhile(lake, []), partition="a")
    assert values_of(lake, "p/raw/x") == [7]


def test_a_table_whose_first_commit_is_on_its_way_is_not_there(lake: Lake) -> None:
    log = lake.table_path("p/raw/x") / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json#1").write_text("")
    assert not lake.has("p/raw/x")
    lake.write("p/raw/x", rows(1))
    assert lake.has("p/raw/x")


def test_not_a_number_is_seen_by_readers(lake: Lake) -> None:
    # DuckDB 2.0 folds isnan() and comparisons by a Parquet file's minimum and maximum, which leave NaN out.
    table = pa.table({"x": [1.0, float("nan"), 3.0]})
    for snapshot in (lake.write("p/raw/x", table, partition="a"), lake.append("p/history", table)):
        found = duckdb.sql(
            f"SELECT count(CASE WHEN isnan(x) THEN 1 END), count(CASE WHEN x <= 5 THEN 1 END) FROM {scan(snapshot)}"
        )
        assert found.fetchall() == [(1, 2)]
