"""The champion's scores of one partition, beside the features they were computed from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from assets.materialization import Outcome, StageRun
from assets.model.explanations import read_version
from assets.turns import as_reader, in_turns, rows_of_turn
from charts import as_markdown_image, histogram_pair
from declaration.sql import duckdb_type, quote_identifier
from learning.explain.largest_parts import explanation_obstacle
from learning.model_file import model_from_bytes
from learning.scores import (
    LEADING_COLUMNS,
    Champion,
    PredictionError,
    ScoreRecord,
    answer_fields,
    prediction_batches,
    predictions_table,
    score_histograms,
)
from learning.threads import limited_threads
from resources.engine.memory import limit_bytes, row_bytes
from resources.lake.lake import Snapshot, scan
from resources.model_registry.champion import champion_file
from resources.model_registry.registry import ModelRegistry

if TYPE_CHECKING:
    from resources.feature_store.store import FeatureStore
    from resources.score_targets.targets import ScoreTargets

NOT_KNOWN_YET = ("label", "label_time")
"""Columns of the labels that no prediction may see."""


def materialize_predictions(
    run: StageRun, *, registry: ModelRegistry, feature_store: FeatureStore, score_targets: ScoreTargets
) -> Outcome:
    """Score every row of a partition with the champion of the moment, in memory that does not grow with the rows.

    Where scores are written beside the lake too, that comes last, from the rows of the commit: a run that ends before is
    made good by the next of the partition.

    Without a champion the partition is empty, and says so; the table gets its feature columns
    with the first champion.
    """
    started = time.monotonic()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if run.scope.partition is None:
        raise PredictionError(
            f"predictions of '{run.pipeline.name}' are made for a partition, and none was given. "
            "Materialize them for a partition key."
        )
    labels = run.lake.snapshot(run.table("labels"))
    champion, obstacle = _champion(run, registry)
    scored = _scored(run, labels, champion, feature_store)
    places = _written_beside(run, scored.written, score_targets)
    version, problem = (None if champion is None else champion.version), run.spec.learned.problem
    return Outcome(
        data_version=f"{scored.written.table}@{scored.written.version}",
        schema=scored.written.schema,
        metadata={
            "n_rows": scored.record.n_rows,
            "size_bytes": scored.written.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": _reads(labels, scored.feature_versions),
            "writes": f"{scored.written.table}@{scored.written.version}",
            "written_beside": ", ".join(places) or None,
            "model_version": version,
            "note": obstacle if champion is not None else _no_champion(run, labels),
            **_score_summary(scored.record, problem),
        },
        markdown=_pages(run, version, scored.record),
    )


@dataclass(frozen=True)
class _Scored:
    """A partition's scores, as they were written.

    Attributes
    ----------
    written
        The table with them.
    feature_versions
        Version of each feature view's table.
    record
        What was kept of the scores on their way.
    """

    written: Snapshot
    feature_versions: Mapping[str, int]
    record: ScoreRecord


def _scored(
    run: StageRun, labels: Snapshot, champion: Champion | None, feature_store: FeatureStore
) -> _Scored:
    """Stream a partition's rows through the join and the champion into one commit of the lake."""
    record, versions = ScoreRecord(), dict[str, int]()
    problem = run.spec.learned.problem
    with run.engine.connect() as connection, limited_threads(run.engine.threads):
        rows = connection.sql(_rows_to_predict(run, labels))

        def stream() -> pa.RecordBatchReader:
            """Begin anew: another writer of the table may have been faster."""
            record.clear()
            batches = rows.to_arrow_reader()
            if champion is None:
                # Without a model no feature is asked for: the first partition may come before any feature.
                return predictions_table(_empty(batches.schema), None, problem).to_reader()
            n_rows = rows_of_turn(limit_bytes(run.engine.memory_limit), _row_bytes(run, batches.schema))
            turns, read = feature_store.features_in_turns(
                run.pipeline, in_turns(batches, batches.schema, n_rows), run.lake
            )
            versions.update(read)
            return as_reader(prediction_batches(turns, champion, problem, record))

        written = run.lake.write(
            run.table("predictions"),
            stream,
            partition=run.scope.partition,
            commit={**run.commit, "model_version": "" if champion is None else str(champion.version)},
            cut=run.pipeline.cut(run.spec.learned.prediction_time),
        )
    return _Scored(written, versions, record)


def _written_beside(run: StageRun, written: Snapshot, score_targets: ScoreTargets) -> list[str]:
    """Write the partition's scores to the declared places, without the features."""
    places = []
    for place in run.spec.predictions.write_to if run.spec.predictions is not None else ():
        with run.engine.connect() as connection:
            places.append(
                score_targets.write(
                    place,
                    connection.sql(_answers(run, written)).to_arrow_reader(),
                    pipeline=run.pipeline.name,
                    partition=run.scope.partition or "",
                    commit=run.commit,
                )
            )
    return places


def _answers(run: StageRun, written: Snapshot) -> str:
    """Return the SQL of a partition's scores: the same columns, of the declaration, whatever the champion gave."""
    columns = [
        quote_identifier(field.name)
        if field.name in written.schema.names
        else f"CAST(NULL AS {duckdb_type(field.type)}) AS {quote_identifier(field.name)}"
        for field in answer_fields(run.spec)
    ]
    return f"SELECT {', '.join(columns)} FROM {scan(written, [run.scope.partition or ''])}"


def _rows_to_predict(run: StageRun, labels: Snapshot) -> str:
    """Return the SQL of a partition's rows, in the order in which they were written, without what is not known yet."""
    columns = [quote_identifier(name) for name in labels.schema.names if name not in NOT_KNOWN_YET]
    return f"SELECT {', '.join(columns)} FROM {scan(labels, [run.scope.partition or ''])}"


def _row_bytes(run: StageRun, rows: pa.Schema) -> int:
    """Estimate the bytes of a row with its features."""
    tables = [run.table("features", view) for view in run.spec.features]
    features = (run.lake.snapshot(table).schema for table in tables if run.lake.has(table))
    return row_bytes(rows) + sum(map(row_bytes, features))


def _empty(schema: pa.Schema) -> pa.Table:
    return schema.empty_table().select(LEADING_COLUMNS)


def _champion(run: StageRun, registry: ModelRegistry) -> tuple[Champion | None, str]:
    """Load the champion that the ledger names, and say why its answers are not explained where they should be.

    The registry's aliases are repaired from the ledger.
    """
    champion = champion_file(run.lake, registry, run.pipeline.name, repair_aliases=True)
    if champion is None:
        return None, ""
    model = model_from_bytes(champion.content, ledger_sha256=champion.sha256)
    n_parts = run.spec.predictions.contributions if run.spec.predictions is not None else 0
    if not n_parts:
        return Champion(champion.version, model), ""
    kept = read_version(run.lake, run.pipeline.name, champion.version)
    centres, background = (kept.centres, kept.background) if kept is not None else (None, None)
    if obstacle := explanation_obstacle(model, background):
        note = f"The scores of version {champion.version} are without contributions: {obstacle}"
        return Champion(champion.version, model, n_parts, is_explained=False), note
    return Champion(champion.version, model, n_parts, centres=centres, background=background), ""


def _no_champion(run: StageRun, labels: Snapshot) -> str:
    name, n_rows = run.pipeline.name, labels.rows_by_partition.get(run.scope.partition or "", 0)
    return (
        f"No champion yet: {n_rows} rows were not scored. "
        f"Materialize {name}/training_set and {name}/model, then this partition again."
    )


def _reads(labels: Snapshot, feature_versions: Mapping[str, int]) -> str:
    tables = {labels.table: labels.version, **feature_versions}
    return ", ".join(f"{table}@{version}" for table, version in sorted(tables.items()))


def _score_summary(record: ScoreRecord, problem: str) -> Mapping[str, object]:
    if problem == "multiclass" or record.n_rows == 0:
        return {}
    scores = record.scores
    return {
        "score_mean": float(scores.mean()),
        "score_p05": float(np.quantile(scores, 0.05)),
        "score_p95": float(np.quantile(scores, 0.95)),
    }


def _pages(run: StageRun, version: int | None, record: ScoreRecord) -> Mapping[str, str]:
    """Draw the partition's scores over those of the champion's holdout."""
    if version is None or run.spec.learned.problem == "multiclass":
        return {}
    held_out = run.lake.snapshot(run.table("holdout_scores"))
    with run.engine.connect() as connection:
        scores = connection.sql(f"SELECT score FROM {scan(held_out, [str(version)])}").to_arrow_table()
    histograms = score_histograms(scores["score"].to_numpy(), record.scores)
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
