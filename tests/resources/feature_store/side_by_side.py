"""One of several processes that register and load views of one pipeline: `python -m tests.resources.feature_store.side_by_side`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake
from tests.fixtures.tiny import DECLARATION, START, day_window, tiny_pipeline

UTC_US = pa.timestamp("us", tz="UTC")
AT_ONCE = 4
"""Views that are registered in one go."""

VIEW = {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "3d"}


def pipeline_of(views: Sequence[str]) -> Pipeline:
    """Declare some views."""
    spec = PipelineSpec.model_validate({**DECLARATION, "features": dict.fromkeys(views, VIEW)})
    return replace(tiny_pipeline(Path()), spec=spec)


def names_of(n_views: int) -> list[str]:
    return [f"view_{number:02}" for number in range(n_views)]


def materialize(store: FeatureStore, lake: Lake, pipeline: Pipeline, views: Sequence[str], day: int) -> None:
    """Do what the features stages of some views do once a partition's rows are made."""
    rows = pa.table(
        {
            "machine": ["m0", f"only_{day}"],
            "event_timestamp": pa.array([START + timedelta(days=day, hours=12)] * 2, UTC_US),
            "heat": [float(day)] * 2,
        }
    )
    for view in views:
        lake.write(pipeline.table("features", view), rows, partition=day_window(day).key)
    store.apply(pipeline, lake)
    for view in views:
        assert store.load_online(pipeline, view, day_window(day), lake) == 2


def main(home: str, registry: str, n_views: str, mine: str, days: str) -> None:
    """Materialize every n-th view, `<first>:<n>`, for some days, a few views at a time."""
    store = store_of(home, registry)
    names = names_of(int(n_views))
    first, step = map(int, mine.split(":"))
    chosen = names[first::step]
    for day in map(int, days.split(",")):
        for at in range(0, len(chosen), AT_ONCE):
            materialize(store, Lake(root=f"{home}/lake"), pipeline_of(names), chosen[at : at + AT_ONCE], day)


def store_of(home: str, registry: str) -> FeatureStore:
    """Open the store whose registry a URL, or the variable that holds it, names."""
    where = "registry_url" if "://" in registry else "registry_url_variable"
    return FeatureStore(online_path=f"{home}/online.db", threads=1, **{where: registry})


if __name__ == "__main__":
    main(*sys.argv[1:])
