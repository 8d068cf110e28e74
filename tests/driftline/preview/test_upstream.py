"""A preview reads what another pipeline accepted in the deployment's lake, and writes nothing there."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.materialization import Scope, StageRun
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from declaration.partitioning import partitioning
from driftline.installation import stores_of
from driftline.lineage.command import registered_lineage
from driftline.preview.command import arrivals
from driftline.preview.findings import Preview
from driftline.preview.rehearsal import rehearsed
from driftline.preview.summary import summary
from driftline.show.assets import asset_views
from pipelines.lineage.graph import Node
from resources.deployment import deployment
from tests.fixtures.stages import connected
from tests.fixtures.two_pipelines import both, write_both, write_orders

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def previewed(folder: Path) -> Preview:
    _, watch = both(folder)
    installed = deployment({"DRIFTLINE_HOME": str(folder / "home"), "DRIFTLINE_THREADS": "1"})
    with stores_of(installed) as stores:
        there = arrivals(watch, installed, stores, NOW)
        with rehearsed(watch, there[:1], installed, stores=stores, clock=NOW, show=lambda _: None) as found:
            return summary(found, there, clock=NOW)


def test_what_is_not_there_would_stop_and_what_is_there_is_shown(tmp_path: Path) -> None:
    write_both(tmp_path)
    write_orders(tmp_path, "2024-01-01", [10.0, 20.0, -1.0])
    before = previewed(tmp_path)
    assert before.stops[0].startswith(
        "raw/paid: dataset orders of pipeline shop has no accepted rows in the lake yet."
    )
    shop, _ = both(tmp_path)
    connections = connected(tmp_path / "home")
    window = partitioning(shop.spec.partitions).window("2024-01-01")
    for name, dataset in shop.spec.datasets.items():
        scope = Scope(window if dataset.is_partitioned else None, run_id="test", clock=NOW)
        run = StageRun(shop, scope, connections.lake, connections.engine)
        materialize_raw(run, name)
        materialize_profiled(run, name, validation=connections.validation)
    tables = connections.lake.tables()
    after = previewed(tmp_path)
    assert after.stops == ()
    (paid,) = [dataset for dataset in after.datasets if dataset.name == "paid"]
    assert paid.source == "dataset orders of pipeline shop"
    assert paid.counts[0] == "2 rows in the source, 2 in this partition"
    assert paid.dropped == ("customer (string)",)
    assert [line.reads for line in after.graph if (line.stage, line.name) == ("raw", "paid")] == [
        "shop/profiled/profiled_orders"
    ]
    assert connections.lake.tables() == tables


def test_show_and_lineage_lead_into_the_other_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    write_both(tmp_path)
    _, watch = both(tmp_path)
    reads = {view.path: [(read.key, read.partitions) for read in view.reads] for view in asset_views(watch)}
    assert reads["raw", "paid"] == [("shop/profiled/profiled_orders", "the partitions of its time")]
    assert reads["raw", "countries"] == [("shop/profiled/profiled_customers", "whole")]
    lineage = registered_lineage(watch)
    above = lineage.reach([Node("dataset", "paid", "sum")], "up")
    assert Node("source", "shop/orders", "amount") in above
