"""`driftline predict [NAME] --rows FILE`: the champion's prediction for some rows, and what it read."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, opened
from driftline.printing import console, print_json

if TYPE_CHECKING:
    from driftline.predict.reading import Format

FORMATS = ("jsonl", "csv", "parquet")

KEYS = {
    "pipeline": "its name",
    "now": "instant of the question",
    "model_version": "version that answered",
    "rows": "every row, in the order of the file",
    "rows[].given": "its columns, as they were given",
    "rows[].prediction": "the columns of the prediction: score, or scores by class; `low` and `high` of an interval, and declared quantiles",
    "rows[].features": "what the model read, by feature",
    "rows[].explanation": "the answer taken apart; null without --explain",
    "rows[].explanation.output": "what the raw score is of: log odds, probability, value, or one of these of the predicted class",
    "rows[].explanation.base_of": "row that parts are counted from: an average one, or the mean of some that are kept; of old versions also one without values",
    "rows[].explanation.base": "its raw score",
    "rows[].explanation.raw_score": "raw score of this row: `base`, all `part` and `rest` sum to it",
    "rows[].explanation.contributions": "features with the largest parts, the largest first",
    "rows[].explanation.contributions[].feature": "its name",
    "rows[].explanation.contributions[].part": "by how much it moved the raw score",
    "rows[].explanation.contributions[].standard_error": "of an estimated part; null where it is exact",
    "rows[].explanation.rest": "sum of the parts of all other features",
    "rows[].explanation.n_orders": "orders of the features that parts are estimated from; 0 where they are exact",
}


class Instant(click.ParamType[datetime]):
    """An instant in ISO's form; without a zone, UTC."""

    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the text, or refuse it."""
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' must be an instant such as 2024-03-06T12:00:00+00:00.", param, ctx)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@click.command()
@name_argument
@click.option(
    "--rows",
    "file",
    required=True,
    metavar="FILE",
    help="Rows to ask about: JSON lines, CSV or Parquet by its name; - is standard input.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="How FILE is written, where its name does not say.",
)
@click.option("--now", type=Instant(), help="Instant of the question, UTC without a zone; by default now.")
@click.option("--log", "is_logged", is_flag=True, help="Note what is served, for `driftline skew`.")
@click.option(
    "--explain",
    "n_parts",
    type=click.IntRange(min=1),
    metavar="N",
    help="The N features that moved each answer most.",
)
@json_output(KEYS)
def predict(
    name: str | None,
    file: str,
    kind: Format | None,
    now: datetime | None,
    is_logged: bool,
    n_parts: int | None,
    as_json: bool,
) -> int:
    """Print what the champion predicts for some rows.

    The rows have the columns of the target's dataset. With each prediction goes every feature that it read: value,
    status and age. Features come from the online store, request features from the row itself. Nothing is
    written without --log. Parts of --explain sum to the answer; where they are estimated, standard errors stand beside them.
    """
    from driftline.predict.explained import explained_rows
    from driftline.predict.reading import format_of, rows_from
    from driftline.predict.report import as_plain, show
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect
    from resources.feature_store.online.served_log import ServedLog
    from serving.predictor import open_serving

    pipeline, connections = find_pipeline(name), connect(opened())
    rows = rows_from(_content(file), kind or format_of(file), file)
    log = ServedLog(connections.lake, pipeline.name) if is_logged else nullcontext()
    with open_serving(pipeline, connections) as serving, log as noted:
        answer = serving.score(rows, now or datetime.now(UTC), log=noted)
        explained = explained_rows(serving, answer, n_parts) if n_parts is not None else ()
    if as_json:
        print_json(as_plain(pipeline.name, answer, rows, explained))
    else:
        show(pipeline.name, answer, rows, tuple(serving.columns.keys), console(), explained)
    return SUCCESS


def _content(name: str) -> bytes:
    from serving.request_rows import RequestRowsError

    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise RequestRowsError(
            f"'{name}' cannot be read: {error.strerror}. Name a file, or - for standard input."
        ) from error
