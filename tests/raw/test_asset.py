"""Raw partitions hold every row of the source once; what is left out is counted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.materialization import Scope, StageRun
from assets.raw.asset import materialize_raw
from assets.raw.full_loads import load_to_read
from declaration.datasets import DatasetSpec
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sources.python import PythonSourceSpec
from declaration.spec import PipelineSpec
from resources.lake.lake import Lake
from sources.rejects import ReadError
from tests.fixtures.tiny import ROWS_PER_DAY, lake_and_engine, scope, tiny_pipeline, write_sources

CLOCK = datetime(2024, 2, 1, tzinfo=UTC)


def test_partitions_together_hold_every_row_once(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    for day in range(3):
        outcome = materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings")
        assert outcome.metadata["n_rows"] == ROWS_PER_DAY
    ids = lake.read("tiny/raw/readings")["id"].to_pylist()
    assert sorted(ids) == list(range(3 * ROWS_PER_DAY))


def test_running_a_partition_again_changes_nothing(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    lake, engine = lake_and_engine(tmp_path)
    for _ in range(2):
        materialize_raw(StageRun(tiny_pipeline(tmp_path), scope(0), lake, engine), "readings")
    assert lake.snapshot("tiny/raw/readings").n_rows == ROWS_PER_DAY


def append(folder: Path, *lines: str) -> None:
    with (folder / "readings.csv").open("a") as handle:
        handle.writelines(line + "\n" for line in lines)


def test_rejects_are_kept_with_their_reason(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    append(tmp_path, "oops,m1,2024-01-01T00:00:00Z,1,1,true", "9001,m1,,1,1,true")
    lake, engine = lake_and_engine(tmp_path)
    outcome = materialize_raw(StageRun(tiny_pipeline(tmp_path), scope(0), lake, engine), "readings")
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
        materialize_raw(StageRun(tiny_pipeline(tmp_path), scope(0), lake, engine), "readings")
    assert not lake.has("tiny/raw/readings")


def versions(lake: Lake) -> int:
    return lake.snapshot("tiny/raw/machines").version


def test_a_reference_table_is_committed_only_when_its_source_changed(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    first = materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    again = materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    assert versions(lake) == 0
    assert again.data_version == first.data_version
    (tmp_path / "machines.csv").write_text("machine,age\nm0,1\n")
    changed = materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    assert versions(lake) == 1
    assert changed.data_version != first.data_version


def test_rejects_of_one_source_are_kept_once_whichever_partition_runs(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    append(
        tmp_path, "oops,m1,2024-01-01T00:00:00Z,1,1,true", "9001,m1,,1,1,true", "9002,m1,2019-01-01,1,1,true"
    )
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    outcomes = [
        materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings") for day in (2, 0, 1, 1)
    ]
    rejects = lake.snapshot("tiny/raw_rejects/readings")
    assert rejects.version == 0
    assert rejects.rows_by_partition == {"2024-01-01": 2}
    assert {outcome.metadata["n_out_of_range"] for outcome in outcomes} == {1}
    # Nothing is lost: 3 days, 2 rejects, 1 row of another year.
    n_rows = lake.snapshot("tiny/raw/readings").n_rows
    assert n_rows + rejects.n_rows + 1 == outcomes[0].metadata["n_source_rows"] == 3 * ROWS_PER_DAY + 3


def test_rejects_follow_a_source_that_changed(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=2)
    append(tmp_path, "oops,m1,2024-01-01T00:00:00Z,1,1,true")
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(pipeline, scope(0), lake, engine), "readings")
    append(tmp_path, "again,m1,2024-01-02T00:00:00Z,1,1,true")
    materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    found = [row["raw_text"] for row in lake.read("tiny/raw_rejects/readings").to_pylist()]
    assert [str(text).split(",")[0] for text in found] == ["oops", "again"]


@pytest.mark.parametrize("has_changed", [True, False], ids=["another content", "the same content"])
@pytest.mark.parametrize("first_day", [-3, 1, 2], ids=["earlier", "later", "much later"])
def test_rejects_stand_once_when_the_first_partition_moves(
    tmp_path: Path, first_day: int, has_changed: bool
) -> None:
    write_sources(tmp_path, n_days=3)
    append(tmp_path, "oops,m1,2024-01-01T00:00:00Z,1,1,true")
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    for day in (0, 2):
        materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings")
    start = pipeline.spec.partitions.start + timedelta(days=first_day)
    partitions = pipeline.spec.partitions.model_copy(update={"start": start})
    moved = replace(pipeline, spec=pipeline.spec.model_copy(update={"partitions": partitions}))
    if has_changed:
        append(tmp_path, "again,m1,2024-01-02T00:00:00Z,1,1,true")
    for _ in range(2):
        materialize_raw(StageRun(moved, scope(2), lake, engine), "readings")
        rejects = lake.snapshot("tiny/raw_rejects/readings")
        assert rejects.rows_by_partition == {start.date().isoformat(): 1 + has_changed}
        assert rejects.version == 1
    found = [str(row["raw_text"]) for row in lake.read("tiny/raw_rejects/readings").to_pylist()]
    assert sorted(text.split(",")[0] for text in found) == (["again", "oops"] if has_changed else ["oops"])


def declared(folder: Path, **changes: object) -> Pipeline:
    """Return the tiny pipeline with another declaration of its readings, in New York."""
    pipeline = tiny_pipeline(folder)
    readings = {**pipeline.spec.model_dump()["datasets"]["readings"], "expectations": (), **changes}
    spec = pipeline.spec.model_copy(
        update={
            "datasets": {"readings": DatasetSpec.model_validate(readings)},
            "partitions": pipeline.spec.partitions.model_copy(update={"timezone": "America/New_York"}),
        }
    )
    return replace(pipeline, spec=spec)


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_tz", "date"])
def test_times_without_zone_belong_to_the_partition_of_their_wall_clock(tmp_path: Path, kind: str) -> None:
    late = "2024-01-01" if kind == "date" else "2024-01-01 23:30:00"
    (tmp_path / "r.csv").write_text(f"id,at\n1,{late}\n2,2024-01-02\n3,2023-12-31\n")
    pipeline = declared(
        tmp_path,
        source={"type": "csv", "path": "r.csv"},
        columns={"id": "int", "at": kind},
        event_time="at",
        key=["id"],
    )
    lake, engine = lake_and_engine(tmp_path)
    first = Scope(partitioning(pipeline.spec.partitions).window("2024-01-01"), "run", CLOCK)
    outcome = materialize_raw(StageRun(pipeline, first, lake, engine), "readings")
    assert lake.read("tiny/raw/readings")["id"].to_pylist() == [1]
    assert outcome.metadata["n_out_of_range"] == 1


def test_a_row_of_another_partition_in_a_partitions_file_is_a_reject(tmp_path: Path) -> None:
    rows = "".join(f"{number},2024-01-01T12:00:00\n" for number in range(200))
    (tmp_path / "2024-01-01.csv").write_text("id,at\n" + rows + "200,2024-01-02T12:00:00\n")
    pipeline = declared(
        tmp_path,
        source={"type": "csv", "path": "{partition}.csv", "mode": "incremental"},
        columns={"id": "int", "at": "timestamp_tz"},
        event_time="at",
        key=["id"],
    )
    lake, engine = lake_and_engine(tmp_path)
    first = Scope(partitioning(pipeline.spec.partitions).window("2024-01-01"), "run", CLOCK)
    outcome = materialize_raw(StageRun(pipeline, first, lake, engine), "readings")
    (reject,) = lake.read("tiny/raw_rejects/readings").to_pylist()
    assert outcome.metadata["n_rows"] == 200
    assert reject["reason"] == "at: not in partition 2024-01-01"
    assert '"id":200' in str(reject["raw_text"])


def test_a_reference_table_is_read_again_when_it_is_declared_otherwise(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    pipeline = tiny_pipeline(tmp_path)
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    machines = pipeline.spec.datasets["machines"]
    source = machines.source.model_copy(update={"null_values": ("", "3")})
    datasets = {**pipeline.spec.datasets, "machines": machines.model_copy(update={"source": source})}
    changed = replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))
    materialize_raw(StageRun(changed, scope(None), lake, engine), "machines")
    assert lake.read("tiny/raw/machines")["age"].to_pylist() == [0, 1, 2, None, 4]


def test_a_partitioned_dataset_needs_a_partition(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    lake, engine = lake_and_engine(tmp_path)
    with pytest.raises(ReadError, match="'readings' is partitioned: run it for a partition"):
        materialize_raw(StageRun(tiny_pipeline(tmp_path), scope(None), lake, engine), "readings")


def test_utf_16_is_read_by_its_mark(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    (tmp_path / "machines.csv").write_text("machine,age\nCafé,1\n", encoding="utf-16")
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(tiny_pipeline(tmp_path), scope(None), lake, engine), "machines")
    assert lake.read("tiny/raw/machines").to_pylist() == [{"machine": "Café", "age": 1}]
    assert not list((tmp_path / "spill").iterdir())


def test_a_declared_encoding_is_read(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    (tmp_path / "machines.csv").write_bytes("machine,age\nZürich €,3\n".encode("windows-1252"))
    pipeline = tiny_pipeline(tmp_path)
    machines = pipeline.spec.datasets["machines"]
    source = machines.source.model_copy(update={"encoding": "windows-1252"})
    datasets = {**pipeline.spec.datasets, "machines": machines.model_copy(update={"source": source})}
    spec = pipeline.spec.model_copy(update={"datasets": datasets})
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(replace(pipeline, spec=spec), scope(None), lake, engine), "machines")
    assert lake.read("tiny/raw/machines")["machine"].to_pylist() == ["Zürich €"]


def python_pipeline(
    folder: Path, code: str, dataset: str = "readings", *, max_rejected_share: float = 0.01
) -> Pipeline:
    """Return the tiny pipeline with one dataset made by code."""
    pipeline = tiny_pipeline(folder)
    (folder / "made.py").write_text(code)
    source = PythonSourceSpec(type="python", path="made.py", max_rejected_share=max_rejected_share)
    changed = pipeline.spec.datasets[dataset].model_copy(update={"source": source})
    datasets = {**pipeline.spec.datasets, dataset: changed}
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))


READINGS = """\
from datetime import timedelta
import pyarrow as pa

def read(start, end):
    at = [start, start + timedelta(hours=23), {extra}]
    n = len(at)
    return pa.table({{"id": range(n), "machine": ["m1"] * n, "taken_at": at, "heat": ["1", "2.5", "hot"],
                      "load": [0] * n, "failed": [True] * n, "unused": [None] * n}})
"""


def test_code_is_typed_and_rejected_like_any_source(tmp_path: Path) -> None:
    code = READINGS.format(extra="start + timedelta(hours=1)")
    pipeline = python_pipeline(tmp_path, code, max_rejected_share=0.5)
    lake, engine = lake_and_engine(tmp_path)
    outcome = materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    assert (outcome.metadata["n_rows"], outcome.metadata["n_rejected"]) == (2, 1)
    rows = lake.read("tiny/raw/readings")
    assert rows.schema.field("heat").type == pa.float64()
    assert rows["heat"].to_pylist() == [1.0, 2.5]
    (reject,) = lake.read("tiny/raw_rejects/readings").to_pylist()
    assert reject["reason"] == "heat: not a number: hot"
    assert list((tmp_path / "spill").iterdir()) == []


def test_code_that_gives_rows_of_another_partition_is_refused(tmp_path: Path) -> None:
    pipeline = python_pipeline(tmp_path, READINGS.format(extra="end").replace("hot", "3"))
    lake, engine = lake_and_engine(tmp_path)
    with pytest.raises(ReadError, match=r"1 of 3 rows of made.py cannot be read"):
        materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    assert not lake.has("tiny/raw/readings")


def test_a_table_made_by_code_is_committed_when_its_rows_changed(tmp_path: Path) -> None:
    code = """\
from pathlib import Path
import pyarrow as pa

def read(start, end):
    assert start is end is None
    return pa.table({"machine": ["m0"], "age": [int(Path(__file__).with_name("age.txt").read_text())]})
"""
    pipeline = python_pipeline(tmp_path, code, "machines")
    lake, engine = lake_and_engine(tmp_path)
    for age, version in ((1, 0), (1, 0), (2, 1)):
        (tmp_path / "age.txt").write_text(str(age))
        materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
        assert versions(lake) == version


def test_a_load_made_by_code_is_the_next_when_its_rows_changed(tmp_path: Path) -> None:
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "load"},
            "datasets": {
                "all": {
                    "source": {"type": "python", "path": "made.py"},
                    "columns": {"n": "int"},
                    "event_time": "load_time",
                    "key": ["row_number"],
                }
            },
        }
    )
    pipeline = Pipeline("loads", spec, str(tmp_path), {}, "hash")
    lake, engine = lake_and_engine(tmp_path)
    found = []
    for n in (1, 1, 2):
        (tmp_path / "made.py").write_text(
            f"import pyarrow as pa\ndef read(start, end):\n    return pa.table({{'n': [{n}]}})\n"
        )
        window = load_to_read(pipeline, lake, scratch=tmp_path / "spill")
        found.append(window.key)
        materialize_raw(StageRun(pipeline, Scope(window, "run", CLOCK), lake, engine), "all")
    assert found == ["load-000001", "load-000001", "load-000002"]


def test_a_new_state_is_not_written_over_the_load_it_was_before(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("n\n1\n")
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "load"},
            "datasets": {
                "all": {
                    "source": {"type": "csv", "path": "n.csv"},
                    "columns": {"n": "int"},
                    "event_time": "load_time",
                    "key": ["row_number"],
                }
            },
        }
    )
    pipeline = Pipeline("loads", spec, str(tmp_path), {}, "hash")
    lake, engine = lake_and_engine(tmp_path)
    first = load_to_read(pipeline, lake, scratch=tmp_path / "spill")
    for _ in range(2):
        materialize_raw(StageRun(pipeline, Scope(first, "run", CLOCK), lake, engine), "all")
    (tmp_path / "n.csv").write_text("n\n2\n")
    with pytest.raises(
        ReadError, match=r"changed after it was found to be load-000001, unchanged.*next load"
    ):
        materialize_raw(StageRun(pipeline, Scope(first, "run", CLOCK), lake, engine), "all")
    assert lake.read("loads/raw/all")["n"].to_pylist() == [1]
    second = load_to_read(pipeline, lake, scratch=tmp_path / "spill")
    materialize_raw(StageRun(pipeline, Scope(second, "run", CLOCK), lake, engine), "all")
    assert second.key == "load-000002"
