"""Machines at sites, with views of every type, loaded online as of an instant after the last event."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assets.materialization import Scope, StageRun
from assets.model.asset import materialize_model
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.target_sql import label_query
from resources.connections import Connections, connections
from resources.deployment import deployment
from tests.tiny import DECLARATION, START, day_window, tiny_pipeline

UTC_US = pa.timestamp("us", tz="UTC")
NOW = START + timedelta(days=3)

VIEWS = {
    "recent": {"entity": "machine", "sql": "recent.sql", "lookback": "2d", "ttl": "2d"},
    "place": {"entity": "machine_at_site", "sql": "recent.sql"},
}
REQUEST = {
    "heat": "heat", "log_load": "ln(1 + load)", "hour": "hour(taken_at)", "is_hot": "heat > 1",
    "level": "CAST(abs(load) AS UTINYINT)", "site": "upper(site)",
}  # fmt: skip
ASKED = pa.schema(
    [("machine", pa.string()), ("site", pa.int64()), ("taken_at", UTC_US), ("heat", pa.float64()), ("load", pa.float64())]
)  # fmt: skip

Row = tuple[str | None, int | None, float | None]
"""Machine, site and heat of a row that is asked about."""


def declared(folder: Path, *, views: Mapping[str, Mapping[str, str]] = VIEWS, **target: Any) -> Pipeline:
    """Return the pipeline: `recent` by machine with a ttl of two days, `place` by machine and site."""
    columns = {**DECLARATION["datasets"]["readings"]["columns"], "site": "int"}  # type: ignore[index]
    readings = {**DECLARATION["datasets"]["readings"], "columns": columns}  # type: ignore[index, dict-item]
    datasets = {**DECLARATION["datasets"], "readings": readings}  # type: ignore[dict-item]
    request = {**REQUEST, "site": "'at ' || site"}
    spec = {
        **DECLARATION,
        "datasets": datasets,
        "entities": {"machine": ["machine"], "machine_at_site": ["site", "machine"]},
        "features": views,
        "target": {**DECLARATION["target"], "request_features": request, **target},  # type: ignore[dict-item]
    }
    return replace(tiny_pipeline(folder), spec=PipelineSpec.model_validate(spec))


def connected(folder: Path) -> Connections:
    """Return the resources of a deployment in a folder."""
    return connections(deployment({"DRIFTLINE_HOME": str(folder), "DRIFTLINE_THREADS": "1"}))


def write_views(pipeline: Pipeline, to: Connections, *, load: bool = True) -> None:
    """Write three days of both views, and load them; `m3` has expired by `NOW` in `recent`."""
    generator = np.random.default_rng(11)
    for day in range(3):
        at = START + timedelta(days=day, hours=18)
        machines = ["m0", "m1", "m2"] if day else ["m0", "m1", "m2", "m3"]
        recent = {
            "machine": machines,
            "event_timestamp": pa.array([at] * len(machines), UTC_US),
            "mean_heat": [None, *generator.normal(size=len(machines) - 1)],
            "readings": pa.array(generator.integers(-(2**62), 2**62, len(machines)), pa.int64()),
            "is_on": [True, None, *[False] * (len(machines) - 2)],
            "grade": ["", "é ' \"", None, "x" * 300][: len(machines)],
        }
        pairs = [(1, "m0"), (2, "m0"), (1, "m1"), (-5, "m9")]
        place = {
            "machine": [machine for _, machine in pairs],
            "site": pa.array([site for site, _ in pairs], pa.int64()),
            "event_timestamp": pa.array([at] * len(pairs), UTC_US),
            "since": pa.array([date(1969, 12, 31), date(2024, 1, day + 1), None, date(2030, 1, 1)]),
            "seen": pa.array(
                [at.replace(microsecond=0), None, at - timedelta(days=30_000), at], UTC_US
            ),
            "share": [0.1 + 0.2, -0.0, 1e-300, float("inf")],
        }  # fmt: skip
        for view, rows in {"recent": recent, "place": place}.items():
            if view in pipeline.spec.features:
                to.lake.write(pipeline.table("features", view), pa.table(rows), partition=day_window(day).key)
    if not load:
        return
    to.feature_store.apply(pipeline, to.lake)
    for day in range(3):
        for view in pipeline.spec.features:
            to.feature_store.load_online(pipeline, view, day_window(day), to.lake)


def asked(rows: Sequence[Row], now: datetime = NOW) -> pa.Table:
    """Return rows as a caller gives them."""
    machines, sites, heats = zip(*rows, strict=True) if rows else ((), (), ())
    n = len(rows)
    return pa.table(
        [
            pa.array(machines, pa.string()),
            pa.array(sites, pa.int64()),
            pa.array([now - timedelta(minutes=i % 60) for i in range(n)], UTC_US),
            pa.array(heats, pa.float64()),
            pa.array([0.5 * (i % 7) for i in range(n)], pa.float64()),
        ],
        schema=ASKED,
    )


def label_rows(pipeline: Pipeline, to: Connections, rows: pa.Table, now: datetime = NOW) -> pa.Table:
    """Return the rows as the labels stage makes them, asked at one instant, in their order."""
    at_once = pipeline.spec.learned.model_copy(
        update={"prediction_time": f"TIMESTAMPTZ '{now.isoformat()}'", "event_time": "day"}
    )
    labels = replace(pipeline, spec=pipeline.spec.model_copy(update={"target": at_once}))
    with to.engine.connect() as connection:
        connection.register("given", rows.append_column("id", pa.array(range(rows.num_rows), pa.int64())))
        connection.execute(
            "CREATE TEMP TABLE readings AS SELECT *, true AS failed, $day::TIMESTAMPTZ AS day FROM given",
            {"day": day_window(0).start.isoformat()},
        )
        # The stage orders by identity: back to the order of the rows.
        return connection.sql(label_query(labels, day_window(0))).to_arrow_table().sort_by("id")


def trained(pipeline: Pipeline, to: Connections, rows: pa.Table, now: datetime = NOW) -> pa.Table:
    """Return the rows as training has them: of the labels stage, joined offline."""
    made = label_rows(pipeline, to, rows, now).drop_columns(["label", "label_time", "event_time", "id"])
    found, _ = to.feature_store.features_for(pipeline, made, to.lake)
    return found


def features_of(table: pa.Table) -> pa.Table:
    """Leave the features alone."""
    return table.drop_columns(["row_id", "event_timestamp"])


def train(pipeline: Pipeline, to: Connections, n_rows: int = 400) -> None:
    """Make a champion of made-up labels, through the real stage."""
    generator = np.random.default_rng(5)
    machines = generator.choice(["m0", "m1", "m2", "m9"], n_rows)
    heats = generator.normal(size=n_rows)
    rows = asked([(str(machine), 1, float(heat)) for machine, heat in zip(machines, heats, strict=True)])
    found = trained(pipeline, to, rows)
    # Spread over the day, so that there is a holdout.
    instants = [START + timedelta(hours=i * 71 / n_rows) for i in range(n_rows)]
    label = (heats + 0.3 * generator.normal(size=n_rows) > 0).astype(np.int8)
    table = found.set_column(1, "event_timestamp", pa.array(instants, UTC_US))
    for name, values in {
        "label": pa.array(label),
        "label_time": pa.array([at + timedelta(hours=1) for at in instants], UTC_US),
        "_source_partition": pa.array(["2024-01-03"] * n_rows),
    }.items():
        table = table.append_column(name, values)
    to.lake.write(pipeline.table("training_set"), table, partition="2024-01-03")
    scope = Scope(day_window(2), run_id="test", clock=NOW)
    materialize_model(StageRun(pipeline, scope, to.lake, to.engine), registry=to.registry)
