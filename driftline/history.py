"""History of a pipeline, partition by partition: the table that a replay ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.drift_report.pages.wording import lead_of
from assets.drift_report.window_inputs import late_partitions
from declaration.choices import default_metric
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier, quote_literal
from drift.wording import share_text, without_headline
from learning.metrics import Scored, metric_value
from learning.model_file import model_from_bytes
from learning.training_rows import label_indices
from resources.connections import Connections
from resources.lake.lake import Lake, scan
from resources.model_registry.ledger import read_ledger, trusted_sha256
from resources.model_registry.waits import WAITS, read_waits


@dataclass(frozen=True)
class Month:
    """One partition's history; None where there is no value.

    Attributes
    ----------
    n_rows, n_quarantined
        Rows of the datasets that passed, and that were put aside.
    quality
        Worst quality score of the partition's datasets, in [0, 1].
    estimated, realised
        The metric estimated without labels, and realised with them.
    frozen
        The metric that the first model version would have realised, never retrained.
    unseen_share
        Share of the realised rows with a class that the model never saw, in [0, 1].
    model_version
        The version that served.
    trained, is_waiting
        What a training as of the partition came to; or that it waits for labels.
    """

    partition: str
    n_rows: int
    n_quarantined: int
    quality: float | None
    drift_score: float | None
    n_drifted: int | None
    estimated: float | None
    realised: float | None
    unseen_share: float | None
    frozen: float | None
    model_version: int | None
    is_retrain_requested: bool
    headline: str
    explanation: str
    trained: str
    is_waiting: bool


def history(pipeline: Pipeline, connections: Connections) -> tuple[Month, ...]:
    """Read a pipeline's history from the lake, oldest partition first."""
    table = pipeline.table("drift_decisions")
    if not connections.lake.has(table):
        return ()
    decisions = sorted(connections.lake.read(table).to_pylist(), key=lambda row: str(row["partition"]))
    passed = _rows_by_partition(pipeline, connections.lake, "profiled")
    aside = _rows_by_partition(pipeline, connections.lake, "quarantine")
    judged = {str(row["partition"]): row["model_version"] for row in decisions if row["realised"] is not None}
    frozen = never_retrained(pipeline, connections, judged)
    trained = {
        entry.partition: f"v{entry.version} {entry.action}"
        for entry in read_ledger(connections.lake, pipeline.name)
        # Archived and rebuilt versions are no news of the month.
        if entry.action not in ("archived", "reproduced")
    }
    waiting = {wait.partition for wait in read_waits(connections.lake, pipeline.name)}
    return tuple(
        Month(
            partition=key,
            n_rows=passed.get(key, 0),
            n_quarantined=aside.get(key, 0),
            quality=row["quality_score"],
            drift_score=row["drift_score"],
            n_drifted=row["n_drifted"],
            estimated=row["estimated"],
            realised=row["realised"],
            # A lake of an earlier release has not counted them.
            unseen_share=(row.get("n_unseen") or 0) / row["n_labelled"] if row["n_labelled"] else None,
            frozen=frozen.get(key),
            model_version=row["model_version"],
            is_retrain_requested=bool(row["is_retrain_requested"]),
            headline=lead_of(row.get("headline") or "", row["reason"] or ""),
            explanation=str(row["explanation"]),
            trained=trained.get(key, ""),
            is_waiting=key in waiting and key not in trained,
        )
        for row in decisions
        for key in [str(row["partition"])]
    )


def _rows_by_partition(pipeline: Pipeline, lake: Lake, stage: str) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table(stage, name)
        if dataset.is_partitioned and lake.has(table):
            for key, n_rows in lake.snapshot(table).rows_by_partition.items():
                counts[key] = counts.get(key, 0) + n_rows
    return counts


def never_retrained(
    pipeline: Pipeline, connections: Connections, served: Mapping[str, int]
) -> Mapping[str, float]:
    """Score every partition with the first promoted version: what a model that is never retrained realises.

    Parameters
    ----------
    pipeline, connections
        The pipeline, and where its tables are.
    served
        The version that scored each partition whose realised metric is known.

    Returns
    -------
    Mapping[str, float]
        The metric by partition. Features and labels are those of the report, so that the two columns
        differ by the model alone.
    """
    if pipeline.spec.target is None:
        return {}
    promoted = [entry for entry in read_ledger(connections.lake, pipeline.name) if entry.action == "promoted"]
    if not promoted:
        return {}
    first = promoted[0].version
    version = connections.registry.version(pipeline.name, first)
    sha256 = trusted_sha256(read_ledger(connections.lake, pipeline.name), first)
    content = connections.registry.model_file(pipeline.name, first, sha256=sha256)
    model = model_from_bytes(content, ledger_sha256=sha256)
    metrics = {}
    for key, served_by in served.items():
        rows = _labelled_predictions(pipeline, connections, key, served_by)
        if rows.num_rows and len(rows["label"].unique()) > 1:
            labels = label_indices(rows["label"], model.problem, model.classes)
            scored = Scored(labels=labels, scores=model.score(rows))
            metrics[key] = metric_value(version.metric, scored)  # type: ignore[arg-type]  # registered from the spec
    return metrics


def _labelled_predictions(pipeline: Pipeline, connections: Connections, key: str, version: int) -> pa.Table:
    """Join a version's predictions with the labels that became known in a partition, of earlier ones too."""
    predictions = connections.lake.snapshot(pipeline.table("predictions"))
    labels = connections.lake.snapshot(pipeline.table("labels"))
    window = partitioning(pipeline.spec.partitions).window(key)
    keys = [
        partition
        for partition in (*late_partitions(pipeline, window, predictions), key)
        if partition in labels.partitions
    ]
    columns = ", ".join(f"p.{quote_identifier(name)}" for name in predictions.schema.names)
    start, end = (
        f"TIMESTAMPTZ {quote_literal(instant.isoformat())}" for instant in (window.start, window.end)
    )
    with connections.engine.connect() as connection:
        return connection.sql(
            f"SELECT {columns}, l.label FROM {scan(predictions, keys)} p JOIN {scan(labels, keys)} l "
            # With the instant: a key may come again in another partition, as it does in every load of a snapshot.
            "ON p.row_id = l.row_id AND p.event_timestamp = l.event_timestamp "
            f"WHERE p.model_version = {version} AND l.label IS NOT NULL "
            f"AND l.label_time >= {start} AND l.label_time < {end} ORDER BY p.row_id, p.event_timestamp"
        ).to_arrow_table()


def print_history(pipeline: Pipeline, connections: Connections, console: Console) -> None:
    """Print the history as a table, with means and a line on what retraining gained."""
    months = history(pipeline, connections)
    target = pipeline.spec.target
    metric = pipeline.spec.model.metric or (default_metric(target.problem) if target else "")
    names = ["partition", "rows", "quarantined", "quality", "drift"]
    if target is not None:
        names += [f"{metric} estimated", "realised", "never retrained", "served by", "retrain"]
    table = Table(title=f"{pipeline.name}: what happened", title_justify="left", header_style="bold")
    for name in names:
        table.add_column(name, justify="left" if name in ("partition", "retrain") else "right")
    for month in months:
        table.add_row(*map(Text, _cells(month)[: len(names)]))
    console.print(table)
    for month in months:
        why = without_headline(month.explanation, month.headline)
        console.print(f"  {month.partition}  {month.headline} {why}", highlight=False, markup=False)
    scored = [month for month in months if month.realised is not None]
    if scored:
        n_trained = sum(1 for month in months if month.trained)
        console.print(
            f"\n{metric} over {len(scored)} scored partitions: realised {_mean(scored, 'realised')}, "
            f"estimated {_mean(scored, 'estimated')}, never retrained {_mean(scored, 'frozen')}; "
            f"{n_trained} trainings.",
            highlight=False,
            markup=False,
        )


def _mean(months: Sequence[Month], name: str) -> str:
    values = [value for month in months if (value := getattr(month, name)) is not None]
    return f"{float(np.mean(values)):.4f}" if values else "n/a"


def _cells(month: Month) -> tuple[str, ...]:
    drift = "" if month.drift_score is None else f"{month.drift_score:.2f} ({month.n_drifted or 0})"
    return (
        month.partition,
        f"{month.n_rows:,}",
        f"{month.n_quarantined:,}",
        _number(month.quality),
        drift,
        _number(month.estimated),
        _realised(month),
        _number(month.frozen),
        f"v{month.model_version}" if month.model_version else "",
        month.trained or (WAITS if month.is_waiting else "asked" if month.is_retrain_requested else ""),
    )


def _realised(month: Month) -> str:
    share = f" ({share_text(month.unseen_share)} unseen)" if month.unseen_share else ""
    return _number(month.realised) + share


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"
