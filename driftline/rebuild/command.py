"""`driftline rebuild [NAME]`: what was materialized is set aside, to be built anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, known_name, name_argument, opened
from driftline.printing import print_json

KEYS = {
    "pipeline": "its name",
    "tables": "tables of the lake that are set aside",
    "set_aside_in": "folder that they are in now; null without --yes",
}


@click.command()
@name_argument
@click.option("--yes", "is_meant", is_flag=True, help="Do it; else it only says what it would do.")
@click.option("--with-models", is_flag=True, help="Begin without a champion: ledger and model tables go too.")
@json_output(KEYS)
def rebuild(name: str | None, is_meant: bool, with_models: bool, as_json: bool) -> int:
    """Set a pipeline's tables aside, to be built anew.

    For what no run can mend: a column's type or the partitions changed. What was materialized is moved into a
    folder of the lake, and Dagster forgets it, so that runs make it anew from the sources. Champion and ledger
    stay.
    """
    from driftline.rebuild.tables import RebuildError, rebuilt_tables, set_aside
    from resources.connections import connect
    from resources.lake.lake import ASIDE
    from resources.model_registry.ledger_notes import forget_notes
    from resources.orchestrator.home import open_instance

    installed = opened()
    connections, pipeline = connect(installed), known_name(name)
    # In the lake, which may be a disk of its own: a table is moved whole or not at all.
    place = Path(connections.lake.root) / ASIDE / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    tables = rebuilt_tables(connections.lake, pipeline, with_models=with_models)
    if not tables:
        raise RebuildError(
            f"pipeline '{pipeline}' has nothing to set aside in {connections.lake.root}. Check the name and DRIFTLINE_HOME."
        )
    if is_meant:
        with open_instance(installed) as instance:
            set_aside(connections.lake, instance, pipeline, tables, with_models=with_models, to=place)
        if with_models:
            # Else the next ledger would be taken for one that lost its rows.
            forget_notes(connections.registry, pipeline)
    if as_json:
        print_json({"pipeline": pipeline, "tables": tables, "set_aside_in": str(place) if is_meant else None})
    else:
        click.echo("\n".join([*tables, _summary(pipeline, len(tables), place if is_meant else None)]))
    return SUCCESS


def _summary(pipeline: str, n_tables: int, place: Path | None) -> str:
    counted = "1 table" if n_tables == 1 else f"{n_tables} tables"
    if place is None:
        return f"{counted} would be set aside. Nothing was done: repeat it with --yes."
    return (
        f"Set aside in {place}: {counted}. Run `driftline replay {pipeline}`, or materialize its partitions in the web "
        "UI; remove the folder when the new tables are right."
    )
