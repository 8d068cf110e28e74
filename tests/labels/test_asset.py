"""Labels that arrive late, or are corrected, are written again: the same in whatever order partitions are run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest

from assets.labels.asset import materialize_labels
from assets.materialization import Outcome, Scope, StageRun
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from tests.fixtures.tiny import lake_and_engine

START = datetime(2024, 1, 1, tzinfo=UTC)

DECLARATION = {
    "partitions": {"every": "day", "start": "2024-01-01"},
    "datasets": {
        "payments": {
            "source": {"type": "csv", "path": "payments.csv"},
            "columns": {"id": "int", "paid_at": "timestamp_tz"},
            "event_time": "paid_at",
        },
        "reports": {
            "source": {"type": "csv", "path": "reports.csv"},
            "columns": {"id": "int", "reported_at": "timestamp_tz", "is_fraud": "boolean"},
            "event_time": "reported_at",
        },
    },
    "queries": {"judged": "judged.sql"},
    "target": {
        "dataset": "judged",
        "event_time": "paid_at",
        "key": ["id"],
        "prediction_time": "paid_at",
        "label": "is_fraud",
        "label_time": "reported_at",
        "label_delay": "2d",
        "problem": "binary",
    },
}

# The last word counts: a report may be corrected.
JUDGED = """\
SELECT p.*, r.is_fraud, r.reported_at FROM payments AS p LEFT JOIN (
  SELECT id, arg_max(is_fraud, reported_at) AS is_fraud, max(reported_at) AS reported_at FROM reports GROUP BY id
) AS r USING (id)
"""


def at(day: int, hour: int = 12) -> datetime:
    """Return an hour of the n-th day."""
    return START + timedelta(days=day, hours=hour)


# One payment a day, with its day as id; reports: id, when, what.
REPORTS = [
    (0, at(1), True),
    (1, at(3), False),
    # Corrected within the delay.
    (0, at(2), False),
    # Three days after its payment: beyond the delay.
    (2, at(5), True),
]


@pytest.fixture
def late() -> Pipeline:
    return Pipeline("late", PipelineSpec.model_validate(DECLARATION), "", {"judged.sql": JUDGED}, "hash")


def arrive(lake: Lake, day: int) -> None:
    """Write what arrives on a day."""
    key = at(day).date().isoformat()
    instant = pa.timestamp("us", tz="UTC")
    payments = pa.table({"id": pa.array([day], pa.int64()), "paid_at": pa.array([at(day)], instant)})
    reports = [report for report in REPORTS if report[1].date() == at(day).date()]
    columns = list(zip(*reports, strict=True)) or [(), (), ()]
    said = pa.table(
        {
            "id": pa.array(columns[0], pa.int64()),
            "reported_at": pa.array(columns[1], instant),
            "is_fraud": pa.array(columns[2], pa.bool_()),
        }
    )
    lake.write("late/profiled/payments", payments, partition=key)
    lake.write("late/profiled/reports", said, partition=key)


def run(pipeline: Pipeline, day: int, lake: Lake, engine: Engine) -> Outcome:
    """Write the labels of a day on which its data has arrived."""
    arrive(lake, day)
    found = partitioning(pipeline.spec.partitions).window(at(day).date().isoformat())
    return materialize_labels(StageRun(pipeline, Scope(found, "run", found.end), lake, engine))


def labels(lake: Lake) -> list[int | None]:
    """Return the labels by payment."""
    rows = sorted(lake.read("late/labels").to_pylist(), key=lambda row: row["id"])
    return [row["label"] for row in rows]


def test_labels_come_with_the_days_after(tmp_path: Path, late: Pipeline) -> None:
    lake, engine = lake_and_engine(tmp_path)
    expected = [
        ([None], None),
        ([1, None], "2024-01-01"),
        # The correction of the first.
        ([0, None, None], "2024-01-01"),
        ([0, 0, None, None], "2024-01-02"),
        ([0, 0, None, None, None], None),
        # The report on the third came too late.
        ([0, 0, None, None, None, None], None),
    ]
    for day, (wanted, written_again) in enumerate(expected):
        outcome = run(late, day, lake, engine)
        assert labels(lake) == wanted
        assert outcome.metadata["written_again"] == written_again


def test_only_changed_partitions_are_committed(tmp_path: Path, late: Pipeline) -> None:
    lake, engine = lake_and_engine(tmp_path)
    versions = []
    for day in range(5):
        run(late, day, lake, engine)
        versions.append(lake.snapshot("late/labels").version)
    # One commit a day for its own labels, one more where an earlier day's changed: on the second to fourth day.
    assert versions == [0, 2, 4, 6, 7]


def test_a_label_time_is_when_it_was_known(tmp_path: Path, late: Pipeline) -> None:
    lake, engine = lake_and_engine(tmp_path)
    for day in range(4):
        run(late, day, lake, engine)
    rows = sorted(lake.read("late/labels").to_pylist(), key=lambda row: row["id"])
    assert [row["label_time"] for row in rows] == [at(2), at(3), None, None]


ORDERS = [*permutations(range(3)), (0, 1, 2, 0), (0, 1, 2, 1, 0)]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(map(str, order)))
def test_the_order_of_runs_does_not_matter(tmp_path: Path, late: Pipeline, order: Sequence[int]) -> None:
    lake, engine = lake_and_engine(tmp_path)
    for day in order:
        run(late, day, lake, engine)
    assert labels(lake) == [0, None, None]


def test_without_a_delay_labels_are_those_of_their_own_day(tmp_path: Path, late: Pipeline) -> None:
    target = late.spec.learned.model_copy(update={"label_delay": timedelta(0)})
    prompt = Pipeline("late", late.spec.model_copy(update={"target": target}), "", late.sql, "hash")
    lake, engine = lake_and_engine(tmp_path)
    for day in (0, 1, 2, 0):
        outcome = run(prompt, day, lake, engine)
        assert outcome.metadata["written_again"] is None
    assert labels(lake) == [None, None, None]
