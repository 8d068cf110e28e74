"""`driftline preview [NAME]`: what a declaration will do, on a sample, without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from declaration.errors import DriftlineError
from driftline.cli import FAULT, SUCCESS
from driftline.installation import json_output, name_argument, opened, partition_option, stores_of
from driftline.printing import console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from declaration.partitioning import Window
    from declaration.pipeline import Pipeline
    from driftline.preview.findings import Preview
    from pipelines.graph.stores import DagsterStores
    from resources.deployment import Deployment

_COLUMN_KEYS = {
    "name": "its name",
    "declared": "declared type, and where it comes from; of a view: key, instant or feature",
    "found": "type that was read; empty where it is computed",
    "missing": "share without a value; null without rows",
    "n_distinct": "different values",
    "sample": "first values, shortened",
}

KEYS = {
    "pipeline": "its name",
    "description": "of the pipeline",
    "is_sound": "whether a run would go through",
    "partitions": "sentences: how many there are, which are rehearsed, when the next refresh is",
    "graph": "assets that will be materialized, each after those that it reads",
    "graph[].stage": "stage",
    "graph[].name": "name in its stage; empty where there is one",
    "graph[].reads": "what it reads, in words",
    "graph[].is_partitioned": "whether a run makes one partition of it",
    "datasets": "what was read",
    "datasets[].name": "its name",
    "datasets[].description": "as declared",
    "datasets[].source": "where it comes from, in words",
    "datasets[].counts": "sentences: rows that were read",
    "datasets[].columns": "declared columns",
    **{f"datasets[].columns[].{key}": text for key, text in _COLUMN_KEYS.items()},
    "datasets[].dropped": "columns of the source that are not declared",
    "datasets[].rejects": "rows that cannot be read: `n_rows`, `reason`, `line` and `text` of the first",
    "datasets[].rules": "verdict of every rule: `rule`, `verdict` (holds, fails, unknown), `detail`, `policy`, "
    "`n_quarantined`, `examples`, `blocks`",
    "datasets[].n_quarantined": "rows that would be quarantined",
    "datasets[].error": "why it was refused; empty where it was not",
    "views": "feature views",
    "views[].name": "its name",
    "views[].entity": "whom it is about",
    "views[].description": "as declared",
    "views[].counts": "sentences: rows, features, the look-ahead test",
    "views[].features": "its columns",
    **{f"views[].features[].{key}": text for key, text in _COLUMN_KEYS.items()},
    "views[].error": "why it was refused; empty where it was not",
    "target": "what is predicted (`problem`, `label`, `counts`, `error`), and what each model will make of each feature "
    "(`plans`, `models`); null without a target",
    "stops": "what would stop a run, each with where",
}


class PreviewError(DriftlineError):
    """There is nothing to preview."""


@click.command()
@name_argument
@partition_option("--partition", "partition", "Partition to rehearse; by default the first one.")
@click.option(
    "--partitions",
    "n",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Rehearse so many partitions up to that one.",
)
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the same as a page, too."
)
@json_output(KEYS)
def preview(name: str | None, partition: str | None, n: int, html: Path | None, as_json: bool) -> int:
    """Show what a declaration will do, on a sample.

    The first partition is read for real, in a folder that is thrown away: rows and types, rows that would be
    quarantined, features with a sample, what models will make of them, likely leaks. Exit code 1 where a run would
    stop.
    """
    from driftline.preview.page import page
    from driftline.preview.terminal import show

    shown = console(stderr=as_json)
    result = _preview(opened(), name, partition, n, shown)
    if as_json:
        print_json(as_plain(result))
    else:
        show(result, shown)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(result), encoding="utf-8")
        shown.print(f"Written: {html}", markup=False)
    return SUCCESS if result.is_sound else FAULT


def as_plain(result: Preview) -> Mapping[str, object]:
    """Return a preview as JSON values."""
    plain = asdict(result)
    return {"pipeline": plain.pop("name"), "is_sound": result.is_sound, **plain}


def _preview(
    installed: Deployment, name: str | None, partition: str | None, n: int, shown: Console
) -> Preview:
    from driftline.preview.rehearsal import rehearsed
    from driftline.preview.summary import summary
    from pipelines.loading.declared import find_pipeline

    pipeline = find_pipeline(name)
    clock = datetime.now(UTC)
    with shown.status("reading") as status, stores_of(installed) as stores:
        windows = arrivals(pipeline, installed, stores, clock)
        chosen = _chosen(pipeline, windows, partition, n)
        with rehearsed(
            pipeline, chosen, installed, stores=stores, clock=clock, show=lambda stage: status.update(stage)
        ) as rehearsal:
            return summary(rehearsal, windows, clock=clock)


def arrivals(
    pipeline: Pipeline, installed: Deployment, stores: DagsterStores, clock: datetime
) -> Sequence[Window]:
    """List the partitions that are complete; the deployment's lake is read, and nothing of it written."""
    from pipelines.triggers.due_partitions import due_partitions
    from resources.connections import connect

    with TemporaryDirectory(prefix="driftline-preview-") as home:
        # Counting rows unpacks and converts files: not where the deployment lives.
        engine = connect(replace(installed, home=Path(home))).engine
        return due_partitions(pipeline, clock, lake=stores.lake, engine=engine, stores=stores)


def _chosen(pipeline: Pipeline, windows: Sequence[Window], partition: str | None, n: int) -> Sequence[Window]:
    if not windows:
        raise PreviewError(
            f"{pipeline.name}: no partition is complete yet. See partitions.start in the declaration."
        )
    keys = [window.key for window in windows]
    if partition is not None and partition not in keys:
        raise PreviewError(
            f"{pipeline.name} has no partition '{partition}'. The first are {', '.join(keys[:3])}, the last is {keys[-1]}."
        )
    last = keys.index(partition) if partition is not None else min(n, len(keys)) - 1
    return windows[max(0, last - n + 1) : last + 1]
