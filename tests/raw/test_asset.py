"""Raw partitions hold every row of the source once; what is left out is counted."""

from pathlib import Path

import pytest

from assets.raw.asset import materialize_raw
from assets.raw.read_sql import ReadError
from resources.lake import Lake
from tests.tiny import ROWS_PER_DAY, lake_and_engine, scope, tiny_pipeline, write_sources


def test_partitions_together_hold_every_row_once(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    for day in range(3):
        outcome = materialize_raw(pipeline, "readings", scope(day), lake=lake, engine=engine)
        assert outcome.metadata["n_rows"] == ROWS_PER_DAY
    ids = lake.read("tiny/raw/readings")["id"].to_pylist()
    assert sorted(ids) == list(range(3 * ROWS_PER_DAY))


def test_running_a_partition_again_changes_nothing(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    lake, engine = lake_and_engine(tmp_path)
    for _ in range(2):
        materialize_raw(tiny_pipeline(tmp_path), "readings", scope(0), lake=lake, engine=engine)
    assert lake.snapshot("tiny/raw/readings").n_rows == ROWS_PER_DAY


def append(folder: Path, *lines: str) -> None:
    with (folder / "readings.csv").open("a") as handle:
        handle.writelines(line + "\n" for line in lines)


def test_rejects_are_kept_with_their_reason(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    append(tmp_path, "oops,m1,2024-01-01T00:00:00Z,1,1,true", "9001,m1,,1,1,true")
    lake, engine = lake_and_engine(tmp_path)
    outcome = materialize_raw(tiny_pipeline(tmp_path), "readings", scope(0), lake=lake, engine=engine)
    rejects = lake.read("tiny/raw_rejects/readings").to_pylist()
    assert outcome.metadata["n_rejected"] == len(rejects) == 2
    reasons = sorted(str(row["reason"]) for row in rejects)
    assert reasons[1] == "taken_at: no event time"
    assert "id" in reasons[0]


def test_too_many_rejects_fail_and_leave_nothing(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    append(tmp_path, *["oops,m1,2024-01-01T00:00:00Z,1,1,true"] * 50)
    lake, engine = lake_and_engine(tmp_path)
    with pytest.raises(ReadError, match=r"50 of 450 rows of readings.csv cannot be read \(11.11%"):
        materialize_raw(tiny_pipeline(tmp_path), "readings", scope(0), lake=lake, engine=engine)
    assert not lake.has("tiny/raw/readings")


def versions(lake: Lake) -> int:
    return lake.snapshot("tiny/raw/machines").version


def test_a_reference_table_is_committed_only_when_its_source_changed(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    first = materialize_raw(pipeline, "machines", scope(None), lake=lake, engine=engine)
    again = materialize_raw(pipeline, "machines", scope(None), lake=lake, engine=engine)
    assert versions(lake) == 0
    assert again.data_version == first.data_version
    (tmp_path / "machines.csv").write_text("machine,age\nm0,1\n")
    changed = materialize_raw(pipeline, "machines", scope(None), lake=lake, engine=engine)
    assert versions(lake) == 1
    assert changed.data_version != first.data_version
