"""`driftline upload FILE --dataset NAME`: a file is checked, and put where the dataset's source looks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, opened
from driftline.printing import print_json

KEYS = {
    "file": "file that was uploaded",
    "pipeline": "pipeline of the dataset",
    "dataset": "dataset that it holds rows of",
    "place": "where it is now",
    "partition": "partition whose rows it holds; null where the source's files are of none",
    "sha256": "hash of its content",
    "size_bytes": "its bytes",
    "n_rows": "rows that could be read",
    "n_rejected": "rows that could not",
    "is_new": "false where the same content was there already",
    "person": "who uploaded it",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, metavar="[PIPELINE/]DATASET", help="Dataset that it holds rows of.")
@click.option("--partition", help="Partition whose rows it holds, where its name does not say so.")
@click.option("--replace", "replaces", is_flag=True, help="Take the place of a file of other content.")
@json_output(KEYS)
def upload(file: Path, dataset: str, partition: str | None, replaces: bool, as_json: bool) -> int:
    """Check a file, and put it where a dataset looks for it.

    It is read as the dataset is declared, put in its place in one step, and written down with its hash and who
    uploaded it. The same content again is one load. What refreshes read is then as if the file had been there.
    """
    from assets.raw.uploads import record_upload
    from driftline.model.arguments import own_name
    from driftline.upload.found import destination_of
    from resources.connections import connect
    from sources.uploads import upload as put

    connections = connect(opened())
    pipeline, destination = destination_of(dataset)
    scratch, person = Path(connections.engine.spill_directory), own_name()
    with connections.engine.connect() as connection:
        placed = put(file, destination, connection, scratch=scratch, partition=partition, replaces=replaces)
    record_upload(
        connections.lake,
        pipeline.name,
        destination.name,
        file.name,
        placed,
        person=person,
        at=datetime.now(UTC),
    )
    if as_json:
        print_json(
            {
                "file": str(file),
                "pipeline": pipeline.name,
                "dataset": destination.name,
                "place": str(placed.place),
                "partition": placed.partition,
                "sha256": placed.sha256,
                "size_bytes": placed.size_bytes,
                "n_rows": placed.n_rows,
                "n_rejected": placed.n_rejected,
                "is_new": placed.is_new,
                "person": person,
            }
        )
        return SUCCESS
    rows = f"{placed.n_rows:,} rows" + (f", {placed.n_rejected:,} rejected" if placed.n_rejected else "")
    if placed.is_new:
        click.echo(f"{placed.place}: {rows}, {placed.size_bytes:,} bytes, sha256 {placed.sha256[:12]}…")
        click.echo(f"Next: driftline run {pipeline.name}, or wait for the next refresh.")
    else:
        click.echo(f"{placed.place} has the same content already ({rows}): nothing was done.")
    return SUCCESS
