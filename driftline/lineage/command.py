"""`python -m driftline.lineage NAME`: which columns, views, training sets and models a feature or a column touches."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.lineage.choice import chosen, every_feature
from driftline.lineage.page import page
from driftline.lineage.terminal import show
from pipelines.lineage import Lineage, declared_lineage
from pipelines.lineage.models import with_models
from resources.connections import connections
from resources.deployment import deployment

WIDTH = 120
"""Columns of the output where it goes to a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lineage of one pipeline's columns."""
    parser = argparse.ArgumentParser(
        prog="python -m driftline.lineage",
        description="Print what a feature or a column is made of, and what is made of it, down to models and predictions. "
        "Read from the declaration's SQL; the registry says which model versions read a feature.",
    )
    parser.add_argument("pipeline", help="name of a folder in pipelines/defs")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--feature", metavar="VIEW.F", help="a feature: view.feature, request.feature, or its name alone"
    )
    which.add_argument("--column", metavar="D.C", help="a column of a dataset or named query: dataset.column")
    parser.add_argument(
        "--depth", type=_positive, metavar="N", help="most steps up and down (all by default)"
    )
    parser.add_argument("--rows", action="store_true", help="also what only decides which rows there are")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the same as a page with a picture")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        from pipelines.loading.declared import find_pipeline

        pipeline = find_pipeline(options.pipeline)
        lineage = registered_lineage(pipeline)
        start = (
            chosen(lineage, feature=options.feature, column=options.column)
            if options.feature or options.column
            else every_feature(lineage)
        )
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    seen = lineage if options.rows else lineage.without_rows()
    show(seen, start, console, depth=options.depth)
    if options.html is not None:
        options.html.parent.mkdir(parents=True, exist_ok=True)
        options.html.write_text(page(pipeline.name, seen, start, depth=options.depth), encoding="utf-8")
        console.print(f"Written: {options.html}", markup=False, highlight=False)
    return 0


def registered_lineage(pipeline: Pipeline) -> Lineage:
    """Return the declared lineage with the model versions of this installation's registry."""
    declared = declared_lineage(pipeline)
    if pipeline.spec.target is None:
        return declared
    registry = connections(deployment(os.environ)).registry
    versions = registry.versions(pipeline.name)
    champion = registry.aliases(pipeline.name).get("champion") if versions else None
    return with_models(declared, {one.version: one.feature_names for one in versions}, champion)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
