"""Tables of a pipeline that are set aside: out of the lake, and forgotten by Dagster, so that they are made anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dagster import AssetKey, DagsterInstance, RunsFilter
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from declaration.errors import DriftlineError
from pipelines.graph.compile import row_partitions_name
from pipelines.graph.trained_partitions import trained_partitions_name
from pipelines.triggers.run_requests import PIPELINE_TAG
from resources.alerts.incident_log import INCIDENTS
from resources.alerts.outbox import ALERTS
from resources.feature_store.guard import ACCEPTED_CHANGES
from resources.feature_store.online.served_log import SERVED_FEATURES
from resources.feature_store.skew import FEATURE_SKEW
from resources.lake.lake import Lake
from resources.model_registry.ledger import LEDGER

MODEL_STAGES = (
    "candidates",
    "co_moments",
    "explanations",
    "holdout_scores",
    "quantiles",
    "sketches",
    "training_support",
)
"""Tables of the models: their keys are versions, which mean the same however rows are cut. What the champion learned
from goes with the other tables; by its sketch, its columns' relations and ranges, and its holdout reports still compare with it."""


class RebuildError(DriftlineError):
    """Nothing can be built anew now."""


def rebuilt_tables(lake: Lake, pipeline: str, *, with_models: bool) -> tuple[str, ...]:
    """List the tables that are set aside: all that runs make again from the sources.

    Parameters
    ----------
    lake, pipeline
        Whose tables.
    with_models
        Whether ledger and model tables go too, so that training begins without a champion.
    """
    models = {LEDGER.of(pipeline), *(f"{pipeline}/{stage}" for stage in MODEL_STAGES)}
    # Told by people, callers and channels: no run makes them again.
    histories = {
        table.of(pipeline) for table in (ACCEPTED_CHANGES, FEATURE_SKEW, INCIDENTS, ALERTS, SERVED_FEATURES)
    }
    stays = histories if with_models else histories | models
    return tuple(t for t in lake.tables() if t.startswith(f"{pipeline}/") and t not in stays)


def set_aside(
    lake: Lake,
    instance: DagsterInstance,
    pipeline: str,
    tables: Sequence[str],
    *,
    with_models: bool,
    to: Path,
) -> None:
    """Move tables out of the lake, and let Dagster forget that their assets were materialized.

    Dagster comes first: of an interruption remains what is there and counts as missing, never the reverse.

    Parameters
    ----------
    lake, instance
        Where the tables are, and who knows of their assets.
    pipeline, tables
        Whose, and which.
    with_models
        Whether the model's materializations are forgotten too.
    to
        New folder for them.

    Raises
    ------
    RebuildError
        If a run of the pipeline is going on.
    """
    going_on = instance.get_runs(
        RunsFilter(tags={PIPELINE_TAG: pipeline}, statuses=list(IN_PROGRESS_RUN_STATUSES)), limit=1
    )
    if going_on:
        raise RebuildError(
            f"run {going_on[0].run_id} of '{pipeline}' is going on. Let it end, or terminate it in the web UI; a "
            "replay that was killed marks its run as failed when it is started again."
        )
    model = AssetKey([pipeline, "model"])
    keys = [key for key in instance.get_asset_keys(prefix=[pipeline]) if with_models or key != model]
    if keys:
        instance.wipe_assets(keys)
    forgotten = [row_partitions_name(pipeline), *([trained_partitions_name(pipeline)] if with_models else [])]
    for name in forgotten:
        for key in instance.get_dynamic_partitions(name):
            instance.delete_dynamic_partition(name, key)
    for table in tables:
        place = to / table
        place.parent.mkdir(parents=True, exist_ok=True)
        lake.table_path(table).rename(place)
