"""`driftline run [NAME] --partition KEY`: one partition from raw data to drift report, in this process."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.completion.candidates import complete_partitions
from driftline.installation import json_output, name_argument, opened
from driftline.printing import console, print_json

KEYS = {
    "partition": "key of the partition",
    "run": "Dagster's run",
    "assets": "keys of the assets that were made",
}


@click.command()
@name_argument
@click.option(
    "--partition",
    metavar="KEY",
    required=True,
    shell_complete=complete_partitions,
    help="Key of the partition, such as 2024-03-01.",
)
@click.option(
    "--stage",
    "stages",
    metavar="STAGE",
    multiple=True,
    help="Run this stage alone, such as raw or raw/flights; may be given several times.",
)
@click.option(
    "--retrain", "is_retrain", is_flag=True, help="Train and judge a model as of the partition, alone."
)
@json_output(KEYS)
def run(name: str | None, partition: str, stages: tuple[str, ...], is_retrain: bool, as_json: bool) -> int:
    """Run one partition from raw data to drift report.

    The run is recorded in Dagster as the replay's are, and executed in this process; a partition that was run
    is run again. With --retrain the training set and the model as of the partition are made, and nothing else.
    The retrain that a report asks for is made by the drift sensor or `driftline replay`.
    """
    from driftline.run.running import run_partition

    installed = opened()
    shown = console(stderr=as_json)
    run_id, assets = run_partition(installed, name, partition, shown, stages=stages, is_retrain=is_retrain)
    if as_json:
        print_json({"partition": partition, "run": run_id, "assets": assets})
    return SUCCESS
