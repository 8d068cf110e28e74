"""`driftline backtest [NAME] --policy FILE`: a pipeline's history, decided under another policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, opened, partition_option
from driftline.printing import console, print_json

if TYPE_CHECKING:
    from driftline.backtest.decisions import Redecision

KEYS = {
    "pipeline": "its name",
    "windows": "every window that has a drift report, oldest first",
    "windows[].partition": "key",
    "windows[].is_changed": "whether decision or reason differ",
    "windows[].was_requested": "whether a training was asked for",
    "windows[].was_reason": "why, or why not",
    "windows[].would_be_requested": "whether the other policy asks for one",
    "windows[].would_be_reason": "why, or why not",
    "windows[].drifted_before": "features that were called drifted",
    "windows[].drifted_now": "features that the other policy calls drifted",
}


@click.command()
@name_argument
@click.option(
    "--policy",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with the blocks `drift` and `retrain` of the other policy.",
)
@partition_option("--from", "first", "First partition to decide; by default the oldest.")
@partition_option("--to", "last", "Last partition to decide; by default the newest.")
@json_output(KEYS)
def backtest(name: str | None, policy: Path, first: str | None, last: str | None, as_json: bool) -> int:
    """Decide a pipeline's history anew under another policy.

    Every window that has a drift report is judged again from the stored sketches, predictions and labels. Nothing
    is trained or written, and models served as they did.
    """
    from driftline.backtest.decisions import backtest as decide
    from driftline.backtest.decisions import print_backtest
    from pipelines.loading.declared import find_pipeline
    from pipelines.loading.read import read_with_policy
    from resources.connections import connect

    installed = opened()
    pipeline = read_with_policy(find_pipeline(name), policy)
    with console(stderr=True).status(f"{pipeline.name}: deciding anew"):
        decided = list(decide(pipeline, connect(installed), first=first, last=last))
    if as_json:
        print_json({"pipeline": pipeline.name, "windows": [as_plain(window) for window in decided]})
    else:
        print_backtest(pipeline, decided, console())
    return SUCCESS


def as_plain(window: Redecision) -> Mapping[str, object]:
    """Return a window's two decisions as JSON values."""
    return {
        "partition": window.partition,
        "is_changed": window.is_changed,
        "was_requested": window.was_requested,
        "was_reason": window.was,
        "would_be_requested": window.now.is_requested,
        "would_be_reason": window.now.reason,
        "drifted_before": window.drifted_before,
        "drifted_now": window.drifted_now,
    }
