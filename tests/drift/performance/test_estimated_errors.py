"""Errors of a regression estimated without labels."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from declaration.model import Metric
from drift.performance.estimated_errors import MIN_ROWS, HeldOut, estimate_errors
from drift.performance.labelled_rows import read_held_out, read_predicted
from drift.performance.realised import Measurement, ScoredRows
from learning.metrics import Scored, metric_value

DAY_US = 86_400_000_000
NAMES = ("f__x", "f__noise", "f__kind", "score")


def predicted(draw: np.random.Generator, n: int, *, hard_share: float = 0.3) -> HeldOut:
    """Draw a month of predictions; errors grow with x, and are 2.5 times as large for kind b."""
    x, noise = draw.normal(size=n), draw.normal(size=n)
    kind = draw.choice(np.array(["a", "b", "c"]), n, p=[0.9 - hard_share, hard_share, 0.1])
    scores = 2 * x + noise
    labels = scores + np.exp(0.5 * x) * np.where(kind == "b", 2.5, 1.0) * draw.normal(size=n)
    times = np.sort(draw.integers(0, 30 * DAY_US, n))
    instants = pa.array(times, pa.timestamp("us", tz="UTC"))
    columns = {"f__x": x, "f__noise": noise, "f__kind": kind, "score": scores, "event_timestamp": instants}
    return HeldOut(ScoredRows(Scored(labels, scores), times), pa.table(columns))


def estimate(metric: Metric, holdout: HeldOut, now: HeldOut) -> Measurement:
    """Estimate a window that comes in two batches."""
    half = now.features.num_rows // 2
    return estimate_errors(
        metric, holdout, [now.features.slice(0, half), now.features.slice(half)], NAMES, seed=0
    )


@pytest.mark.long
@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_harder_cases_are_estimated_at_the_errors_they_will_have(metric: Metric) -> None:
    errors, naive, covered = [], [], 0
    for seed in range(8):
        draw = np.random.default_rng(seed)
        holdout, now = predicted(draw, 3_000), predicted(draw, 3_000, hard_share=0.8)
        found, realised = estimate(metric, holdout, now), metric_value(metric, now.rows.scored)
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        errors.append(abs(found.value - realised))
        naive.append(abs(metric_value(metric, holdout.rows.scored) - realised))
        covered += found.low <= realised <= found.high
    assert np.mean(errors) < 0.2 * np.mean(naive)
    # 95 % of 8, less two standard errors.
    assert covered >= 6


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_a_window_like_the_holdout_is_estimated_at_the_holdouts_errors(metric: Metric) -> None:
    draw = np.random.default_rng(11)
    holdout = predicted(draw, 4_000)
    found = estimate(metric, holdout, predicted(draw, 4_000))
    assert found.value == pytest.approx(metric_value(metric, holdout.rows.scored), rel=0.05)


def test_the_estimate_has_the_labels_unit() -> None:
    draw = np.random.default_rng(12)
    holdout, now = predicted(draw, 1_000), predicted(draw, 500)
    scored = holdout.rows.scored
    times_thousand = HeldOut(
        ScoredRows(Scored(scored.labels * 1_000, scored.scores * 1_000), holdout.rows.event_time_us),
        holdout.features,
    )
    one, thousand = estimate("rmse", holdout, now), estimate("rmse", times_thousand, now)
    assert one.value is not None
    assert thousand.value == pytest.approx(1_000 * one.value, rel=1e-6)


def test_what_cannot_be_estimated_says_so_and_has_no_value() -> None:
    draw = np.random.default_rng(13)
    holdout, now = predicted(draw, 600), predicted(draw, 10)
    scores = holdout.rows.scored.scores
    faultless = HeldOut(ScoredRows(Scored(scores, scores), holdout.rows.event_time_us), holdout.features)
    few = predicted(draw, MIN_ROWS - 1)
    for found, reason in (
        (estimate("r2", holdout, now), "r2 needs the spread of the labels"),
        (estimate("mae", few, now), "the holdout has 399 rows, 400 are needed"),
        (estimate("mae", faultless, now), "the holdout was predicted without error"),
        (estimate_errors("mae", holdout, [], NAMES, seed=0), "no rows were scored"),
    ):
        assert found.value is None
        assert found.reason == f"not estimated: {reason}"


def test_missing_and_empty_features_are_no_obstacle() -> None:
    draw = np.random.default_rng(14)
    holdout, now = predicted(draw, 800), predicted(draw, 200)
    gaps = pa.array(np.where(np.arange(800) < 700, np.nan, 1.0), from_pandas=True)
    features = holdout.features.set_column(0, "f__x", gaps).set_column(
        1, "f__noise", pa.nulls(800, pa.float64())
    )
    assert estimate("mae", HeldOut(holdout.rows, features), now).is_known


def test_the_holdout_is_read_with_its_features_in_order_of_time() -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("""CREATE TABLE held AS FROM (VALUES
            ('b', TIMESTAMPTZ '2020-01-02 00:00:00Z', 2.0, 2.5), ('a', TIMESTAMPTZ '2020-01-01 00:00:00Z', 1.0, 0.5)
        ) AS t(row_id, event_timestamp, label, score)""")
        # The key 'a' came in an earlier partition too, with another kind.
        connection.execute("""CREATE TABLE learned AS FROM (VALUES
            ('a', TIMESTAMPTZ '2019-01-01 00:00:00Z', 'w'), ('a', TIMESTAMPTZ '2020-01-01 00:00:00Z', 'x'),
            ('b', TIMESTAMPTZ '2020-01-02 00:00:00Z', 'y'), ('c', TIMESTAMPTZ '2020-01-03 00:00:00Z', 'z')
        ) AS t(row_id, event_timestamp, f__kind)""")
        found = read_held_out(connection, "held", "learned", ["f__kind"])
        connection.execute(
            """CREATE TABLE said AS SELECT h.*, l.f__kind FROM held h JOIN learned l USING (row_id, event_timestamp)"""
        )
        batches = list(read_predicted(connection, "said", ["f__kind"]))
    assert found.rows.scored.labels.tolist() == [1.0, 2.0]
    assert found.features["f__kind"].to_pylist() == ["x", "y"]
    assert found.rows.event_time_us[1] - found.rows.event_time_us[0] == DAY_US
    assert batches[0].column_names == ["event_timestamp", "score", "f__kind"]
    assert sum(batch.num_rows for batch in batches) == 2
