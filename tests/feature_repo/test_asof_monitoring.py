"""Feast's monitoring gets from the store what its own calculator computes, and finds again what it kept."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from feast import FileSource
from feast.data_format import DeltaFormat
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.monitoring.monitoring_service import MonitoringService
from feast.repo_config import RepoConfig

from feature_repo.asof_store import AsofOfflineStore
from tests.feature_repo.conftest import OURS, open_project

START = datetime(2024, 1, 1, tzinfo=UTC)
FIELDS = [
    ("x", "numeric"),
    ("n", "numeric"),
    ("one", "numeric"),
    ("none", "numeric"),
    ("city", "categorical"),
]


def config_of(folder: Path) -> RepoConfig:
    return RepoConfig(
        project="tests",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        offline_store=dict(OURS),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        repo_path=folder,
    )


@pytest.fixture
def rows(tmp_path: Path) -> pa.Table:
    generator = np.random.default_rng(4)
    n = 500
    table = pa.table(
        {
            "at": pa.array([START + timedelta(hours=h) for h in range(n)], pa.timestamp("us", "UTC")),
            "x": pa.array(
                np.where(generator.random(n) < 0.1, np.nan, generator.normal(size=n)), from_pandas=True
            ),
            "n": generator.poisson(4, n),
            "one": [7.0] * n,
            "none": pa.nulls(n, pa.float64()),
            # Frequencies differ, so that the most frequent have one order.
            "city": pa.array(["b"] * 200 + ["a"] * 150 + ["c"] * 100 + [None] * 45 + ["d"] * 5),
        }
    )
    write_deltalake(tmp_path / "rows", table)
    return table


SOURCE = FileSource(name="rows", path="rows", file_format=DeltaFormat(), timestamp_field="at")


def test_statistics_are_those_of_feasts_own_calculator(tmp_path: Path, rows: pa.Table) -> None:
    found = AsofOfflineStore.compute_monitoring_metrics(
        config_of(tmp_path),
        SOURCE,
        FIELDS,
        "at",
        START,
        START + timedelta(hours=399),
        histogram_bins=7,
        top_n=2,
    )
    expected = MetricsCalculator(histogram_bins=7, top_n=2).compute_all(rows.slice(0, 400), FIELDS)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key in one.keys() - {"histogram"}:
            assert one[key] == (
                pytest.approx(other[key], rel=1e-12) if isinstance(other[key], float) else other[key]
            )
        if one["feature_type"] == "numeric" and one["histogram"]:
            assert one["histogram"]["counts"] == other["histogram"]["counts"]
            assert one["histogram"]["bins"] == pytest.approx(other["histogram"]["bins"])
        else:
            assert one["histogram"] == other["histogram"]


def test_the_newest_instant_is_told_and_none_without_rows(tmp_path: Path, rows: pa.Table) -> None:
    newest = AsofOfflineStore.get_monitoring_max_timestamp(config_of(tmp_path), SOURCE, "at")
    assert newest == START + timedelta(hours=499)
    write_deltalake(tmp_path / "rows", rows.slice(0, 0), mode="overwrite")
    assert AsofOfflineStore.get_monitoring_max_timestamp(config_of(tmp_path), SOURCE, "at") is None


def record(day: int, name: str = "x", **values: Any) -> dict[str, Any]:
    return {
        "project_id": "tests", "feature_view_name": "view", "feature_name": name, "metric_date": date(2024, 1, day),
        "granularity": "daily", "data_source_type": "batch", "computed_at": START, **values,
    }  # fmt: skip


def test_records_are_replaced_by_key_and_found_by_day_and_filter(tmp_path: Path) -> None:
    config, store = config_of(tmp_path), AsofOfflineStore
    store.ensure_monitoring_tables(config)
    assert store.query_monitoring_metrics(config, "tests", "feature") == []
    store.save_monitoring_metrics(
        config, "feature", [record(2, mean=1.0), record(1, mean=2.0, is_baseline=True)]
    )
    store.save_monitoring_metrics(
        config, "feature", [record(2, mean=3.0, histogram={"counts": [1]}), record(1, "y", is_baseline=True)]
    )
    found = store.query_monitoring_metrics(
        config, "tests", "feature", {"feature_name": "x", "granularity": None}
    )
    assert [(row["metric_date"], row["mean"]) for row in found] == [("2024-01-01", 2.0), ("2024-01-02", 3.0)]
    assert found[1]["histogram"] == {"counts": [1]}
    assert found[1]["computed_at"] == START.isoformat()
    later = store.query_monitoring_metrics(
        config, "tests", "feature", None, date(2024, 1, 2), date(2024, 1, 2)
    )
    assert [row["mean"] for row in later] == [3.0]
    assert store.query_monitoring_metrics(config, "other", "feature") == []
    store.clear_monitoring_baseline(config, "tests", feature_name="x")
    kept = store.query_monitoring_metrics(config, "tests", "feature", {"is_baseline": True})
    assert [row["feature_name"] for row in kept] == ["y"]


def test_feasts_monitoring_works_on_the_store(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "machine": [1, 2, 3],
            "event_timestamp": pa.array([START] * 3, pa.timestamp("us", "UTC")),
            "created_timestamp": pa.array([START] * 3, pa.timestamp("us", "UTC")),
            "value": [1.0, 2.0, None],
        }
    )
    store = open_project(tmp_path, {"view": rows}, repo_path=tmp_path)
    service = MonitoringService(store)
    day = START.date()
    assert service.compute_metrics("tests", start_date=day, end_date=day)["computed_features"] == 1
    (found,) = service.get_feature_metrics("tests", feature_view_name="view")
    assert (found["row_count"], found["null_count"], found["mean"]) == (3, 1, 1.5)
