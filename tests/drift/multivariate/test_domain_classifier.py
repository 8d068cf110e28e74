"""All features together: what no single column shows is found, and nothing is found where nothing changed."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from declaration.types import Sensitivity
from drift.columns.findings import EFFECT_GATES
from drift.multivariate.domain_classifier import (
    AUC_GATES,
    N_FOLDS,
    DomainClassification,
    Sample,
    _areas,
    _task,
    _tell,
    reference_auc,
    separate,
)
from drift.multivariate.judge import KeyedRows, read_sample
from drift.wording import multivariate_text

DAY_US = 86_400_000_000
NAMES = ("a", "b", "c", "kind")
SHIFTS: dict[Sensitivity, float] = {"low": 0.5, "medium": 0.25, "high": 0.125}


def sample(
    seed: int,
    n: int,
    *,
    start: int = 0,
    n_days: int = 60,
    n_parts: int = 1,
    correlation: float = 0.0,
    part_spread: float = 0.0,
    day_spread: float = 0.0,
) -> Sample:
    """Draw three numbers and a category; `correlation` ties `b` to `a` and leaves each as it was.

    With a `day_spread` all rows of a day share one value of `c`.
    """
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, n_days, n))
    part = day * n_parts // n_days
    a, b, c = draw.normal(size=(3, n))
    columns = {
        "a": a,
        "b": correlation * a + np.sqrt(1 - correlation**2) * b,
        "c": c * (day_spread == 0)
        + draw.normal(0, part_spread, n_parts)[part]
        + draw.normal(0, day_spread, n_days)[day],
        "kind": np.array(["x", "y", "z"])[draw.integers(0, 3, n)],
    }
    parts = np.array([f"p{number}" for number in part])
    return Sample(pa.table(columns), (start + day) * DAY_US + draw.integers(0, DAY_US, n), parts)


def told(
    reference: Sample,
    current: Sample,
    sensitivity: Sensitivity = "high",
    *,
    seed: int = 0,
    min_rows: int = 300,
) -> DomainClassification:
    """Tell two windows apart."""
    return separate(
        reference, current, NAMES, sensitivity=sensitivity, alpha=0.05, min_rows=min_rows, seed=seed
    )


@pytest.mark.parametrize("sensitivity", SHIFTS)
def test_gates_are_the_areas_of_the_shifts_that_gate_single_columns(sensitivity: Sensitivity) -> None:
    shift = SHIFTS[sensitivity]
    assert AUC_GATES[sensitivity] == pytest.approx(stats.norm.cdf(shift / np.sqrt(2)), abs=0.001)
    assert EFFECT_GATES[sensitivity] == pytest.approx(2 * stats.norm.cdf(shift / 2) - 1, abs=0.005)


def test_a_changed_correlation_is_found_though_each_column_is_as_before() -> None:
    reference, current = sample(1, 6_000), sample(2, 3_000, start=60, n_days=30, correlation=0.6)
    for name in ("a", "b"):
        before, now = (one.rows[name].to_numpy() for one in (reference, current))
        assert stats.ks_2samp(before, now).statistic < EFFECT_GATES["high"]
    found = told(reference, current)
    assert found.status == "drifted"
    assert found.auc is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.auc < found.high
    assert {name for name, _ in found.main_contributors} == {"a", "b"}
    assert "surely moved" in multivariate_text(found)
    assert "mostly by" in multivariate_text(found)


@pytest.mark.long
def test_nothing_is_found_where_nothing_changed() -> None:
    alarms = []
    for seed in range(20):
        found = told(sample(seed, 800), sample(1_000 + seed, 500, start=60, n_days=30), seed=seed)
        alarms.append(found.status)
        assert found.main_contributors == ()
    assert alarms == ["stable"] * 20


def test_days_that_differ_are_not_learned_by_heart() -> None:
    # A classifier that had seen half of a day would know the rest of it by its value of `c`.
    reference = sample(1, 2_000, n_days=20, day_spread=1.0)
    current = sample(2, 1_500, start=60, n_days=20, day_spread=1.0)
    found = told(reference, current, "medium")
    assert found.status == "stable"
    task = _task(reference, current, NAMES, N_FOLDS)
    assert task is not None
    rows = np.random.default_rng(0).integers(0, N_FOLDS, task.labels.size)
    by_rows = _tell(
        type(task)(task.matrix, task.labels, rows, task.blocks, task.n_blocks, task.encoding), N_FOLDS, 0
    )
    assert roc_auc_score(task.labels, by_rows.scores) > 0.75


def test_partitions_that_always_differed_raise_the_threshold() -> None:
    reference = sample(3, 4_000, n_parts=4, part_spread=0.7)
    reference_variation = reference_auc(reference, NAMES, alpha=0.05, min_rows=300, seed=0)
    assert reference_variation is not None
    assert reference_variation > 0.65
    steady = reference_auc(sample(3, 4_000, n_parts=4), NAMES, alpha=0.05, min_rows=300, seed=0)
    assert steady is not None
    assert steady < AUC_GATES["medium"]
    moved = sample(5, 1_500, start=60, n_days=30)
    rows = moved.rows.set_column(2, "c", pa.array(moved.rows["c"].to_numpy() + 0.4))
    found = told(reference, Sample(rows, moved.event_time_us, moved.parts))
    assert found.status == "stable"
    assert found.threshold == found.reference_variation == reference_variation


def test_the_area_is_scikit_learns() -> None:
    task = _task(sample(1, 1_200), sample(2, 600, start=60, correlation=0.5), NAMES, N_FOLDS)
    assert task is not None
    scores = _tell(task, N_FOLDS, 0).scores
    auc, resampled = _areas(task, scores, 0)
    assert auc == pytest.approx(roc_auc_score(task.labels, scores), abs=1e-3)
    # Of independent rows the blocks' spread is that of the rows (Hanley and McNeil, 1982).
    first, second = 1_200, 600
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (second - 1) * (q1 - auc**2) + (first - 1) * (q2 - auc**2)) / (
        first * second
    )
    assert resampled.std() == pytest.approx(np.sqrt(variance), rel=0.35)


def test_the_same_seed_gives_the_same_answer() -> None:
    windows = sample(1, 1_000), sample(2, 700, start=60, correlation=0.7)
    assert told(*windows, seed=3) == told(*windows, seed=3)


def test_too_few_rows_are_insufficient_data() -> None:
    few = told(sample(1, 1_000), sample(2, 20), min_rows=100)
    assert (few.status, few.auc) == ("insufficient data", None)
    assert few.reason == "20 rows in one of the windows, drift.min_rows is 100"
    assert told(sample(1, 1_000), sample(2, 0), min_rows=2).status == "insufficient data"
    one_hour = Sample(
        pa.table({n: [0.0] * 50 for n in NAMES}), np.zeros(50, dtype=np.int64), np.array([""] * 50)
    )
    assert told(one_hour, one_hour, min_rows=2).reason == "too few rows to hold out blocks of time"
    assert "is not known: 20 rows" in multivariate_text(few)


def test_a_sample_depends_on_keys_alone() -> None:
    n = 500
    table = pa.table(
        {
            "id": [f"row {i}" for i in range(n)],
            "at": pa.array(np.arange(n) * DAY_US, pa.timestamp("us", tz="UTC")),
            "v": np.arange(n),
            "part": ["p"] * n,
        }
    )
    rows = KeyedRows("t", ["id"], "at", "part")
    found = []
    for order in (np.arange(n), np.arange(n)[::-1]):
        with duckdb.connect() as connection:
            connection.register("t", table.take(order))
            found.append(read_sample(connection, rows, ["v"], max_rows=100))
    assert found[0].n == 100
    values = [one.rows["v"].to_pylist() for one in found]
    assert values[0] == values[1] == sorted(values[0])
    assert set(found[0].parts) == {"p"}
    # Spread over all of the window.
    assert values[0][0] < n / 10
    assert values[0][-1] > n * 9 / 10
