"""Reads of one window: its pinned tables, the findings in them, and the circumstances of the decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from assets.drift_report.estimate_record import outcome_in
from assets.drift_report.judgement import Circumstances
from assets.drift_report.signal_tables import LOSS_BLOCKS, losses_from_rows
from assets.drift_report.support_table import TRAINING_SUPPORT, support_table
from assets.drift_report.tables_read import read_earlier_windows, read_kept_relations, read_kept_sketch
from assets.drift_report.version_inputs import count_realised, known_of_entities, read_record, read_support
from declaration.choices import default_metric
from declaration.decisions import CostSpec, ThresholdSpec
from declaration.lake_table import LakeTable
from declaration.model import Metric
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.sql import quote_literal
from declaration.target_sql import sliceable_columns
from drift.columns.verdict import SCORE_COLUMN
from drift.examination import build_reference, build_relations, examine
from drift.extrapolation.outside import TrainingSupport
from drift.extrapolation.scan import count_outside, learn_support
from drift.findings import Findings, Relations, ScoringModel, incomparable, unscored
from drift.performance.labelled_rows import count_rows, labels_known, scored_labels
from drift.performance.open_loss import OpenLoss
from drift.performance.realised_coverage import columns_of, declared_coverage
from drift.season.table import CO_MOMENTS, co_moment_table
from drift.season.verdict import UNRELATED
from drift.sketch.table import SKETCHES, sketch_table
from learning.metrics import Floats
from learning.score_columns import PREDICTED_LABEL
from resources.lake.lake import Lake, Snapshot, scan
from resources.model_registry.ledger import CONFIRMED_LOSS, GATE, Decision
from resources.model_registry.open_approval import OpenApproval, approval_text
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelVersion
from resources.model_registry.waits import Wait

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LABEL_LOOKBACK = 12
"""Earlier partitions whose predictions are looked up for labels that arrived in this window; more where labels are declared later."""


N_RECENT = 7
"""Windows before a window with too few labels that are judged together with it."""


@dataclass(frozen=True)
class Inputs:
    """The pinned tables of one report."""

    predictions: Snapshot
    labels: Snapshot
    training: Snapshot | None = None
    holdout: Snapshot | None = None

    @property
    def reads(self) -> list[str]:
        """Name tables and versions."""
        tables = (self.predictions, self.labels, self.training, self.holdout)
        return [f"{table.table}@{table.version}" for table in tables if table is not None]


@dataclass(frozen=True)
class Examined:
    """Findings of a window, and the tables they come from; `new_tables` are the version's reference where none was kept."""

    inputs: Inputs
    findings: Findings
    new_tables: tuple[tuple[LakeTable, pa.Table], ...] = ()


def examine_window(
    pipeline: Pipeline,
    window: Window,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    registry: ModelRegistry,
    *,
    serving: int | None,
) -> Examined:
    """Compare a partition with what the model version that scored it has learned from; writes nothing.

    Parameters
    ----------
    pipeline, window
        The pipeline and the window.
    lake, connection, registry
        Where tables and models are read.
    serving
        The champion's version: it scored a partition without rows, which cannot tell.

    Returns
    -------
    Examined
        Without a champion where nobody serves.
    """
    spec = pipeline.spec
    predictions = lake.snapshot(pipeline.table("predictions"))
    labels = lake.snapshot(pipeline.table("labels"))
    scored = connection.sql(f"SELECT max(model_version) FROM {scan(predictions, [window.key])}").fetchall()
    number = serving if scored[0][0] is None else scored[0][0]
    if number is None:
        metric = spec.model.metric or default_metric(spec.learned.problem)
        return Examined(Inputs(predictions, labels), unscored(metric))
    version = registry.version(pipeline.name, number)
    champion = _champion(version)
    training = _training_set(pipeline, version, lake)
    inputs = Inputs(predictions, labels, training, lake.snapshot(pipeline.table("holdout_scores")))
    if training is not None and spec.learned.problem == "multiclass" and not version.classes:
        champion = replace(champion, classes=_classes(training, version, connection))
    key, names = str(version.version), version.feature_names
    reference = read_kept_sketch(pipeline, key, lake, connection)
    has_features = set(version.feature_names) <= set(predictions.schema.names)
    if training is None and (reference is None or not has_features):
        n_current = count_rows(connection, scan(predictions, [window.key]))
        return Examined(inputs, incomparable(champion, n_current))
    relations = replace(
        _relations(pipeline, window, version, inputs, has_features=has_features),
        known=known_of_entities(pipeline, window, labels, connection),
    )
    has_calendar = partitioning(spec.partitions).ends_by_clock
    # Paid once per version.
    new: list[tuple[LakeTable, pa.Table]] = []
    if reference is None:
        reference = build_reference(connection, relations, names)
        new.append((SKETCHES, sketch_table(version.version, reference)))
    season = read_kept_relations(pipeline, key, lake, connection, reference, names)
    if season is None and training is not None:
        season = build_relations(connection, relations, reference, names, has_calendar=has_calendar)
        new.append((CO_MOMENTS, co_moment_table(version.version, season.scores, season.parts)))
    support, is_new = _support(pipeline, version, relations, lake, connection)
    if support is not None and is_new:
        new.append((TRAINING_SUPPORT, support_table(version.version, support)))
    record = read_record(pipeline, window, version.version, lake, connection)
    findings = examine(
        connection,
        relations,
        champion,
        reference,
        season or UNRELATED,
        problem=spec.learned.problem,
        drift=spec.drift,
        seed=spec.model.seed,
        has_calendar=has_calendar,
        earlier_losses=_earlier_losses(pipeline, window, version.version, lake, connection),
        estimate_outcomes=record.outcomes,
        extrapolation=None
        if support is None
        else count_outside(connection, relations.predictions, support, alpha=spec.drift.alpha),
        earlier=read_earlier_windows(pipeline, window, version.version, reference, lake, connection),
        since_us=round(window.start.timestamp() * 1e6),
        costs=_declared_costs(spec, predictions),
        covers=declared_coverage(spec.model, predictions.schema.names),
    )
    findings = replace(
        findings,
        estimate_outcome=outcome_in(
            window,
            record,
            findings.raw_estimate,
            findings.realised,
            version.holdout_metric,
            count_realised(
                labels,
                predictions,
                window,
                late_partitions(pipeline, window, predictions),
                version.version,
                connection,
            ),
        ),
    )
    return Examined(inputs, findings, tuple(new))


def _earlier_losses(
    pipeline: Pipeline, window: Window, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> list[Floats]:
    """Read the block losses of the windows before this one that the same model version scored."""
    table = LOSS_BLOCKS.of(pipeline.name)
    if not lake.has(table):
        return []
    snapshot = lake.snapshot(table)
    earlier = [key for key in snapshot.partitions if key < window.key]
    rows = connection.sql(f"SELECT * FROM {scan(snapshot, earlier)} WHERE model_version = {version}")
    return losses_from_rows(rows.to_arrow_table().to_pylist())


def _champion(version: ModelVersion) -> ScoringModel:
    metric: Metric = version.metric  # type: ignore[assignment]  # Declared, and written by the model stage.
    return ScoringModel(
        version=version.version,
        algorithm=version.made_by,
        trained_as_of=version.training_partition,
        metric=metric,
        holdout_metric=version.holdout_metric,
        features=version.feature_names,
        importances=version.importances,
        classes=version.classes,
        run_id=version.run_id,
        error_scale=version.error_scale,
    )


def _classes(
    training: Snapshot, version: ModelVersion, connection: duckdb.DuckDBPyConnection
) -> tuple[str, ...]:
    """List the labels that a version of an older registry tells apart: all of its training set's, though it learned from the newest rows alone."""
    rows = connection.sql(
        f"SELECT DISTINCT CAST(label AS VARCHAR) FROM {scan(training, [version.training_partition])} WHERE label IS NOT NULL"
    ).fetchall()
    return tuple(sorted(row[0] for row in rows))


def _training_set(pipeline: Pipeline, version: ModelVersion, lake: Lake) -> Snapshot | None:
    """Return the training set that a version learned from; None where it was set aside to be built anew."""
    table = pipeline.table("training_set")
    if not lake.has(table) or lake.snapshot(table).version < version.training_table_version:
        return None
    learned_from = lake.snapshot(table, version.training_table_version)
    return learned_from if version.training_partition in learned_from.partitions else None


def _relations(
    pipeline: Pipeline, window: Window, version: ModelVersion, inputs: Inputs, *, has_features: bool
) -> Relations:
    """Name everything that is compared, and the labels of earlier partitions that arrived in this window."""
    problem, predictions = pipeline.spec.learned.problem, inputs.predictions
    assert inputs.holdout is not None
    # A multiclass model's output is watched as the class it names.
    output = f"prediction AS {SCORE_COLUMN}, " if problem == "multiclass" else ""
    training = None if inputs.training is None else _learned_rows(inputs.training, version)
    scored = scan(predictions, [window.key])
    if not has_features:
        # Nothing was scored since the first training: the table has no features yet.
        scored = (
            f"(SELECT t.*, h.* EXCLUDE (row_id, event_timestamp, label) FROM {training} AS t "
            f"JOIN {scan(inputs.holdout, [])} AS h USING (row_id, event_timestamp))"
        )
    earlier = late_partitions(pipeline, window, predictions)
    windows = [partitioning(pipeline.spec.partitions).window(key) for key in earlier[-N_RECENT:]]
    return Relations(
        predictions=f"(SELECT {output}* FROM {scored})",
        labels=_known_labels(window, inputs),
        realised=_scored_since(pipeline, window, version, inputs, earlier, window.start),
        training=training,
        holdout=f"(SELECT {output}* FROM {scan(inputs.holdout, [str(version.version)])})",
        recent=tuple(
            _scored_since(pipeline, window, version, inputs, earlier, before.start)
            for before in reversed(windows)
        ),
    )


def _known_labels(window: Window, inputs: Inputs) -> str:
    return labels_known(scan(inputs.labels, [window.key]), until=window.end)


def _scored_since(
    pipeline: Pipeline,
    window: Window,
    version: ModelVersion,
    inputs: Inputs,
    earlier: Sequence[str],
    since: datetime,
) -> str:
    """Name the labels that have become known since an instant, of this partition and of earlier ones, with a version's scores."""
    predictions, problem = inputs.predictions, pipeline.spec.learned.problem
    held_in = sliceable_columns(pipeline.spec)
    slices = [held_in[name] for name in pipeline.spec.drift.slices]
    covered = columns_of(declared_coverage(pipeline.spec.model, predictions.schema.names))
    decided = [name for name in predictions.schema.names if name in (PREDICTED_LABEL, *covered)]
    late = labels_known(scan(inputs.labels, earlier), until=window.end, since=since)
    now = scored_labels(
        _known_labels(window, inputs),
        scan(predictions, [window.key]),
        version.version,
        problem,
        slices,
        decided,
    )
    before = scored_labels(late, scan(predictions, earlier), version.version, problem, slices, decided)
    return f"(SELECT * FROM {now} UNION ALL SELECT * FROM {before})"


def _declared_costs(spec: PipelineSpec, predictions: Snapshot) -> ThresholdSpec | None:
    """Return the declared costs of mistakes; None without any, and where no model has decided by a threshold yet."""
    declared, problem = spec.model.threshold, spec.learned.problem
    if not isinstance(declared, ThresholdSpec) or declared.cost is None:
        return None
    if problem == "binary":
        return declared if PREDICTED_LABEL in predictions.schema.names else None
    # Costs of the two mistakes of a binary target are refused by the training of another.
    return declared if problem == "multiclass" and not isinstance(declared.cost, CostSpec) else None


def late_partitions(pipeline: Pipeline, window: Window, predictions: Snapshot) -> list[str]:
    """List the earlier partitions whose labels may arrive in a window."""
    delay = pipeline.spec.learned.label_delay
    delayed = partitioning(pipeline.spec.partitions).overlapping(window.start - delay, window.start)
    n_earlier = max(LABEL_LOOKBACK, len(delayed))
    return [key for key in predictions.partitions if key < window.key][-n_earlier:]


def _learned_rows(training: Snapshot, version: ModelVersion) -> str:
    """Name the rows that a version learned from: all of its training set, or the newest."""
    rows = scan(training, [version.training_partition])
    if version.learned_since is None:
        return rows
    since = quote_literal(version.learned_since.isoformat())
    return f"(SELECT * FROM {rows} WHERE event_timestamp >= CAST({since} AS TIMESTAMPTZ))"


def _support(
    pipeline: Pipeline,
    version: ModelVersion,
    relations: Relations,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[TrainingSupport | None, bool]:
    """Read the ranges that a version learned from, or compute them; return whether they are new.

    None where they are not kept and the training set is gone.
    """
    support = read_support(pipeline, version.version, lake, connection)
    if support is not None or relations.training is None:
        return support, False
    return learn_support(connection, relations.training, version.feature_names), True


def trainings_of(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """List the trainings of a ledger: what the gate has judged."""
    return tuple(entry for entry in decisions if entry.actor == GATE)


def read_circumstances(
    pipeline: Pipeline,
    window: Window,
    examined: Examined,
    connection: duckdb.DuckDBPyConnection,
    *,
    loss_before: OpenLoss | None,
    trainings: Sequence[Decision],
    waits: Sequence[Wait],
    approval: OpenApproval | None,
) -> Circumstances:
    """Count the labels that have become known, and put down what was trained and what waits.

    Parameters
    ----------
    pipeline, window, examined
        The window, and what it shows.
    connection
        Where the labels are counted.
    loss_before
        What was to be regained after the window before.
    trainings
        Trainings that had been judged by then.
    waits
        Trainings that were asked for by then and waited for labels.
    approval
        The challenger that waits for a person; None where none does.
    """
    labels, champion = examined.inputs.labels, examined.findings.champion
    until_now = scan(labels, [key for key in labels.partitions if key <= window.key])

    def n_labels_since(partition: str | None) -> int:
        since = (
            partitioning(pipeline.spec.partitions).window(partition).end if partition is not None else None
        )
        return count_rows(connection, labels_known(until_now, until=window.end, since=since))

    wait = _open_wait(trainings, waits)
    return Circumstances(
        # What the champion could not have learned from: labels that became known after its as-of instant.
        n_new_labels=n_labels_since(champion.trained_as_of if champion else None),
        loss_before=loss_before,
        newest_training=max((entry.partition for entry in trainings), default=None),
        trainings=frozenset(entry.partition for entry in trainings),
        loss_trainings=frozenset(
            entry.partition for entry in trainings if entry.reason.startswith(CONFIRMED_LOSS)
        ),
        waits=f"The training as of {wait.partition} waits for labels: {wait.needed}" if wait else "",
        n_labels_since_wait=n_labels_since(wait.partition)
        if wait and wait.spec_hash == pipeline.spec_hash
        else None,
        approval="" if approval is None else approval_text(approval, pipeline.name),
    )


def _open_wait(trainings: Sequence[Decision], waits: Sequence[Wait]) -> Wait | None:
    """Return the newest training that waits for labels, unless one was made since."""
    newest = max(waits, key=lambda wait: wait.instant, default=None)
    if newest is None or any(entry.instant > newest.instant for entry in trainings):
        return None
    return newest
