"""Search of settings: ours beside FLAML, AutoGluon and scikit-learn's defaults, on three sets, with equal CPU seconds.

    DRIFTLINE_HOME=<home> python -m benchmarks.model_search [--seconds 60]

The sets come of a replay of both shipped pipelines in that home: flights that arrive late (40 features), card payments that are
frauds, and the minutes of the flights' delays, whose tail is heavy. Each way learns from the older rows whose labels were known, at
most `MAX_ROWS` of them, and is judged on the newest partitions, a fifth of the rows or more. FLAML runs first, by its own defaults
on one thread; ours gets the CPU seconds that it took, all folds and the last fit included; AutoGluon, by its own defaults too, as
many seconds as FLAML had on the clock. What is compared is the metric, by blocks of time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, measure, setup_done, table
from benchmarks.peers import peer_python

AUTOGLUON = ("autogluon.tabular[lightgbm,xgboost]==1.6.3",)
FLAML = ("flaml[automl]==2.8.0", "pandas<3", "pyarrow>=17", "scikit-learn<1.9")
SETS = {
    "flights": ("binary", "roc_auc"),
    "card_payments": ("binary", "roc_auc"),
    "delay_minutes": ("regression", "rmse"),
}
"""Problem and metric of each set."""

AS_OF = {
    "flights": ("flight_delays", "2013-10-01"),
    "card_payments": ("card_fraud", "2024-02-07"),
    "delay_minutes": ("flight_delays", "2013-10-01"),
}
"""Pipeline and partition of each training set; that of the payments ends before fraud changes."""

MAX_ROWS = 60_000
JUDGED_SHARE = 0.2
SEARCH_SHARE = 0.3
"""Share of our CPU seconds that the search has; folds and the last fit need the others."""

ALPHA = 0.025
NOT_FEATURES = ("row_id", "event_timestamp", "label", "label_time", "_source_partition")


def write_set(name: str, home: Path, folder: Path) -> int:
    """Write the rows to learn from and to be judged on of one set; return how many judge."""
    import duckdb
    import pyarrow.parquet as pq
    from deltalake import DeltaTable

    pipeline, partition = AS_OF[name]
    lake = home / "lake" / pipeline
    rows = DeltaTable(lake / "training_set")
    known = rows.to_pyarrow_table(filters=[("_partition", "=", partition)])
    with duckdb.connect() as connection:
        connection.register("known", known)
        query = "SELECT * EXCLUDE _partition FROM known"
        if name == "delay_minutes":
            connection.register("keys", DeltaTable(lake / "labels").to_pyarrow_table())
            connection.register("flights", DeltaTable(lake / "raw" / "flights").to_pyarrow_table())
            query = (
                "SELECT k.* EXCLUDE (_partition, label), f.arr_delay::DOUBLE AS label FROM known k "
                "JOIN keys USING (row_id, event_timestamp) JOIN flights f ON keys.carrier = f.carrier AND keys.flight = f.flight "
                "AND keys.origin = f.origin AND keys.event_time = f.scheduled_departure WHERE f.arr_delay IS NOT NULL"
            )
        connection.execute(f"CREATE VIEW labelled AS {query}")
        # Whole partitions judge, as they do in the product: what is left to learn from ends with one.
        connection.execute(
            "CREATE TABLE edge AS SELECT min(event_timestamp) AS first_judged FROM labelled WHERE _source_partition = "
            f"(SELECT quantile_disc(_source_partition, {1 - JUDGED_SHARE}) FROM labelled)"
        )
        older = (
            "SELECT labelled.* FROM labelled, edge WHERE greatest(event_timestamp, label_time) < first_judged "
            f"ORDER BY md5(row_id) LIMIT {MAX_ROWS}"
        )
        _copy(
            connection,
            f"SELECT * FROM ({older}) ORDER BY event_timestamp, row_id",
            folder / f"{name}_learn.parquet",
        )
        judged = "SELECT labelled.* FROM labelled, edge WHERE event_timestamp >= first_judged ORDER BY event_timestamp, row_id"
        _copy(connection, judged, folder / f"{name}_judge.parquet")
    return int(pq.read_metadata(folder / f"{name}_judge.parquet").num_rows)


def _copy(connection: Any, query: str, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(connection.sql(query).to_arrow_table(), path)


def _frames(name: str, folder: str) -> tuple[Any, Any]:
    """Read both parts as data frames, texts as categories, truth values and whole numbers as numbers."""
    import pandas as pd

    learned, judged = (pd.read_parquet(f"{folder}/{name}_{part}.parquet") for part in ("learn", "judge"))
    for column in learned.columns.difference(list(NOT_FEATURES)):
        if learned[column].dtype == object or str(learned[column].dtype) in ("str", "string"):
            kind = pd.CategoricalDtype(sorted(learned[column].dropna().unique()))
            learned[column], judged[column] = learned[column].astype(kind), judged[column].astype(kind)
        else:
            learned[column], judged[column] = learned[column].astype(float), judged[column].astype(float)
    return learned, judged


def _features(frame: Any) -> Any:
    return frame.drop(columns=[name for name in NOT_FEATURES if name in frame.columns])


def _keep(folder: str, way: str, name: str, scores: Any) -> None:
    import numpy as np

    np.save(f"{folder}/{name}_{way}.npy", np.asarray(scores, dtype=np.float64))


def sklearn_defaults(name: str, problem: str, folder: str) -> str:
    """Fit histogram gradient boosting as scikit-learn sets it."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    learned, judged = _frames(name, folder)
    setup_done()
    kind = HistGradientBoostingRegressor if problem == "regression" else HistGradientBoostingClassifier
    model = kind(categorical_features="from_dtype", random_state=0).fit(_features(learned), learned["label"])
    asked = _features(judged)
    scores = model.predict(asked) if problem == "regression" else model.predict_proba(asked)[:, 1]
    _keep(folder, "sklearn", name, scores)
    return "hist_gradient_boosting"


def flaml_search(name: str, problem: str, metric: str, seconds: float, folder: str) -> str:
    """Let FLAML search by its own defaults, on one thread."""
    # Not installed here: what is imported by name is not type-checked.
    flaml = import_module("flaml")
    learned, judged = _frames(name, folder)
    setup_done()
    model = flaml.AutoML()
    model.fit(
        X_train=_features(learned),
        y_train=learned["label"].to_numpy(),
        task="regression" if problem == "regression" else "classification",
        metric=metric,
        time_budget=seconds,
        n_jobs=1,
        seed=0,
        verbose=0,
    )
    asked = _features(judged)
    scores = model.predict(asked) if problem == "regression" else model.predict_proba(asked)[:, 1]
    _keep(folder, "flaml", name, scores)
    return f"{model.best_estimator} of {len(model.config_history)} better and better"


def autogluon_search(name: str, problem: str, metric: str, seconds: float, folder: str) -> str:
    """Let AutoGluon fit and stack its models by its own defaults, on one thread."""
    # Not installed here: what is imported by name is not type-checked.
    tabular = import_module("autogluon.tabular")
    learned, judged = _frames(name, folder)
    setup_done()
    with tempfile.TemporaryDirectory() as models:
        predictor = tabular.TabularPredictor(
            label="label",
            problem_type="regression" if problem == "regression" else "binary",
            eval_metric={"rmse": "root_mean_squared_error"}.get(metric, metric),
            path=models,
            verbosity=0,
        )
        predictor.fit(_features(learned).assign(label=learned["label"]), time_limit=seconds, num_cpus=1)
        asked = _features(judged)
        scores = predictor.predict(asked) if problem == "regression" else predictor.predict_proba(asked)[1.0]
        _keep(folder, "autogluon", name, scores.to_numpy())
        return str(predictor.model_best)


def our_search(name: str, problem: str, metric: str, seconds: float, folder: str) -> str:
    """Search as a declaration would, on one thread."""
    import pyarrow.parquet as pq

    from declaration.model import ModelSpec
    from learning.train import train_model
    from learning.training_rows import read_training_set

    learned, judged = (pq.read_table(f"{folder}/{name}_{part}.parquet") for part in ("learn", "judge"))
    setup_done()
    search = {"trials": 10_000, "cpu_seconds": SEARCH_SHARE * seconds}
    spec = ModelSpec.model_validate(
        {"candidates": [{"use": "lightgbm", "search": search}], "metric": metric, "adapt_window": False}
    )
    training = train_model(read_training_set(learned, problem), spec)  # type: ignore[arg-type]  # of SETS
    _keep(folder, "ours", name, training.model.score(judged))
    result = training.searches["lightgbm"]
    return f"{training.model.name}, {len(result.trials)} trials, {dict(result.best.params)}"


def run(name: str, home: Path, seconds: float, folder: Path) -> bool:
    """Measure all ways on one set, print what came out, and tell whether ours is not surely worse than FLAML."""
    problem, metric = SETS[name]
    n_judged = write_set(name, home, folder)
    threads = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    module, at = "benchmarks.model_search", str(folder)
    python = peer_python("flaml", *FLAML)
    flaml = measure(
        "flaml",
        f"{module}:flaml_search",
        name,
        problem,
        metric,
        seconds,
        at,
        python=python,
        environment=threads,
    )
    ours = measure(
        "ours", f"{module}:our_search", name, problem, metric, flaml.cpu_s, at, environment=threads
    )
    plain = measure("sklearn", f"{module}:sklearn_defaults", name, problem, at, environment=threads)
    stacked = measure(
        "autogluon",
        f"{module}:autogluon_search",
        name,
        problem,
        metric,
        seconds,
        at,
        python=peer_python("autogluon", *AUTOGLUON),
        environment=threads,
    )
    sys.stdout.write(f"\n{name}: {n_judged:,} judged rows, {metric}" + "\n")
    sys.stdout.write(table([ours, flaml, stacked, plain], against="flaml") + "\n")
    return _compared(name, folder, [ours, flaml, stacked, plain])


def _compared(name: str, folder: Path, ways: Sequence[Measurement]) -> bool:
    import numpy as np
    import pyarrow.parquet as pq

    from learning.blocks import metric_interval, time_blocks
    from learning.comparison import ScoredPair, compare
    from learning.metrics import Scored, metric_value
    from learning.training_rows import microseconds

    problem, metric = SETS[name]
    judged = pq.read_table(folder / f"{name}_judge.parquet")
    at, labels = (
        microseconds(judged["event_timestamp"]),
        np.asarray(judged["label"].to_numpy(), dtype=np.float64),
    )
    scored = {way.name: Scored(labels, np.load(folder / f"{name}_{way.name}.npy")) for way in ways}
    for way in ways:
        low, high = metric_interval(metric, scored[way.name], at, seed=0)  # type: ignore[arg-type]  # of SETS
        value = metric_value(metric, scored[way.name])  # type: ignore[arg-type]  # of SETS
        sys.stdout.write(f"{way.name:10} {metric} {value:.4f} ({low:.4f} to {high:.4f})  {way.result}" + "\n")
    is_met = True
    for other in ("flaml", "autogluon", "sklearn"):
        pair = ScoredPair(scored["ours"], scored[other], at)
        blocks = time_blocks(at)
        assert blocks is not None
        found = compare(pair, blocks, problem=problem, metric=metric, seed=0)  # type: ignore[arg-type]  # of SETS
        low, high = found.interval(ALPHA)
        sys.stdout.write(
            f"ours over {other}: {found.gain:+.4f} ({low:+.4f} to {high:+.4f}), positive is better" + "\n"
        )
        is_met &= other != "flaml" or high >= 0
    return bool(is_met)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    options = parser.parse_args(arguments)
    home = Path(os.environ.get("DRIFTLINE_HOME", ".driftline"))
    with tempfile.TemporaryDirectory() as folder:
        met = {name: run(name, home, options.seconds, Path(folder)) for name in options.sets}
    for name, is_met in met.items():
        sys.stdout.write(
            f"{'met   ' if is_met else 'MISSED'} {name}: not surely worse than FLAML at equal CPU seconds"
            + "\n"
        )
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
