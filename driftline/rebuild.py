"""Build a pipeline's tables anew: what was materialized is set aside, and Dagster knows that it is to be made.

python -m driftline.rebuild churn
python -m driftline.rebuild churn --yes
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from dagster import AssetKey, DagsterInstance, RunsFilter
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from declaration.errors import DriftlineError
from pipelines.graph.compile import row_partitions_name
from pipelines.graph.trained_partitions import trained_partitions_name
from pipelines.triggers.run_requests import PIPELINE_TAG
from resources.alerts.incident_log import incidents_table
from resources.alerts.outbox import alerts_table
from resources.connections import connections
from resources.deployment import dagster_environment, deployment
from resources.feature_store.guard import accepted_table
from resources.feature_store.online.served_log import served_table
from resources.feature_store.skew import skew_table
from resources.lake.lake import ASIDE, Lake
from resources.model_registry.ledger import ledger_table
from resources.model_registry.ledger_notes import forget_notes
from resources.orchestrator.home import open_instance

MODEL_STAGES = ("candidates", "holdout_scores")
"""Tables of the models: their keys are versions, which mean the same however rows are cut."""


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
    models = {ledger_table(pipeline), *(f"{pipeline}/{stage}" for stage in MODEL_STAGES)}
    # Told by people, callers and channels: no run makes them again.
    told = {of(pipeline) for of in (accepted_table, skew_table, incidents_table, alerts_table, served_table)}
    stays = told if with_models else told | models
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
    known = [key for key in instance.get_asset_keys(prefix=[pipeline]) if with_models or key != model]
    if known:
        instance.wipe_assets(known)
    forgotten = [row_partitions_name(pipeline), *([trained_partitions_name(pipeline)] if with_models else [])]
    for name in forgotten:
        for key in instance.get_dynamic_partitions(name):
            instance.delete_dynamic_partition(name, key)
    for table in tables:
        place = to / table
        place.parent.mkdir(parents=True, exist_ok=True)
        lake.table_path(table).rename(place)


@click.command(
    help="Set aside what PIPELINE has materialized, so that its tables are built anew from the sources: after a "
    "column's type or the partitions changed. Champion and ledger stay. Without --yes it only says what it would do."
)
@click.argument("pipeline")
@click.option("--yes", "is_meant", is_flag=True, help="Do it.")
@click.option("--with-models", is_flag=True, help="Begin without a champion: ledger and model tables go too.")
def main(pipeline: str, is_meant: bool, with_models: bool) -> None:
    """Rebuild from the command line."""
    installed = deployment(os.environ)
    os.environ.update(dagster_environment(installed))
    lake = connections(installed).lake
    # In the lake, which may be a disk of its own: a table is moved whole or not at all.
    place = Path(lake.root) / ASIDE / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    try:
        tables = rebuilt_tables(lake, pipeline, with_models=with_models)
        if not tables:
            raise RebuildError(
                f"pipeline '{pipeline}' has nothing to set aside in {lake.root}. Check the name and DRIFTLINE_HOME."
            )
        if is_meant:
            with open_instance(installed) as instance:
                set_aside(lake, instance, pipeline, tables, with_models=with_models, to=place)
            if with_models:
                # Else the next ledger would be taken for one that lost its rows.
                forget_notes(connections(installed).registry, pipeline)
    except DriftlineError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo("\n".join(tables))
    if is_meant:
        click.echo(
            f"{len(tables)} tables are in {place} now. Replay '{pipeline}', or materialize its partitions in the web "
            "UI; remove the folder when the new tables are right."
        )
    else:
        click.echo(f"{len(tables)} tables would be set aside. Nothing was done: repeat it with --yes.")


if __name__ == "__main__":
    main()
