"""The profiled stage on a temporary lake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.materialization import Outcome, Scope, StageRun
from assets.profiled.asset import materialize_profiled
from declaration.datasets import DatasetSpec, ExpectationSpec
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from declaration.pipeline import Pipeline
from declaration.sources.text import CsvSourceSpec
from declaration.spec import PipelineSpec
from declaration.target import TargetSpec
from expectations import ExpectationError, expectation_names
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from resources.validation import Validation

PARTITIONS = PartitionsSpec(every="day", start=datetime(2024, 1, 1))
SCHEMA = pa.schema(
    [("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC")), ("heat", pa.float64()), ("name", pa.string())]
)
IN_RANGE = ExpectationSpec(
    expect="column_values_to_be_between", column="heat", min_value=0, max_value=100, on_failure="quarantine"
)
NAMED = ExpectationSpec(
    expect="column_values_to_not_be_null", column="name", mostly=0.5, on_failure="quarantine"
)
ENOUGH = ExpectationSpec(expect="table_row_count_to_be_between", min_value=3, on_failure="block")


class House:
    """A lake, an engine and a pipeline of one dataset."""

    def __init__(self, folder: Path, *rules: ExpectationSpec, is_partitioned: bool = True) -> None:
        self.lake = Lake(root=str(folder / "lake"))
        self.engine = Engine(spill_directory=str(folder / "spill"), directories=[self.lake.root], threads=1)
        self.rules = rules
        dataset = DatasetSpec(
            source=CsvSourceSpec(type="csv", path="unused.csv"),
            columns={"id": "int", "at": "timestamp_tz", "heat": "float", "name": "string"},
            event_time="at" if is_partitioned else None,
            key=("id",),
            expectations=rules,
        )
        target = TargetSpec(
            dataset="readings", prediction_time="at", label="heat > 1", label_time="at", problem="binary"
        )
        spec = PipelineSpec(partitions=PARTITIONS, datasets={"readings": dataset}, target=target)
        self.pipeline = Pipeline("plant", spec, str(folder), {}, "hash")

    def arrive(self, rows: list[tuple[Any, ...]], day: int = 1, *, partition: bool = True) -> None:
        at = datetime(2024, 1, day, 12, tzinfo=UTC)
        columns = {
            "id": [r[0] for r in rows],
            "at": [at] * len(rows),
            "heat": [r[1] for r in rows],
            "name": [r[2] for r in rows],
        }
        table = pa.table(columns, schema=SCHEMA)
        self.lake.write("plant/raw/readings", table, partition=f"2024-01-{day:02}" if partition else None)

    def check(self, day: int | None = 1) -> Outcome:
        part = partitioning(PARTITIONS).window(f"2024-01-{day:02}") if day else None
        scope = Scope(part, run_id="run", clock=datetime(2024, 2, 1, tzinfo=UTC))
        return materialize_profiled(
            StageRun(self.pipeline, scope, self.lake, self.engine), "readings", validation=Validation()
        )

    def rows(self, stage: str) -> list[dict[str, Any]]:
        return sorted(self.lake.read(f"plant/{stage}/readings").to_pylist(), key=str)


ROWS = [(1, 20.0, "a"), (2, 300.0, "a"), (3, None, None), (4, float("nan"), "b")]


def test_good_rows_go_on_and_bad_ones_are_set_aside(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, NAMED, ENOUGH)
    house.arrive(ROWS)
    outcome = house.check()
    assert [row["id"] for row in house.rows("profiled")] == [1, 4]
    assert {row["id"]: row["broken_rules"] for row in house.rows("quarantine")} == {
        2: ["column_values_to_be_between__heat"],
        3: ["column_values_to_not_be_null__name"],
    }
    assert outcome.data_version == "plant/profiled/readings@0"
    assert outcome.metadata["n_rows"] == 2
    assert outcome.metadata["n_rows_read"] == 4
    assert outcome.metadata["n_quarantined"] == 2
    assert outcome.metadata["reads"] == "plant/raw/readings@0"
    assert outcome.metadata["is_blocked"] is False


def test_checks_are_named_as_the_compiler_declares_them_and_judge_all_rows_read(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, NAMED, ENOUGH)
    house.arrive(ROWS)
    checks = house.check().checks
    assert tuple(check.name for check in checks) == expectation_names(house.rules)
    assert [check.is_passed for check in checks] == [False, True, True]
    assert checks[0].description == "1 of 2 rows broke it."
    assert checks[0].metadata["evaluated_by"] == "one scan"


def test_a_blocking_failure_writes_no_rows_and_is_critical(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, ENOUGH)
    house.arrive(ROWS)
    house.check()
    before = repr(house.rows("profiled"))  # NaN equals nothing
    house.arrive([(9, 1.0, "a")])
    outcome = house.check()
    assert repr(house.rows("profiled")) == before
    assert outcome.metadata["is_blocked"] is True
    assert outcome.metadata["blocked_by"] == "table_row_count_to_be_between"
    assert outcome.data_version == "blocked:plant/raw/readings@1"
    assert [(check.is_passed, check.severity) for check in outcome.checks] == [
        (True, "warning"),
        (False, "critical"),
    ]
    assert {row["is_blocked"] for row in house.rows("quality")} == {True}


def test_the_same_partition_again_gives_the_same_tables(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, NAMED)
    house.arrive(ROWS)
    house.check()
    tables = ("profiled", "quarantine", "profiles", "quality")
    before = {stage: house.rows(stage) for stage in tables}
    house.check()
    assert repr({stage: house.rows(stage) for stage in tables}) == repr(before)


def test_rows_that_are_good_again_leave_quarantine(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE)
    house.arrive(ROWS)
    house.check()
    house.arrive([(2, 30.0, "a")])
    house.check()
    assert house.rows("quarantine") == []
    assert [row["id"] for row in house.rows("profiled")] == [2]


def test_partitions_stay_apart_and_the_page_compares_with_earlier_ones(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE)
    house.arrive(ROWS, day=1)
    house.arrive([(5, 50.0, "c")], day=2)
    first, second = house.check(1), house.check(2)
    assert len(house.rows("profiled")) == 4
    assert {row["partition"] for row in house.rows("quality")} == {"2024-01-01", "2024-01-02"}
    assert "earlier partitions" not in first.markdown["profile"]
    assert "earlier partitions" in second.markdown["profile"]
    assert house.check(1).markdown["profile"] == first.markdown["profile"]


def test_the_profile_is_of_the_rows_that_passed(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE)
    house.arrive(ROWS)
    house.check()
    heat = next(row for row in house.rows("profiles") if row["column"] == "heat")
    assert (heat["n_rows"], heat["n_null"], heat["n_nan"], heat["mean"]) == (3, 1, 1, 20.0)


def test_quality_counts_all_rows_read(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE)
    house.arrive([*ROWS, (4, 1.0, "b")])
    metadata = house.check().metadata
    assert metadata["quality_completeness"] == 17 / 20
    assert metadata["quality_uniqueness"] == 4 / 5
    assert metadata["quality_validity"] == pytest.approx(2 / 3)
    assert metadata["quality_timeliness"] == 0.5  # noon of one day
    assert "quality_consistency" not in metadata


def test_rejected_rows_lower_validity(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.arrive(ROWS)
    rejects = pa.table(
        {"source": ["readings.csv"], "line": [7], "raw_text": ["x"], "reason": ["not a number"]}
    )
    house.lake.write("plant/raw_rejects/readings", rejects, partition="2024-01-01")
    outcome = house.check()
    assert outcome.metadata["n_rejected"] == 1
    assert outcome.metadata["quality_validity"] == 0.8


def test_an_empty_partition_has_empty_tables_and_no_score(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, NAMED)
    house.arrive([], day=1)
    outcome = house.check()
    assert outcome.metadata["n_rows"] == 0
    assert house.rows("profiled") == []
    assert house.lake.snapshot("plant/profiled/readings").schema.names == SCHEMA.names
    assert all(check.is_passed for check in outcome.checks)


def test_reference_tables_have_no_partitions(tmp_path: Path) -> None:
    house = House(tmp_path, IN_RANGE, is_partitioned=False)
    house.arrive(ROWS, partition=False)
    outcome = house.check(None)
    assert outcome.metadata["n_rows"] == 3
    assert "quality_timeliness" not in outcome.metadata


def test_a_rule_that_cannot_be_evaluated_is_no_failure_of_the_data(tmp_path: Path) -> None:
    house = House(tmp_path, ExpectationSpec(expect="column_mean_to_be_between", column="name", min_value=1))
    house.arrive(ROWS)
    outcome = house.check()
    assert outcome.metadata["n_expectations_unevaluated"] == 1
    assert outcome.metadata["n_expectations_failed"] == 0
    assert "an error of the rule, not of the data" in outcome.checks[0].description
    assert "quality_validity" not in outcome.metadata


def test_a_blocking_rule_that_cannot_be_evaluated_stops_the_stage(tmp_path: Path) -> None:
    rule = ExpectationSpec(expect="column_mean_to_be_between", column="name", min_value=1, on_failure="block")
    house = House(tmp_path, rule)
    house.arrive(ROWS)
    with pytest.raises(ExpectationError, match="'column_mean_to_be_between__name' could not be evaluated"):
        house.check()
    assert not house.lake.has("plant/profiled/readings")
