"""A table gets other names and types of columns in one version; older ones stay, and no value becomes another."""

from datetime import date, datetime

import pyarrow as pa
import pytest

from resources.lake.lake import Lake, LakeError

TABLE = "p/raw/x"
AFTER = pa.schema([("n", pa.float64()), ("day", pa.timestamp("us")), ("label", pa.string())])


def rows(number: int) -> pa.Table:
    days = pa.array([date(2024, 1, 1), None], pa.date32())
    return pa.table({"n": pa.array([number, None], pa.int64()), "at": days, "label": ["a", "b"]})


@pytest.fixture
def written(lake: Lake) -> Lake:
    lake.write(TABLE, rows(1).drop_columns("label"), partition="a")
    lake.write(TABLE, rows(2), partition="b")
    return lake


def test_one_version_renames_and_widens_all_rows_and_older_ones_stay(written: Lake) -> None:
    before = written.read(TABLE)
    snapshot = written.rewrite(TABLE, AFTER, {"day": "at"}, version=1, commit={"run_id": "r"})
    # The version before says that the table may have wall clocks, and changes no row.
    assert (snapshot.version, snapshot.schema) == (3, AFTER)
    first = datetime(2024, 1, 1)
    assert written.read(TABLE).to_pydict() == {
        "n": [1.0, None, 2.0, None], "day": [first, None, first, None], "label": [None, None, "a", "b"],
    }  # fmt: skip
    assert snapshot.rows_by_partition == {"a": 2, "b": 2}
    assert written.read(TABLE, version=1).equals(before)
    assert written.commits_of(TABLE)[0]["run_id"] == "r"
    again = written.write(TABLE, written.read(TABLE, partitions=["a"]), partition="c")
    assert again.schema == AFTER


def test_a_table_without_partitions_is_rewritten_too(lake: Lake) -> None:
    lake.write(TABLE, rows(1))
    assert lake.rewrite(TABLE, AFTER, {"day": "at"}, version=0, commit={}).n_rows == 2
    assert lake.read(TABLE)["n"].to_pylist() == [1.0, None]


def test_the_two_names_of_one_column_are_put_together(written: Lake) -> None:
    new = pa.table({"n": [3], "day": pa.array([date(2024, 2, 1)], pa.date32()), "label": ["c"]})
    written.write(TABLE, new, partition="c")
    written.rewrite(TABLE, AFTER, {"day": "at"}, version=2, commit={})
    assert written.read(TABLE, partitions=["c", "a"])["day"].to_pylist() == [
        datetime(2024, 2, 1), datetime(2024, 1, 1), None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (
            pa.table({"n": [2**53 + 1]}),
            "column 'n' is int64, and not all of its values can be kept as double",
        ),
        (
            pa.table({"n": [1], "day": [date(2024, 1, 1)], "at": [date(2024, 1, 2)]}),
            "1 rows have a value under the old name of column 'day' and another under the new one",
        ),
    ],
    ids=["not exact", "two values"],
)
def test_what_would_change_a_value_is_refused_and_nothing_is_written(
    written: Lake, new: pa.Table, reason: str
) -> None:
    written.write(TABLE, new, partition="c")
    files = sorted(written.table_path(TABLE).rglob("*"))
    with pytest.raises(LakeError, match=reason):
        written.rewrite(TABLE, AFTER, {"day": "at"}, version=2, commit={})
    assert sorted(written.table_path(TABLE).rglob("*")) == files


def test_a_writer_that_was_faster_is_not_overwritten(written: Lake) -> None:
    written.write(TABLE, rows(3), partition="c")
    with pytest.raises(LakeError, match=r"written by somebody else meanwhile: nothing was changed. Repeat"):
        written.rewrite(TABLE, AFTER, {"day": "at"}, version=1, commit={})
    assert written.snapshot(TABLE).version == 2


def test_files_of_a_writer_that_was_stopped_are_no_rows(
    written: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr("resources.lake.commits._commit", _stop)
        with pytest.raises(KeyboardInterrupt):
            written.rewrite(TABLE, AFTER, {"day": "at"}, version=1, commit={})
    assert written.snapshot(TABLE).version == 1
    assert written.rewrite(TABLE, AFTER, {"day": "at"}, version=1, commit={}).n_rows == 4


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_table_may_get_a_wall_clock_and_readers_of_before_stay(lake: Lake) -> None:
    lake.write(TABLE, rows(1), partition="a")
    lake.write(TABLE, pa.table({"seen": pa.array([datetime(2024, 1, 1)], pa.timestamp("us"))}), partition="b")
    assert lake.read(TABLE)["seen"].to_pylist() == [None, None, datetime(2024, 1, 1)]
    assert lake.read(TABLE, version=0).column_names == ["n", "at", "label"]
