"""A view's partition: its statistics are kept, its freshness is judged, and rebuilding changes nothing."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from assets.features.asset import materialize_features
from assets.materialization import Outcome, StageRun
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from pipelines.graph.compile import build_pipeline
from resources.connections import Connections
from resources.lake.lake import LakeDamageError
from tests.fixtures.stages import connected, take_in
from tests.fixtures.tiny import DECLARATION, day_window, scope, tiny_pipeline, write_sources


def with_freshness(pipeline: Pipeline, freshness: str | None) -> Pipeline:
    view = {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "3d", "freshness": freshness}
    spec = PipelineSpec.model_validate({**DECLARATION, "features": {"recent": view}})
    return replace(pipeline, spec=spec)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Connections]:
    folder = tmp_path_factory.mktemp("features")
    write_sources(folder, n_days=2)
    pipeline = tiny_pipeline(folder)
    connections = connected(folder / "home", DRIFTLINE_THREADS="2")
    for day in range(5):
        take_in(pipeline, connections, day)
    return pipeline, connections


def refresh(ready: tuple[Pipeline, Connections], day: int, freshness: str | None = None) -> Outcome:
    pipeline, connections = ready
    return materialize_features(
        StageRun(with_freshness(pipeline, freshness), scope(day), connections.lake, connections.engine),
        "recent",
        feature_store=connections.feature_store,
    )


def test_the_newest_event_is_judged_against_the_partitions_end(
    ready: tuple[Pipeline, Connections],
) -> None:
    # The view's events are its day's first instant: a day before the partition's end.
    (in_time,) = refresh(ready, 1, "1d").checks
    (too_late,) = refresh(ready, 1, "23h").checks
    assert (in_time.is_passed, too_late.is_passed) == (True, False)
    assert too_late.metadata == {"behind_hours": 24.0, "allowed_hours": 23.0}
    assert refresh(ready, 1).checks == ()


def test_a_partition_without_rows_goes_by_the_last_one_that_has(
    ready: tuple[Pipeline, Connections],
) -> None:
    for day in (1, 2, 3):
        refresh(ready, day)
    (found,) = refresh(ready, 4, "2d").checks
    # Rows end with day 2, whose first instant lies three days before the end of day 4.
    assert (found.is_passed, found.metadata["behind_hours"]) == (False, 72.0)


def test_statistics_are_kept_for_every_partition(ready: tuple[Pipeline, Connections]) -> None:
    _, connections = ready
    for day in (1, 2):
        outcome = refresh(ready, day)
    history = connections.lake.snapshot("tiny/feature_statistics/recent")
    assert {day_window(1).key, day_window(2).key} <= set(history.rows_by_partition)
    rows = {row["feature"]: row for row in outcome.tables["statistics"]}
    assert set(rows) == {"mean_heat", "readings"}
    assert (rows["readings"]["n_rows"], rows["readings"]["n_null"], rows["readings"]["mean"]) == (5, 0, 80.0)


def test_a_rebuilt_partition_has_the_same_bytes(ready: tuple[Pipeline, Connections]) -> None:
    _, connections = ready
    for table in ("tiny/features/recent", "tiny/feature_statistics/recent"):
        digests = set()
        for _ in range(4):
            refresh(ready, 1)
            (path,) = connections.lake.snapshot(table).paths([day_window(1).key])
            digests.add(sha256(Path(path).read_bytes()).hexdigest())
        assert len(digests) == 1, table


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "garbled"])
def test_a_damaged_file_of_a_view_is_named_where_its_features_are_joined(
    ready: tuple[Pipeline, Connections], is_gone: bool
) -> None:
    pipeline, connections = ready
    refresh(ready, 1)
    (path,) = connections.lake.snapshot("tiny/features/recent").paths([day_window(1).key])
    content = Path(path).read_bytes()
    rows = pa.table(
        {
            "row_id": [0],
            "event_timestamp": pa.array([day_window(1).end], pa.timestamp("us", "UTC")),
            "machine": ["m0"],
        }
    )
    try:
        Path(path).unlink() if is_gone else Path(path).write_bytes(content[: len(content) // 2])
        with pytest.raises(
            LakeDamageError, match=rf"'tiny/features/recent', partition '{day_window(1).key}' is dam"
        ):
            connections.feature_store.features_for(pipeline, rows, connections.lake)
    finally:
        Path(path).write_bytes(content)


def test_dagster_watches_that_partitions_arrive(ready: tuple[Pipeline, Connections]) -> None:
    pipeline = with_freshness(ready[0], "2d")
    key = dg.AssetKey(["tiny", "features", "recent"])
    (asset,) = [found for found in build_pipeline(pipeline).assets or () if found.key == key]
    assert asset.specs_by_key[key].freshness_policy == dg.FreshnessPolicy.time_window(timedelta(days=2))
    assert [spec.name for spec in asset.check_specs] == ["freshness"]
