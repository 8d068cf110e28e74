"""The realised metric by the values of a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from drift.performance.realised import ScoredRows
from drift.performance.slices import MAX_VALUES, SlicedRows, measure_slices
from learning.metrics import Scored, metric_value
from tests.fixtures.drift_world import FEATURES, INSTANT, World, risk, table_of

HOUR_US = 3_600_000_000
LABELLED = ("row_id", "event_timestamp", "label", "request__carrier")


def sliced_rows(values: list[str | None], labels: np.ndarray, scores: np.ndarray) -> SlicedRows:
    """Return rows of one slice, an hour apart."""
    times = np.arange(labels.size, dtype=np.int64) * HOUR_US
    rows = ScoredRows(Scored(labels.astype(float), scores), times)
    return SlicedRows(rows, {"carrier": pa.chunked_array([pa.array(values, pa.string())])})


def test_each_value_has_the_metric_of_its_rows_and_few_rows_are_not_judged() -> None:
    draw = np.random.default_rng(0)
    values = ["AA"] * 400 + ["B6"] * 300 + [None] * 250 + ["WN"] * 50
    order = draw.permutation(1_000)
    labels, scores = draw.integers(0, 2, 1_000), draw.random(1_000)
    sliced = sliced_rows([values[i] for i in order], labels, scores)
    found = measure_slices("accuracy", sliced, seed=0, min_rows=100)
    assert [(one.value, one.realised.n) for one in found] == [
        ("AA", 400),
        ("B6", 300),
        (None, 250),
        ("WN", 50),
    ]
    is_b6 = np.array([values[i] == "B6" for i in order])
    assert found[1].realised.value == pytest.approx(((scores >= 0.5) == labels)[is_b6].mean())
    for one in found[:3]:
        assert one.realised.low is not None
        assert one.realised.value is not None
        assert one.realised.low < one.realised.value
    assert found[3].realised.value is None
    assert found[3].realised.reason == "50 labelled rows, drift.min_slice_rows is 100"


def test_a_class_never_seen_counts_in_its_slice_alone() -> None:
    values, labels = ["AA", "B6"] * 100, np.array([0, 1] * 50 + [0, 2] * 50)
    sliced = sliced_rows(list(values), labels, np.tile([[0.6, 0.4], [0.3, 0.7]], (100, 1)))
    aa, b6 = (one.realised for one in measure_slices("accuracy", sliced, seed=0, min_rows=50))
    assert (aa.value, aa.n_unseen) == (1.0, 0)
    assert (b6.value, b6.n_unseen) == (0.5, 50)
    few = measure_slices("accuracy", sliced, seed=0, min_rows=101)[1].realised
    assert (few.value, few.n_unseen) == (None, 50)


def test_a_value_of_one_class_says_that_its_ranking_is_undefined() -> None:
    labels = np.array([1] * 20 + [0, 1] * 10)
    sliced = sliced_rows(["AA"] * 20 + ["B6"] * 20, labels, np.linspace(0, 1, 40))
    found = measure_slices("roc_auc", sliced, seed=0, min_rows=10)
    assert found[0].realised.value is None
    assert "roc_auc is undefined on 20 rows" in found[0].realised.reason
    assert found[1].realised.value is not None


def test_only_the_most_frequent_values_are_measured() -> None:
    values = [f"v{i:02d}" for i in range(30) for _ in range(30 - i)]
    n = len(values)
    found = measure_slices("accuracy", sliced_rows(values, np.zeros(n), np.zeros(n)), seed=0, min_rows=1_000)
    assert [one.value for one in found] == [f"v{i:02d}" for i in range(MAX_VALUES)]


def test_a_report_tells_a_bad_carrier_apart(world: World) -> None:
    def turned(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
        is_ua = columns["carrier__code"] == "UA"
        columns["logit"] = np.where(is_ua, -risk(columns) - 2.0, risk(columns))

    declared = world.declare(
        drift={"slices": ["carrier"], "min_slice_rows": 150},
        target={**world.pipeline.spec.learned.model_dump(), "request_features": {"carrier": "carrier"}},
    )
    columns = world.month("2013-07-01", turned)
    names = ("row_id", "event_timestamp", "score", *FEATURES)
    predictions = table_of(columns, names).append_column(
        "model_version", pa.array(np.ones(world.n_rows, dtype=np.int32))
    )
    labels = table_of({**columns, "request__carrier": columns["carrier__code"]}, LABELLED).append_column(
        "label_time", pa.array(columns["event_timestamp"] + 3_600_000_000).cast(INSTANT)
    )
    world.lake.write(world.pipeline.table("predictions"), predictions, partition="2013-07-01")
    world.lake.write(world.pipeline.table("labels"), labels, partition="2013-07-01")
    outcome = world.report("2013-07-01", declared)
    table = world.lake.read(world.pipeline.table("slice_performance")).to_pylist()
    found = {row["value"]: row for row in table}
    assert [row["value"] for row in table] == ["UA", "B6", "AA", "WN"]
    is_ua = columns["carrier__code"] == "UA"
    scored = Scored(columns["label"][is_ua].astype(float), columns["score"][is_ua])
    assert found["UA"]["realised"] == pytest.approx(metric_value("roc_auc", scored))
    assert found["UA"]["realised_high"] < found["B6"]["realised_low"]
    assert "Performance by slice" in Path(str(outcome.metadata["report"])).read_text()
