"""`driftline model list [NAME]`: every version with its training, its holdout metric and the gate's verdict."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument
from driftline.printing import console, print_json, print_table

VERSION_KEYS = {
    "version": "its number",
    "stage": "dev, staging, production or archived, by the ledger",
    "aliases": "champion, challenger or previous, where the ledger gives it one",
    "trained_as_of": "partition that it was trained as of",
    "trained_at": "instant of the training",
    "algorithm": "winning candidate",
    "metric": "name of the metric",
    "holdout_metric": "its value on the holdout",
    "holdout_low": "lower end of its 95 % interval",
    "holdout_high": "upper end",
    "action": "promoted or kept, by the gate",
    "outcome": "verdict of the gate",
    "explanation": "why",
    "reason": "why the training was asked for",
    "served": "the spans in which it served: `since`, `since_partition`, `until` (null while it serves)",
}

KEYS = {
    "pipeline": "its name",
    "versions": "every version, oldest first",
    **{f"versions[].{key}": text for key, text in VERSION_KEYS.items()},
}


@click.command("list")
@name_argument
@json_output(KEYS)
def list_versions(name: str | None, as_json: bool) -> int:
    """List the versions of a pipeline's model.

    Oldest first: when it was trained and as of which partition, its metric on the holdout with the 95 %
    interval, what the gate decided and why, the aliases that name it and since when it serves. Read from the
    decision ledger and the model registry.
    """
    from driftline.model.table import COLUMNS, as_document, read_versions, table_row
    from pipelines.loading.declared import find_pipeline

    pipeline = find_pipeline(name)
    rows = read_versions(pipeline.name)
    if as_json:
        print_json({"pipeline": pipeline.name, "versions": [as_document(row) for row in rows]})
    elif not rows:
        click.echo(
            f"'{pipeline.name}' has no model yet. `driftline replay {pipeline.name}` trains the first."
        )
    else:
        print_table(COLUMNS, [table_row(row) for row in rows])
        for row in rows:
            console().print(f"  v{row.version}  {row.verdict[1]}", markup=False, soft_wrap=True)
    return SUCCESS
