"""Compile a declaration into one Dagster lineage graph.

Every asset is the same thin wrapper around a stage's `materialize_*` function; what differs
is written down once, in `_stages`.
"""

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel

from assets.drift_report.asset import materialize_drift_report
from assets.features.asset import materialize_features
from assets.features.view_sql import tables_read
from assets.labels.asset import materialize_labels
from assets.materialization import CheckOutcome, Outcome, Pipeline, Scope
from assets.model.asset import materialize_model
from assets.predictions.asset import materialize_predictions
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from assets.raw.loads import load_to_read, newest_load
from assets.training_set.asset import materialize_training_set
from expectations.names import expectation_names
from pipelines.spec import DatasetSpec, PartitionsSpec
from pipelines.windows import KEY_FORMATS, Window, window

if TYPE_CHECKING:
    from dagster._core.definitions.metadata import RawMetadataValue

FAR_BACK = 120
"""Partitions that 'everything so far' reaches back at most: lineage only, training reads all."""

REASON_TAG = "driftline/reason"
"""Run tag that says why a run was asked for."""


STAGES = logging.getLogger("driftline.stages")
"""Gets a line when a stage begins; replay shows it as progress."""


@dataclass(frozen=True)
class Stage:
    """One asset before it is Dagster's: what it is called, reads, runs and shows."""

    path: tuple[str, ...]
    run: Callable[..., Outcome]
    resources: Collection[str]
    code: Sequence[object]
    """The parts of the declaration that its result depends on."""
    description: str
    kinds: Collection[str]
    deps: Mapping[tuple[str, ...], dg.PartitionMapping | None] = field(default_factory=dict)
    is_partitioned: bool = True
    checks: Sequence[dg.AssetCheckSpec] = ()


def build_pipeline(pipeline: Pipeline) -> dg.Definitions:
    """Turn one declaration into its assets and checks."""
    partitions = partitions_of(pipeline)
    return dg.Definitions(assets=[_asset(pipeline, stage, partitions) for stage in _stages(pipeline)])


def partitions_of(pipeline: Pipeline) -> dg.PartitionsDefinition | None:
    """Return Dagster's partitions of a pipeline: of time, of rows as they arrive, or none for loads.

    A load is what a run finds: its assets are materialized without choosing a partition.
    """
    spec = pipeline.spec.partitions
    if spec.every == "load":
        return None
    if spec.every == "rows":
        return dg.DynamicPartitionsDefinition(name=row_partitions_name(pipeline.name))
    return partitions_definition(spec)


def row_partitions_name(pipeline: str) -> str:
    """Name the partitions of rows in Dagster's instance."""
    return f"driftline_{pipeline}_rows"


def partitions_definition(spec: PartitionsSpec) -> dg.TimeWindowPartitionsDefinition:
    """Return Dagster's partitions for a declared cadence of time."""
    crons = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"}
    return dg.TimeWindowPartitionsDefinition(
        start=spec.start,
        end=spec.end,
        timezone=spec.timezone,
        fmt=KEY_FORMATS[spec.every],
        cron_schedule=crons[spec.every],
    )


def _stages(pipeline: Pipeline) -> Iterable[Stage]:
    spec = pipeline.spec
    for name, dataset in spec.datasets.items():
        yield from _dataset_stages(name, dataset)
    for name, view in spec.features.items():
        back = _partitions_in(spec.partitions, view.lookback.total_seconds())
        yield Stage(
            path=("features", name),
            run=partial(_named, materialize_features, name),
            resources=("lake", "engine", "feature_store"),
            code=(view, spec.entities[view.entity], _sql_behind(pipeline, pipeline.sql[view.sql])),
            description=view.description or f"Feature view `{name}` of entity `{view.entity}`.",
            kinds=("feast", "duckdb", "sql"),
            deps={
                ("profiled", dataset): _looking_back(spec.datasets[dataset], back)
                for dataset in _datasets_behind(pipeline, pipeline.sql[view.sql])
            },
        )
    target_datasets = _datasets_behind(pipeline, f'SELECT * FROM "{spec.target.dataset}"')
    yield Stage(
        path=("labels",),
        run=materialize_labels,
        resources=("lake", "engine"),
        code=(spec.target, spec.entities, _sql_behind(pipeline, f'SELECT * FROM "{spec.target.dataset}"')),
        description="Prediction instants, entity keys and labels with the instant at which each became known.",
        kinds=("duckdb", "delta"),
        deps={("profiled", d): _looking_back(spec.datasets[d], 0) for d in target_datasets},
    )
    history = _so_far(spec.model.train_window)
    yield Stage(
        path=("training_set",),
        run=materialize_training_set,
        resources=("lake", "engine", "feature_store"),
        code=(spec.target, spec.features, spec.model.train_window),
        description="Labels known as of the partition's end, joined with features as of each prediction instant.",
        kinds=("feast", "delta"),
        deps={("labels",): history, **{("features", view): history for view in spec.features}},
    )
    yield Stage(
        path=("model",),
        run=materialize_model,
        resources=("lake", "engine", "registry"),
        code=(spec.model, spec.target.problem),
        description="Candidates trained and compared; the challenger's version in MLflow and the gate's verdict.",
        kinds=("scikitlearn", "mlflow"),
        deps={("training_set",): None},
    )
    before = _partitions_from(-1, to=-1)
    yield Stage(
        path=("predictions",),
        run=materialize_predictions,
        resources=("lake", "engine", "registry", "feature_store"),
        code=(spec.target.dataset, spec.target.prediction_time),
        description="The champion's score of every row of the partition.",
        kinds=("scikitlearn", "feast"),
        deps={
            ("labels",): None,
            ("model",): before,
            **{("features", v): _looking_back_partitions(1) for v in spec.features},
        },
    )
    yield Stage(
        path=("drift_report",),
        run=materialize_drift_report,
        resources=("lake", "engine", "registry", "reports"),
        code=(spec.drift, spec.retrain),
        description="The partition against the champion's reference: drift, performance, and whether to retrain.",
        kinds=("scipy", "html"),
        deps={("predictions",): None, ("labels",): None, ("model",): before},
    )


def _dataset_stages(name: str, dataset: DatasetSpec) -> Iterable[Stage]:
    yield Stage(
        path=("raw", name),
        run=partial(_named, materialize_raw, name),
        resources=("lake", "engine"),
        code=(dataset.source, dataset.columns, dataset.event_time),
        description=dataset.description or f"Rows of `{name}` as read, typed.",
        kinds=(dataset.source.type, "delta"),
        is_partitioned=dataset.is_partitioned,
    )
    names = expectation_names(dataset.expectations)
    yield Stage(
        path=("profiled", name),
        run=partial(_named, materialize_profiled, name),
        resources=("lake", "engine", "validation"),
        code=(dataset,),
        description=f"Rows of `{name}` that met the expectations, with their profile and quality score.",
        kinds=("greatexpectations", "delta"),
        deps={("raw", name): None},
        is_partitioned=dataset.is_partitioned,
        checks=[
            dg.AssetCheckSpec(
                check_name,
                asset=dg.AssetKey("placeholder"),
                description=_describe(expectation.expect, expectation.arguments),
                blocking=expectation.on_failure == "block",
            )
            for check_name, expectation in zip(names, dataset.expectations, strict=True)
        ],
    )


def _named(
    materialize: Callable[..., Outcome], name: str, pipeline: Pipeline, scope: Scope, **resources: object
) -> Outcome:
    return materialize(pipeline, name, scope, **resources)


def _describe(expectation: str, arguments: Mapping[str, object]) -> str:
    listed = ", ".join(f"{key} = {value!r}" for key, value in arguments.items())
    return f"expect_{expectation}({listed})"


def _looking_back(dataset: DatasetSpec, back: int) -> dg.PartitionMapping | None:
    return _looking_back_partitions(back) if dataset.is_partitioned else None


def _looking_back_partitions(back: int) -> dg.PartitionMapping | None:
    if back == 0:
        return None
    return _partitions_from(-back)


def _partitions_from(start: int, *, to: int = 0) -> dg.TimeWindowPartitionMapping:
    """Depend on the partitions from `start` to `to`, counted from one's own; the first ones have fewer."""
    with warnings.catch_warnings():
        # Beta in Dagster 1.13, and the only way to let the first partition depend on none.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=start, end_offset=to, allow_nonexistent_upstream_partitions=True
        )


def _so_far(train_window: int | None) -> dg.PartitionMapping | None:
    back = FAR_BACK if train_window is None else train_window - 1
    return _looking_back_partitions(min(back, FAR_BACK))


def _partitions_in(spec: PartitionsSpec, seconds: float) -> int:
    """Count the partitions that a look back of some seconds reaches into."""
    if not spec.is_calendar:
        return 1
    lengths = {"hour": 3_600, "day": 86_400, "week": 604_800, "month": 28 * 86_400}
    return -int(-seconds // lengths[spec.every])


def _datasets_behind(pipeline: Pipeline, sql: str) -> tuple[str, ...]:
    """List the datasets that a query reads, through named queries."""
    found: dict[str, None] = {}
    waiting = list(tables_read(sql))
    seen: set[str] = set()
    while waiting:
        table = waiting.pop(0)
        if table in seen:
            continue
        seen.add(table)
        if table in pipeline.spec.datasets:
            found[table] = None
        elif table in pipeline.spec.queries:
            waiting.extend(tables_read(pipeline.sql[pipeline.spec.queries[table]]))
    return tuple(found)


def _sql_behind(pipeline: Pipeline, sql: str) -> str:
    """Return a query with the named queries it reads; its code is theirs too."""
    parts, waiting, seen = [sql], list(tables_read(sql)), set[str]()
    while waiting:
        table = waiting.pop(0)
        if table in pipeline.spec.queries and table not in seen:
            seen.add(table)
            text = pipeline.sql[pipeline.spec.queries[table]]
            parts.append(text)
            waiting.extend(tables_read(text))
    return "\n".join(parts)


def code_version(parts: Sequence[object]) -> str:
    """Fingerprint the parts of a declaration that an asset's result depends on."""
    plain = json.dumps([_plain(part) for part in parts], sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _asset(
    pipeline: Pipeline,
    stage: Stage,
    partitions: dg.PartitionsDefinition | None,
) -> dg.AssetsDefinition:
    key = dg.AssetKey([pipeline.name, *stage.path])
    checks = [spec._replace(asset_key=key) for spec in stage.checks]

    @dg.asset(
        key=key,
        deps=[
            dg.AssetDep(dg.AssetKey([pipeline.name, *path]), partition_mapping=_mapping(mapping, partitions))
            for path, mapping in stage.deps.items()
        ],
        partitions_def=partitions if stage.is_partitioned else None,
        group_name=pipeline.name,
        kinds=set(stage.kinds),
        owners=list(pipeline.spec.owners),
        tags={**pipeline.spec.tags, "driftline/stage": stage.path[0]},
        code_version=code_version(stage.code),
        description=stage.description,
        check_specs=checks,
        required_resource_keys=set(stage.resources),
        op_tags={"driftline/pipeline": pipeline.name},
    )
    # Dagster recognises the bare class only, not its parametrized form.
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resources = {name: getattr(context.resources, name) for name in stage.resources}
        STAGES.info("%s", "/".join(stage.path))
        started = time.process_time()
        outcome = stage.run(pipeline=pipeline, scope=_scope(context, pipeline, stage), **resources)
        return _result(outcome, key, cpu_s=time.process_time() - started)

    return materialize


def _mapping(
    declared: dg.PartitionMapping | None,
    partitions: dg.PartitionsDefinition | None,
) -> dg.PartitionMapping | None:
    """Return how partitions depend on each other; Dagster knows no order of rows, so there it is all on all."""
    if declared is None or partitions is None:
        return None
    return declared if isinstance(partitions, dg.TimeWindowPartitionsDefinition) else dg.AllPartitionMapping()


def _scope(context: dg.AssetExecutionContext, pipeline: Pipeline, stage: Stage) -> Scope:
    return Scope(
        window=_window(context, pipeline, stage),
        run_id=context.run.run_id,
        clock=datetime.now(UTC),
        reason=context.run.tags.get(REASON_TAG, "refresh"),
    )


def _window(context: dg.AssetExecutionContext, pipeline: Pipeline, stage: Stage) -> Window | None:
    if not stage.is_partitioned:
        return None
    spec = pipeline.spec.partitions
    if spec.every != "load":
        return window(spec, context.partition_key)
    # The first stage finds out which load it is; the others follow the lake.
    find = load_to_read if stage.path[0] == "raw" else newest_load
    return find(pipeline, context.resources.lake)


def _result(outcome: Outcome, key: dg.AssetKey, *, cpu_s: float) -> dg.MaterializeResult[None]:
    metadata: dict[str, RawMetadataValue] = {
        name: _metadata_value(value) for name, value in outcome.metadata.items() if value is not None
    }
    metadata["cpu_s"] = round(cpu_s, 3)
    metadata |= {name: dg.MetadataValue.md(text) for name, text in outcome.markdown.items()}
    for name, rows in outcome.tables.items():
        if rows:
            metadata[name] = dg.MetadataValue.table(
                [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows]
            )
    return dg.MaterializeResult(
        asset_key=key,
        metadata=metadata,
        data_version=dg.DataVersion(outcome.data_version),
        check_results=[_check(check, key) for check in outcome.checks],
    )


def _metadata_value(value: Any) -> "RawMetadataValue":
    if isinstance(value, datetime):
        return dg.MetadataValue.timestamp(value)
    if isinstance(value, bool | int | float | str):
        return value
    return dg.MetadataValue.json(value)


def _cell(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _check(check: CheckOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "critical" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=bool(check.is_passed),
        severity=severity,
        description=check.description,
        metadata={
            name: _metadata_value(value) for name, value in check.metadata.items() if value is not None
        },
    )
