"""From a rehearsal to what a preview shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from assets.features.view_sql import feature_names
from declaration.model import CandidateSpec
from declaration.names import EVENT_TIMESTAMP
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.target import ProblemType, TargetSpec
from driftline.preview.columns import NOT_FEATURES, plan
from driftline.preview.datasets import column_facts, count, dataset_finding, short
from driftline.preview.findings import (
    AssetLine,
    ColumnFacts,
    DatasetFinding,
    Preview,
    TargetFinding,
    ViewFinding,
)
from driftline.preview.growing import growing_calendar
from driftline.preview.rehearsal import Rehearsal, StageFinding
from driftline.preview.source_types import word
from learning.algorithms.own import OwnEstimatorError
from learning.algorithms.table import ALGORITHMS, algorithm_of
from learning.preprocess.reading import PreprocessError
from learning.preprocess.text import ColumnText, planned_texts
from learning.single_column import MIN_CLASS_ROWS, MIN_ROWS, known_truth
from pipelines.graph.stages import stages
from resources.lake.lake import PARTITION_COLUMN, scan

NOT_MADE = "not made: it reads what would stop"
N_CLASSES = 5

TOO_FEW = f"that takes {MIN_ROWS} labels, {MIN_CLASS_ROWS} of them outside the most frequent class"


_Steps = tuple[ColumnText, ...]


def summary(rehearsal: Rehearsal, windows: Sequence[Window], *, clock: datetime) -> Preview:
    """Gather everything that a preview shows.

    Parameters
    ----------
    rehearsal
        What was rehearsed.
    windows
        All partitions that are complete.
    clock
        The instant that counts as now.
    """
    spec = rehearsal.pipeline.spec
    datasets = tuple(dataset_finding(rehearsal, name) for name in spec.datasets)
    steps = _preprocessing(rehearsal)
    return Preview(
        name=rehearsal.pipeline.name,
        description=spec.description,
        partitions=tuple(_partitions(rehearsal, windows, clock)),
        graph=tuple(_graph(rehearsal.pipeline)),
        datasets=datasets,
        views=tuple(_view(rehearsal, name) for name in spec.features),
        target=_target(rehearsal, spec.target, steps, windows[-1]) if spec.target is not None else None,
        stops=tuple(_stops(rehearsal, datasets, steps)),
    )


def _partitions(rehearsal: Rehearsal, windows: Sequence[Window], clock: datetime) -> Iterator[str]:
    spec = rehearsal.pipeline.spec.partitions
    if spec.every == "load":
        yield f"A snapshot: each changed state of the source is a load; the present one is {windows[0].key}."
    else:
        yield f"{len(windows):,} partitions of one {partitioning(spec).length} are complete: {windows[0].key} to {windows[-1].key}."
    yield f"Rehearsed here: {', '.join(window.key for window in rehearsal.windows)}."
    yield _next_refresh(rehearsal.pipeline, windows, clock)


def _next_refresh(pipeline: Pipeline, windows: Sequence[Window], clock: datetime) -> str:
    spec = pipeline.spec
    zone = spec.partitions.timezone
    if spec.schedule is not None:
        return f"Refreshed by the schedule '{spec.schedule}' ({zone})."
    if not partitioning(spec.partitions).ends_by_clock:
        return "Refreshed when the source has changed."
    end = spec.partitions.end
    if end is not None and windows[-1].end >= (end if end.tzinfo else end.replace(tzinfo=ZoneInfo(zone))):
        return f"No further partition: they end with {windows[-1].key}."
    following = partitioning(spec.partitions).overlapping(clock, clock)
    due = next((window.end for window in following if window.end > clock), None)
    if due is None:
        return f"Refreshed at the end of every {spec.partitions.every}."
    return f"Refreshed at the end of every {spec.partitions.every}; next {due.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})."


def _graph(pipeline: Pipeline) -> Iterator[AssetLine]:
    for stage in stages(pipeline):
        elsewhere = [key.to_user_string() for key in stage.elsewhere]
        reads = ", ".join(filter(None, [_reads(tuple(stage.deps)), *elsewhere]))
        yield AssetLine(stage.path[0], "/".join(stage.path[1:]), reads, stage.is_partitioned)


def _reads(paths: Sequence[tuple[str, ...]]) -> str:
    """Name what a stage reads; many views are counted."""
    views = [path for path in paths if path[0] == "features"]
    if len(views) <= 2:
        return ", ".join("/".join(path) for path in paths)
    others = ["/".join(path) for path in paths if path not in views]
    return ", ".join([*others, f"{len(views)} feature views"])


def _stops(
    rehearsal: Rehearsal, datasets: Sequence[DatasetFinding], steps: Mapping[str, _Steps | str]
) -> Iterator[str]:
    for finding in rehearsal.findings:
        if finding.error:
            yield f"{'/'.join(finding.path)}: {finding.error}"
    for dataset in datasets:
        for rule in dataset.rules:
            if rule.blocks:
                yield f"profiled/{dataset.name}: the blocking rule {rule.rule} fails. {rule.detail}"
    for name, columns in steps.items():
        if isinstance(columns, str):
            yield f"model, candidate {name}: {columns}"


def _view(rehearsal: Rehearsal, name: str) -> ViewFinding:
    view, finding = rehearsal.pipeline.spec.features[name], rehearsal.finding("features", name)
    if finding is None or finding.outcome is None:
        return ViewFinding(name, view.about, view.description, (), (), finding.error if finding else NOT_MADE)
    facts = finding.outcome.metadata
    counts = [f"{count(facts, 'n_rows'):,} rows", f"{count(facts, 'n_features')} features"]
    if n_dropped := count(facts, "n_rows_without_key"):
        counts.append(f"{n_dropped:,} rows without key left out")
    counts.append(f"look-ahead: {facts['leakage']}")
    if unchecked := facts["leakage_unchecked"]:
        counts.append(f"not checked after {unchecked}")
    return ViewFinding(name, view.about, view.description, tuple(counts), _view_columns(rehearsal, name), "")


def _view_columns(rehearsal: Rehearsal, name: str) -> tuple[ColumnFacts, ...]:
    """Show a view's keys and instant with the first rows of its features."""
    snapshot = rehearsal.connections.lake.snapshot(rehearsal.pipeline.table("features", name))
    keys = rehearsal.pipeline.spec.view_keys(name)
    relation = scan(snapshot, [rehearsal.windows[-1].key])
    with rehearsal.connections.engine.connect() as connection:
        described = connection.sql(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        types = {row[0]: word(row[1]) for row in described if row[0] != PARTITION_COLUMN}
        features = feature_names(list(types), keys)
        facts = column_facts(connection, relation, [*keys, EVENT_TIMESTAMP, *features])
    roles = {**dict.fromkeys(keys, "key"), EVENT_TIMESTAMP: "instant"}
    return tuple(
        ColumnFacts(feature, roles.get(feature, "feature"), types[feature], *facts[feature])
        for feature in facts
    )


def _target(
    rehearsal: Rehearsal, target: TargetSpec, steps: Mapping[str, _Steps | str], newest: Window
) -> TargetFinding:
    labels = rehearsal.finding("labels")
    counts = tuple(_label_counts(labels, rehearsal.label, target.problem)) if labels is not None else ()
    is_featured = rehearsal.rows is not None and rehearsal.label is not None
    growth = dict(growing_calendar(rehearsal.pipeline.spec, newest))
    return TargetFinding(
        problem=target.problem,
        label=target.label,
        counts=counts,
        plans=plan(rehearsal.rows, rehearsal.label, target, growth) if is_featured else (),
        models={
            one.label: ALGORITHMS[one.use].preprocessing
            for one in rehearsal.pipeline.spec.model.competitors
            if not _is_prepared(one)
        },
        error=labels.error if labels is not None else NOT_MADE,
        preprocessing={name: columns for name, columns in steps.items() if not isinstance(columns, str)},
    )


def _is_prepared(candidate: CandidateSpec) -> bool:
    """Tell whether a candidate's features are prepared outside its algorithm."""
    return candidate.preprocess is not None or candidate.is_own


def _preprocessing(rehearsal: Rehearsal) -> Mapping[str, _Steps | str]:
    """Return the steps of each candidate that prepares its features, or why it cannot."""
    if rehearsal.rows is None:
        return {}
    names = sorted(name for name in rehearsal.rows.column_names if name not in NOT_FEATURES)
    steps: dict[str, _Steps | str] = {}
    for candidate in filter(_is_prepared, rehearsal.pipeline.spec.model.competitors):
        try:
            steps[candidate.label] = planned_texts(
                candidate,
                algorithm_of(candidate, rehearsal.pipeline.folder),
                rehearsal.rows,
                names,
                rehearsal.pipeline.spec.partitions.timezone,
            )
        except (PreprocessError, OwnEstimatorError) as error:
            steps[candidate.label] = str(error)
    return steps


def _label_counts(labels: StageFinding, truth: pa.ChunkedArray | None, problem: ProblemType) -> Iterator[str]:
    facts = labels.outcome.metadata if labels.outcome is not None else {}
    if not facts:
        return
    if not facts["n_rows"]:
        yield "no row to predict in this partition"
        return
    first, last = facts["first_prediction"], facts["last_prediction"]
    yield f"{count(facts, 'n_rows'):,} rows to predict, from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    yield f"{count(facts, 'n_labelled'):,} with a label, {count(facts, 'n_known_at_end'):,} of them known when the partition ends"
    if truth is None:
        return
    if known_labels := truth.drop_null():
        yield _shares(known_labels)
    if not known_truth(truth.combine_chunks(), problem).proves_something:
        yield f"leaks were not looked for: {TOO_FEW}. Rehearse more partitions with --partitions"


def _shares(labels: pa.ChunkedArray) -> str:
    if pa.types.is_floating(labels.type):
        low, middle, high = (short(value.as_py()) for value in pc.quantile(labels, q=[0, 0.5, 1]))
        return f"labels from {low} to {high}, median {middle}"
    counted = sorted(
        (-entry["counts"], str(entry["values"])) for entry in pc.value_counts(labels).to_pylist()
    )
    shares = ", ".join(f"{short(value)} {-n / len(labels):.1%}" for n, value in counted[:N_CLASSES])
    return f"labels: {shares}" + (f" and {len(counted) - N_CLASSES} more" if len(counted) > N_CLASSES else "")
