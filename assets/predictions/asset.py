"""The champion's scores of one partition, beside the features they were computed from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from assets.materialization import Outcome, StageRun
from charts import as_markdown_image, histogram_pair
from declaration.pipeline import Pipeline
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes
from learning.scores import LEADING_COLUMNS, PredictionError, predictions_table, score_histograms
from learning.threads import limited_threads
from resources.lake.lake import Snapshot, scan
from resources.model_registry.champion import champion_file
from resources.model_registry.registry import ModelRegistry

if TYPE_CHECKING:
    from resources.feature_store.store import FeatureStore

NOT_KNOWN_YET = ("label", "label_time")
"""Columns of the labels that no prediction may see."""


def materialize_predictions(
    run: StageRun, *, registry: ModelRegistry, feature_store: FeatureStore
) -> Outcome:
    """Score every row of a partition with the champion of the moment.

    Without a champion the partition is empty, and says so; the table gets its feature columns
    with the first champion.
    """
    started = time.monotonic()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    pipeline = run.pipeline
    labels = run.lake.snapshot(run.table("labels"))
    rows = _rows_to_predict(run, labels)
    version, model = _champion(run, registry)
    if model is None:
        # Without a model no feature is asked for: the first partition may come before any feature.
        feature_versions: Mapping[str, int] = {}
        features = rows.slice(0, 0).select(LEADING_COLUMNS)
    else:
        features, feature_versions = feature_store.features_for(pipeline, rows, run.lake)
    problem = pipeline.spec.learned.problem
    with limited_threads(run.engine.threads):
        predictions = predictions_table(features, model, version or 0, problem)
    written = run.lake.write(
        run.table("predictions"),
        predictions,
        partition=run.scope.partition,
        commit={**run.commit, "model_version": str(version or "")},
        cut=pipeline.cut(pipeline.spec.learned.prediction_time),
    )
    return Outcome(
        data_version=f"{written.table}@{written.version}",
        schema=written.schema,
        metadata={
            "n_rows": predictions.num_rows,
            "size_bytes": written.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": _reads(labels, feature_versions),
            "writes": f"{written.table}@{written.version}",
            "model_version": version,
            "note": "" if model is not None else _no_champion(pipeline, rows),
            **_score_summary(predictions, problem),
        },
        markdown=_pages(run, version, predictions),
    )


def _rows_to_predict(run: StageRun, labels: Snapshot) -> pa.Table:
    if run.scope.partition is None:
        raise PredictionError(
            f"predictions of '{run.pipeline.name}' are made for a partition, and none was given. "
            "Materialize them for a partition key."
        )
    with run.engine.connect() as connection:
        rows = connection.sql(f"SELECT * FROM {scan(labels, [run.scope.partition])}").to_arrow_table()
    return rows.drop_columns([name for name in NOT_KNOWN_YET if name in rows.column_names])


def _champion(run: StageRun, registry: ModelRegistry) -> tuple[int | None, FittedModel | None]:
    """Load the champion that the ledger names; the registry's aliases are repaired from it."""
    champion = champion_file(run.lake, registry, run.pipeline.name, repair_aliases=True)
    if champion is None:
        return None, None
    return champion.version, model_from_bytes(champion.content, ledger_sha256=champion.sha256)


def _no_champion(pipeline: Pipeline, rows: pa.Table) -> str:
    return (
        f"No champion yet: {rows.num_rows} rows were not scored. "
        f"Materialize {pipeline.name}/training_set and {pipeline.name}/model, then this partition again."
    )


def _reads(labels: Snapshot, feature_versions: Mapping[str, int]) -> str:
    tables = {labels.table: labels.version, **feature_versions}
    return ", ".join(f"{table}@{version}" for table, version in sorted(tables.items()))


def _score_summary(predictions: pa.Table, problem: str) -> Mapping[str, object]:
    if problem == "multiclass" or predictions.num_rows == 0:
        return {}
    scores = predictions["score"].to_numpy()
    return {
        "score_mean": float(scores.mean()),
        "score_p05": float(np.quantile(scores, 0.05)),
        "score_p95": float(np.quantile(scores, 0.95)),
    }


def _pages(run: StageRun, version: int | None, predictions: pa.Table) -> Mapping[str, str]:
    """Draw the partition's scores over those of the champion's holdout."""
    if version is None or run.spec.learned.problem == "multiclass":
        return {}
    held_out = run.lake.snapshot(run.table("holdout_scores"))
    with run.engine.connect() as connection:
        scores = connection.sql(f"SELECT score FROM {scan(held_out, [str(version)])}").to_arrow_table()
    histograms = score_histograms(scores["score"].to_numpy(), predictions["score"].to_numpy())
    if histograms is None:
        return {}
    edges, reference, current = histograms
    picture = histogram_pair(
        edges,
        reference,
        current,
        title=f"Scores of model version {version}",
        labels=("holdout", "this partition"),
    )
    return {"scores": as_markdown_image(picture, "Scores against the champion's holdout")}
