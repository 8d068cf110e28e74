"""`driftline schema plan | apply | history [NAME]`, `driftline schema export [NAME]` and `driftline schema import FILE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from driftline.cli import FAULT, SUCCESS, GuessingGroup
from driftline.installation import json_output, name_argument, opened
from driftline.printing import Column, print_json, print_table
from driftline.schema.formats import Format

if TYPE_CHECKING:
    from driftline.schema.history import Version
    from driftline.schema.plan import DatasetPlan

PLAN_KEYS = {
    "pipeline": "its name",
    "datasets": "datasets of which something changes",
    "datasets[].dataset": "its name",
    "datasets[].registered": "newest version in the registry; null before the first",
    "datasets[].changes": "what changed since, in words",
    "datasets[].refused": "why it cannot be done, with the repair",
    "datasets[].tables": "tables that are written anew",
    "datasets[].tables[].table": "name in the lake",
    "datasets[].tables[].version": "its version now; after `apply` the one that was made",
    "datasets[].tables[].columns": "what becomes of its columns",
    "datasets[].tables[].partitions": "partitions that are written anew",
    "datasets[].tables[].rows": "rows that are written anew",
    "datasets[].tables[].by_next_run": "whether the next run does it too",
}

HISTORY_KEYS = {
    "pipeline": "its name",
    "versions": "versions of the schemas, oldest first",
    "versions[].dataset": "whose",
    "versions[].version": "counted from 1",
    "versions[].hash": "SHA-256 of the columns",
    "versions[].first_seen": "instant of the run that first wrote rows with it",
    "versions[].run_id": "that run",
    "versions[].last_seen": "instant of the newest write with it; null where the log does not tell",
    "versions[].last_run_id": "the run that wrote then",
    "versions[].changes": "what changed since the version before, in words",
    "versions[].columns": "its columns, in order",
    "versions[].columns[].name": "name in the lake",
    "versions[].columns[].type": "declared type",
    "versions[].columns[].is_nullable": "whether it may be NULL",
    "versions[].columns[].is_optional": "whether rows may come without it",
    "versions[].columns[].source": "name in the source; empty of a computed column",
    "versions[].columns[].description": "its meaning",
    "versions[].columns[].since": "day from which on it is there; null from the beginning",
    "versions[].columns[].deprecated": "day from which on it may be absent; null for never",
    "versions[].columns[].renamed_from": "name that it had before",
    "versions[].columns[].widened_from": "type that it had before",
}

HISTORY_COLUMNS = (
    Column("dataset", "dataset"),
    Column("version", "version", is_number=True),
    Column("first_seen", "first seen"),
    Column("run_id", "by run"),
    Column("last_seen", "last seen"),
    Column("changes", "changes"),
)


@click.group(cls=GuessingGroup)
def schema() -> None:
    """Plan, apply and look back at changes of columns; export and import them."""


@schema.command()
@name_argument
@json_output(PLAN_KEYS)
def plan(name: str | None, as_json: bool) -> int:
    """Show what the declared columns change; nothing is written.

    Compares them with the registry and the lake's tables: what compatibility refuses, and which tables would be
    written anew, with partitions and rows. Exit code 1 where anything is refused.
    """
    from driftline.schema.plan import plan_schemas
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline, connections = find_pipeline(name), connect(opened())
    plans = plan_schemas(pipeline, connections.lake, connections.engine, datetime.now(UTC))
    _print(pipeline.name, plans, as_json=as_json)
    return FAULT if any(dataset.refused for dataset in plans) else SUCCESS


@schema.command()
@name_argument
@json_output(PLAN_KEYS)
def apply(name: str | None, as_json: bool) -> int:
    """Write the tables anew that `plan` names, each as one version.

    Older versions stay readable, with all that was learned from them. Interrupted, each table is as it was or as
    it shall be, and calling it again does what is left. Where anything is refused nothing is written.
    """
    from driftline.schema.plan import apply_schemas
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline, connections = find_pipeline(name), connect(opened())
    applied = apply_schemas(pipeline, connections.lake, connections.engine, datetime.now(UTC))
    made = {
        table.snapshot.table: version
        for dataset, versions in applied
        for table, version in zip(dataset.tables, versions, strict=True)
    }
    _print(pipeline.name, [dataset for dataset, _ in applied], made, as_json=as_json)
    return SUCCESS


@schema.command()
@name_argument
@json_output(HISTORY_KEYS)
def history(name: str | None, as_json: bool) -> int:
    """Show the versions of a pipeline's schemas, and by which run each was first seen."""
    from driftline.schema.history import schema_history
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    versions = schema_history(pipeline, connect(opened()).lake)
    rows = [version_as_plain(version) for version in versions]
    if as_json:
        print_json({"pipeline": pipeline.name, "versions": rows})
    elif rows:
        print_table(
            HISTORY_COLUMNS,
            [{**row, "changes": "; ".join(v.changes)} for row, v in zip(rows, versions, strict=True)],
        )
    else:
        click.echo(f"No schema of '{pipeline.name}' is registered yet: its first run does it.")
    return SUCCESS


@schema.command()
@name_argument
@click.option("--dataset", help="The dataset; it may be left out where there is one.")
@click.option(
    "--format", "kind", type=click.Choice(get_args(Format)), required=True, help="Format of the schema."
)
def export(name: str | None, dataset: str | None, kind: Format) -> int:
    """Print the declared columns of a dataset as Avro, JSON Schema or an ODCS data contract."""
    from driftline.schema.formats import exported
    from pipelines.loading.declared import find_pipeline

    click.echo(exported(find_pipeline(name), dataset, kind))
    return SUCCESS


@schema.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--object", "chosen", help="The object of an ODCS data contract that has several.")
def import_(file: Path, chosen: str | None) -> int:
    """Print the `columns:` block of an Avro schema, a JSON Schema or an ODCS data contract."""
    from driftline.schema.formats import columns_block, imported

    click.echo(columns_block(imported(file, chosen)), nl=False)
    return SUCCESS


def _print(
    pipeline: str, plans: Sequence[DatasetPlan], made: Mapping[str, int] | None = None, *, as_json: bool
) -> None:
    from driftline.schema.plan import told

    if as_json:
        print_json(plan_as_plain(pipeline, plans, made or {}))
        return
    click.echo(told(plans))
    for table, version in (made or {}).items():
        click.echo(f"Written: {table}@{version}.")


def plan_as_plain(
    pipeline: str, plans: Sequence[DatasetPlan], made: Mapping[str, int]
) -> Mapping[str, object]:
    """Return plans as JSON values, with the versions that were made of them."""
    return {
        "pipeline": pipeline,
        "datasets": [
            {
                "dataset": plan.contract.dataset,
                "registered": plan.contract.versions[-1].number if plan.contract.versions else None,
                "changes": list(plan.changes),
                "refused": list(plan.refused),
                "tables": [
                    {
                        "table": table.snapshot.table,
                        "version": made.get(table.snapshot.table, table.snapshot.version),
                        "columns": list(table.texts),
                        "partitions": len(table.snapshot.partitions),
                        "rows": table.snapshot.n_rows,
                        "by_next_run": table.is_by_run,
                    }
                    for table in plan.tables
                ],
            }
            for plan in plans
            if not plan.is_nothing
        ],
    }


def version_as_plain(version: Version) -> Mapping[str, object]:
    """Return a version of a schema as JSON values."""
    from dataclasses import asdict

    registered, seen = version.registered, version.seen
    return {
        "dataset": version.dataset,
        "version": registered.number,
        "hash": registered.schema.hash,
        "first_seen": registered.first_seen.isoformat(timespec="seconds"),
        "run_id": registered.run_id,
        "last_seen": seen.instant.isoformat(timespec="seconds") if seen else None,
        "last_run_id": seen.run_id if seen else None,
        "changes": list(version.changes),
        "columns": [asdict(column) for column in registered.schema.columns],
    }
