"""`python -m serving NAME --rows FILE`: the champion's prediction for some rows, and what it read."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from declaration.errors import DriftlineError
from driftline.predict.reading import FORMATS, MAX_ROWS, format_of, rows_from
from driftline.predict.report import as_plain, show
from resources.connections import connections
from resources.deployment import deployment
from resources.feature_store.online.served_log import ServedLog
from serving.predictor import open_serving
from serving.request_rows import RequestRowsError

WIDTH = 120
"""Columns of the output where it goes to a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        description="Print what the champion predicts for rows of the target's dataset, with each feature that it reads: value, status and age. "
        "Features come from the online store, request features from the row itself. Nothing is written without --log.",
    )
    parser.add_argument("pipeline", help="name of a folder in pipelines/defs")
    parser.add_argument(
        "--rows", required=True, metavar="FILE",
        help=f"rows to ask about, at most {MAX_ROWS:,}: JSON lines, CSV or Parquet by its name; - is standard input",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, help="how FILE is written, where its name does not say")
    parser.add_argument(
        "--now", type=_instant, metavar="ISO", help="instant of the question, UTC without a zone; now by default"
    )  # fmt: skip
    parser.add_argument(
        "--log", action="store_true", help="note what is served, for driftline.skew to compare"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        from pipelines.loading.declared import find_pipeline

        pipeline, to = find_pipeline(options.pipeline), connections(deployment(os.environ))
        rows = rows_from(_content(options.rows), options.format or format_of(options.rows), options.rows)
        log = ServedLog(to.lake, pipeline.name) if options.log else nullcontext()
        with open_serving(pipeline, to) as serving, log as noted:
            answer = serving.score(rows, options.now or datetime.now(UTC), log=noted)
        keys = tuple(serving.columns.keys)
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    if options.json:
        json.dump(as_plain(pipeline.name, answer, rows), sys.stdout, ensure_ascii=False, allow_nan=False)
        sys.stdout.write("\n")
    else:
        show(pipeline.name, answer, rows, keys, Console(width=None if sys.stdout.isatty() else WIDTH))
    return 0


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise RequestRowsError(
            f"'{name}' cannot be read: {error.strerror}. Name a file, or - for standard input."
        ) from error


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be an instant such as 2024-03-06T12:00:00+00:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
