"""`python -m driftline.preview NAME`: what a declaration will do, on a sample, without doing it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.windows import Window
from driftline.preview.findings import Preview
from driftline.preview.page import page
from driftline.preview.terminal import show
from resources.connections import connections
from resources.deployment import Deployment, deployment

WIDTH = 120
"""Columns of the output where it goes to a file."""


class PreviewError(DriftlineError):
    """There is nothing to preview."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Preview one pipeline from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m driftline.preview",
        description="Print what a declaration will do, on its first partition: rows and types read, rows that would be quarantined, "
        "features with a sample, what models will make of them, likely leaks. Nothing is kept.",
    )
    parser.add_argument("pipeline", help="name of a folder in pipelines/defs")
    parser.add_argument("--partition", metavar="KEY", help="partition to rehearse; the first one by default")
    parser.add_argument(
        "--partitions",
        type=int,
        default=1,
        metavar="N",
        help="rehearse so many partitions up to that one (default 1)",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the same as a page")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    installed = deployment(os.environ)
    try:
        found = _preview(installed, options.pipeline, options.partition, max(1, options.partitions), console)
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    show(found, console)
    if options.html is not None:
        options.html.parent.mkdir(parents=True, exist_ok=True)
        options.html.write_text(page(found), encoding="utf-8")
        console.print(f"Written: {options.html}", markup=False, highlight=False)
    return 0 if found.is_sound else 1


def _preview(installed: Deployment, name: str, partition: str | None, n: int, console: Console) -> Preview:
    from driftline.preview.rehearsal import rehearsed
    from driftline.preview.summary import summary
    from pipelines.loading.declared import find_pipeline

    pipeline = find_pipeline(name)
    clock = datetime.now(UTC)
    there = arrivals(pipeline, installed, clock)
    chosen = _chosen(pipeline, there, partition, n)
    with (
        console.status("reading") as status,
        rehearsed(pipeline, chosen, installed, clock=clock, show=lambda stage: status.update(stage)) as found,
    ):
        return summary(found, there, clock=clock)


def arrivals(pipeline: Pipeline, installed: Deployment, clock: datetime) -> Sequence[Window]:
    """List the partitions that are complete; the deployment's lake is read, and nothing of it written."""
    from pipelines.triggers.due_partitions import due_partitions

    lake = connections(installed).lake
    with TemporaryDirectory(prefix="driftline-preview-") as home:
        # Counting rows unpacks and converts files: not where the deployment lives.
        engine = connections(replace(installed, home=Path(home))).engine
        return due_partitions(pipeline, clock, lake=lake, engine=engine)


def _chosen(pipeline: Pipeline, there: Sequence[Window], partition: str | None, n: int) -> Sequence[Window]:
    if not there:
        raise PreviewError(
            f"{pipeline.name}: no partition is complete yet. See partitions.start in the declaration."
        )
    keys = [window.key for window in there]
    if partition is not None and partition not in keys:
        raise PreviewError(
            f"{pipeline.name} has no partition '{partition}'. The first are {', '.join(keys[:3])}, the last is {keys[-1]}."
        )
    last = keys.index(partition) if partition is not None else min(n, len(keys)) - 1
    return there[max(0, last - n + 1) : last + 1]


if __name__ == "__main__":
    sys.exit(main())
