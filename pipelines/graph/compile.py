"""Compile a declaration into one Dagster lineage graph.

Every asset is the same thin wrapper around a stage's `materialize_*` function; what differs
is written down once, in `_stages`.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import BaseModel

from assets.materialization import CheckOutcome, Outcome, Scope, StageRun
from assets.raw.full_loads import load_to_read, newest_load
from declaration.partitioning import (
    CADENCE_CRONS,
    KEY_FORMATS,
    CalendarPartitions,
    LoadPartitions,
    Window,
    partitioning,
)
from declaration.partitions import PartitionsSpec
from declaration.pipeline import Pipeline
from pipelines.asset_keys import asset_key
from pipelines.graph.exclusive_runs import written_alone
from pipelines.graph.metadata import event_metadata, metadata_value
from pipelines.graph.stages import Stage, stages
from pipelines.graph.stores import DagsterStores
from pipelines.graph.trained_partitions import RETRAIN_STAGES, trained_partitions
from pipelines.lineage import Lineage, declared_lineage
from pipelines.lineage.table_columns import column_metadata
from resources.orchestrator.run_process import hold_run
from resources.postgres.lost_database import is_lost_database
from sources.progress import PROGRESS

if TYPE_CHECKING:
    from dagster._core.definitions.metadata import RawMetadataValue

REASON_TAG = "driftline/reason"
"""Run tag that says why a run was asked for."""


DATABASE_RETRIES = 3
DATABASE_WAIT_S = 10
"""Number of retries of a stage that lost its database, and the seconds before each."""

STAGES = logging.getLogger("driftline.stages")
"""Gets a line when a stage begins; replay shows it as progress."""


def build_pipeline(pipeline: Pipeline) -> dg.Definitions:
    """Turn one declaration into its assets and checks."""
    partitions = partitions_of(pipeline)
    # Read once, by the first run that shows it: loading a code location must not wait for it.
    lineage = cache(partial(declared_lineage, pipeline))
    return dg.Definitions(assets=[_asset(pipeline, stage, partitions, lineage) for stage in stages(pipeline)])


def partitions_of(pipeline: Pipeline) -> dg.PartitionsDefinition | None:
    """Return Dagster's partitions of a pipeline: of time, of rows as they arrive, or none for loads.

    A load is what a run finds: its assets are materialized without choosing a partition.
    """
    match partitioning(pipeline.spec.partitions):
        case CalendarPartitions(spec):
            return partitions_definition(spec)
        case LoadPartitions():
            return None
        case _:
            return dg.DynamicPartitionsDefinition(name=row_partitions_name(pipeline.name))


def row_partitions_name(pipeline: str) -> str:
    """Name the partitions of rows in Dagster's instance."""
    return f"driftline_{pipeline}_rows"


def partitions_definition(spec: PartitionsSpec) -> dg.TimeWindowPartitionsDefinition:
    """Return Dagster's partitions for a declared cadence of time."""
    return dg.TimeWindowPartitionsDefinition(
        start=spec.start,
        end=spec.end,
        timezone=spec.timezone,
        fmt=KEY_FORMATS[spec.every],
        cron_schedule=CADENCE_CRONS[spec.every],
    )


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
    lineage: Callable[[], Lineage],
) -> dg.AssetsDefinition:
    key = asset_key(pipeline.name, stage.path)
    own = _own_partitions(pipeline, stage.path, partitions)
    checks = [spec._replace(asset_key=key) for spec in stage.checks]

    @dg.asset(
        key=key,
        deps=[
            *(
                dg.AssetDep(
                    asset_key(pipeline.name, path),
                    partition_mapping=_mapping(mapping, _own_partitions(pipeline, path, partitions), own),
                )
                for path, mapping in stage.deps.items()
            ),
            *(dg.AssetDep(key, partition_mapping=mapping) for key, mapping in stage.elsewhere.items()),
        ],
        partitions_def=own if stage.is_partitioned else None,
        group_name=pipeline.name,
        kinds=set(stage.kinds),
        owners=list(pipeline.spec.owners),
        tags={**pipeline.spec.tags, "driftline/stage": stage.path[0]},
        code_version=code_version(stage.code),
        description=stage.description,
        check_specs=checks,
        freshness_policy=dg.FreshnessPolicy.time_window(stage.freshness) if stage.freshness else None,
        required_resource_keys={"lake", "engine", *stage.resources},
        op_tags={"driftline/pipeline": pipeline.name},
    )
    # Dagster recognises the bare class only, not its parametrized form.
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resources = {name: getattr(context.resources, name) for name in stage.resources}
        STAGES.info("%s", "/".join(stage.path))
        started = time.process_time()
        run_id = context.run.run_id
        if context.instance.is_persistent:
            hold_run(Path(context.instance.root_directory), run_id)
        scope, table = _scope(context, pipeline, stage), "/".join(key.path)
        run = StageRun(pipeline, scope, context.resources.lake, context.resources.engine, _stores(context))
        with (
            _progress_told(context.log),
            _tried_again_without_database(),
            written_alone(run.lake, table, scope.partition, run_id),
        ):
            outcome = stage.run(run, **resources)
        cpu_s = time.process_time() - started
        columns = column_metadata(pipeline, stage.path, stage.deps, lineage, outcome.schema)
        address = resources["reports"].address if "reports" in resources else str
        shown = event_metadata(stage.path[0], outcome, cpu_s=cpu_s, columns=columns, address=address)
        return _result(outcome, key, shown)

    return materialize


class _ToEventLog(logging.Handler):
    """Keeps what is told of a long reading in the run's event log."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line as the run's own."""
        self._log.info(record.getMessage())


@contextmanager
def _progress_told(log: logging.Logger) -> Iterator[None]:
    """Keep the progress of what goes on in a run's event log."""
    handler = _ToEventLog(log)
    before = PROGRESS.level
    PROGRESS.addHandler(handler)
    PROGRESS.setLevel(logging.INFO)
    try:
        yield
    finally:
        PROGRESS.removeHandler(handler)
        PROGRESS.setLevel(before)


@contextmanager
def _tried_again_without_database() -> Iterator[None]:
    """Have Dagster make a stage again that a database was lost in: each replaces what it wrote."""
    try:
        yield
    except Exception as error:
        if is_lost_database(error):
            raise dg.RetryRequested(DATABASE_RETRIES, seconds_to_wait=DATABASE_WAIT_S) from error
        raise


def _own_partitions(
    pipeline: Pipeline, path: tuple[str, ...], partitions: dg.PartitionsDefinition | None
) -> dg.PartitionsDefinition | None:
    """Return the partitions of a stage: the pipeline's, or those of trainings."""
    return (
        trained_partitions(pipeline.name, pipeline.spec.partitions)
        if path[0] in RETRAIN_STAGES
        else partitions
    )


def _mapping(
    declared: dg.PartitionMapping | None,
    upstream: dg.PartitionsDefinition | None,
    downstream: dg.PartitionsDefinition | None,
) -> dg.PartitionMapping | None:
    """Return how partitions depend on each other.

    Between the pipeline's partitions and those of trainings there is none that Dagster could name: a training reads
    what was known by then, and whichever champion serves scores. Nor does it know an order of rows: there it is all
    on all.
    """
    if upstream != downstream:
        return dg.SpecificPartitionsPartitionMapping([])
    if declared is None or upstream is None:
        return None
    return declared if isinstance(upstream, dg.TimeWindowPartitionsDefinition) else dg.AllPartitionMapping()


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
    partitions = partitioning(pipeline.spec.partitions)
    if not isinstance(partitions, LoadPartitions):
        return partitions.window(context.partition_key)
    # The first stage finds out which load it is; the others follow the lake.
    lake = context.resources.lake
    if stage.path[0] == "raw":
        scratch = Path(context.resources.engine.spill_directory)
        return load_to_read(pipeline, lake, scratch=scratch, stores=_stores(context))
    return newest_load(pipeline, lake)


def _stores(context: dg.AssetExecutionContext) -> DagsterStores:
    return DagsterStores(context.resources.lake, lambda: context.instance)


def _result(
    outcome: Outcome, key: dg.AssetKey, metadata: "Mapping[str, RawMetadataValue]"
) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        asset_key=key,
        metadata=metadata,
        data_version=dg.DataVersion(outcome.data_version),
        check_results=[_check(check, key) for check in outcome.checks],
    )


def _check(check: CheckOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "critical" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check.name,
        passed=bool(check.is_passed),
        severity=severity,
        description=check.description,
        metadata={name: metadata_value(value) for name, value in check.metadata.items() if value is not None},
    )
