"""Asking a model: features of 1, 10 and 100 rows, request features included, and the champion's scores.

    python -m benchmarks.ask [--entities 20000] [--calls 200] [--algorithm lightgbm]

Three views of ten features on SQLite and two request features. Ours (`open_serving`: training's names and types, ttl,
status and age) beside Feast's `get_online_features` with the same two as an on-demand view, on Feast's own
store. Milliseconds a call: wall time by percentile, and CPU; one client.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd  # Feast reads the annotations of an on-demand view

from benchmarks.measure import measure, setup_done
from benchmarks.online_rows import DAY, OURS, START, VIEWS, open_feast, pipeline, write_lake

COUNTS = (1, 10, 100)
WAYS = ("Feast, features", "ours, features", "ours, scores")
PERCENTILES = (50, 95, 99)
NOW = START + DAY
REQUEST = {"log_amount": "ln(1 + amount)", "is_large": "amount > 100"}
N_TRAINING = 4_000
Ask = Callable[[Sequence[int]], object]


def latencies(way: str, folder: str, algorithm: str, n_entities: int, n_calls: int) -> dict[str, list[float]]:
    """Time calls; milliseconds at each percentile and of CPU, by rows a call."""
    import numpy as np

    generator = np.random.default_rng(3)
    figures = {}
    with ExitStack() as open_until:
        ask = _theirs(Path(folder)) if way == WAYS[0] else _ours(way, Path(folder), algorithm, open_until)
        setup_done()
        for count in COUNTS:
            calls = [generator.integers(0, n_entities, count).tolist() for _ in range(n_calls)]
            for entities in calls[: max(5, n_calls // 10)]:
                ask(entities)
            times, started_cpu = [], time.process_time()
            for entities in calls:
                started = time.perf_counter()
                ask(entities)
                times.append((time.perf_counter() - started) * 1_000)
            cpu = (time.process_time() - started_cpu) * 1_000 / n_calls
            figures[str(count)] = [*(float(np.percentile(times, p)) for p in PERCENTILES), cpu]
    return figures


def declared(algorithm: str) -> Any:
    """Declare the views, the request features and the model."""
    from declaration.spec import PipelineSpec

    plain = pipeline()
    spec = plain.spec.model_dump(exclude_unset=True, mode="json")
    spec["datasets"]["rows"]["columns"] |= {"amount": "float", "truth": "boolean"}
    spec["target"] = {
        "dataset": "rows", "prediction_time": "at", "label": "truth", "label_time": "at + INTERVAL 1 HOUR",
        "problem": "binary", "request_features": REQUEST,
    }  # fmt: skip
    spec["features"] = {view: {"entity": "entity", "sql": f"{view}.sql", "ttl": "7d"} for view in VIEWS}
    spec["model"] = {"candidates": [algorithm], "gate": {"min_metric": 0.5}}
    return replace(plain, spec=PipelineSpec.model_validate(spec))


def prepare(folder: str, algorithm: str, n_entities: int) -> int:
    """Load the views as the product does, and train a champion on rows of which amount and a feature decide."""
    import numpy as np
    import pyarrow as pa

    from assets.materialization import Scope, StageRun
    from assets.model.asset import materialize_model
    from declaration.partitioning import partitioning

    model, connections = declared(algorithm), _connected(folder)
    day = partitioning(model.spec.partitions).window("2024-01-01")
    connections.feature_store.apply(model, connections.lake)
    for view in VIEWS:
        connections.feature_store.load_online(model, view, day, connections.lake)
    generator = np.random.default_rng(4)
    amounts = generator.exponential(50, N_TRAINING)
    instants = pa.array(
        [NOW + timedelta(seconds=i * 60) for i in range(N_TRAINING)], pa.timestamp("us", tz="UTC")
    )
    rows = pa.table(
        {
            "row_id": [f"{i:06d}" for i in range(N_TRAINING)],
            "event_timestamp": instants,
            "entity": generator.integers(0, n_entities, N_TRAINING),
            "request__is_large": amounts > 100,
            "request__log_amount": np.log(1 + amounts),
        }
    )
    joined, _ = connections.feature_store.features_for(model, rows, connections.lake)
    truth = np.log(amounts) + joined["first__first_f0"].to_numpy() + generator.normal(size=N_TRAINING) > 4
    for name, values in {
        "label": pa.array(truth.astype(np.int8)),
        "label_time": instants,
        "_source_partition": pa.array([day.key] * N_TRAINING),
    }.items():
        joined = joined.append_column(name, values)
    connections.lake.write(model.table("training_set"), joined, partition=day.key)
    scope = Scope(day, run_id="bench", clock=NOW)
    materialize_model(
        StageRun(model, scope, connections.lake, connections.engine), registry=connections.registry
    )
    return len(VIEWS)


def _connected(folder: str | Path) -> Any:
    from resources.connections import connect
    from resources.deployment import deployment

    return connect(deployment({"DRIFTLINE_HOME": str(folder), "DRIFTLINE_THREADS": "1"}))


def _amounts(entities: Sequence[int]) -> list[float]:
    return [entity % 200 + 0.5 for entity in entities]


def _ours(way: str, folder: Path, algorithm: str, open_until: ExitStack) -> Ask:
    import pyarrow as pa

    from serving import open_serving

    serving = open_until.enter_context(open_serving(declared(algorithm), _connected(folder)))
    call: Callable[[pa.Table, datetime], object] = (
        serving.score if way == "ours, scores" else serving.features
    )
    return lambda entities: call(pa.table({"entity": entities, "amount": _amounts(entities)}), NOW)


def _theirs(folder: Path) -> Ask:
    """Serve from Feast's own SQLite store, with the request features as an on-demand view."""
    import warnings

    import numpy as np
    from feast import Field, RequestSource
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.transformation.pandas_transformation import PandasTransformation
    from feast.types import Bool, Float64

    settings: Mapping[str, Any] = {"path": str(folder / "feast" / "online.db")}
    open_feast(folder, {"type": OURS["sqlite"], **settings})
    store = open_feast(folder, {"type": "sqlite", **settings})

    def requested(rows: pd.DataFrame) -> pd.DataFrame:
        amount = rows["amount"]
        return pd.DataFrame({"log_amount": np.log(1 + amount), "is_large": amount > 100})

    warnings.simplefilter("ignore", RuntimeWarning)
    view = OnDemandFeatureView(
        name="request",
        sources=[RequestSource(name="asked", schema=[Field(name="amount", dtype=Float64)])],
        schema=[Field(name="log_amount", dtype=Float64), Field(name="is_large", dtype=Bool)],
        feature_transformation=PandasTransformation(requested, "requested"),
    )
    store.apply([view])
    features = [f"{name}:{f.name}" for name in VIEWS for f in store.get_feature_view(name).features]
    features += [f"request:{name}" for name in REQUEST]
    return lambda entities: store.get_online_features(
        features=features,
        entity_rows=[{"entity": e, "amount": a} for e, a in zip(entities, _amounts(entities), strict=True)],
        full_feature_names=True,
    ).to_arrow()


def run(n_entities: int, n_calls: int, algorithm: str) -> None:
    """Print a row for each way."""
    columns = "".join(
        f"{count:8d}: " + "".join(f"{f'p{p}':>7}" for p in PERCENTILES) + "    cpu" for count in COUNTS
    )
    sys.stdout.write(
        f"{n_entities:,} entities, 3 views of 10 features and 2 request features, {algorithm}, {n_calls} calls; milliseconds\n"
        f"{'rows a call':18}{columns}\n"
    )
    module = "benchmarks.ask"
    with tempfile.TemporaryDirectory() as name:
        write_lake(Path(name), n_entities)
        measure("prepare", f"{module}:prepare", name, algorithm, n_entities)
        for way in WAYS:
            done = measure(way, f"{module}:latencies", way, name, algorithm, n_entities, n_calls)
            cells = "".join(
                " " * 10 + "".join(f"{value:7.1f}" for value in done.result[str(count)]) for count in COUNTS
            )
            sys.stdout.write(f"{way:18}{cells}\n")
            sys.stdout.flush()


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--algorithm", default="hist_gradient_boosting")
    arguments = parser.parse_args()
    run(arguments.entities, arguments.calls, arguments.algorithm)
    return 0


if __name__ == "__main__":
    sys.exit(main())
