"""Rows that two versions were scored on blindly: the later one's judged rows, which the earlier has not learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier
from learning.comparison import ScoredPair
from learning.fitted import FittedModel
from learning.metrics import Floats, Scored
from learning.score_columns import aligned_scores, classes_of_both, score_fields, scores_from
from learning.threads import limited_threads
from learning.training_rows import label_indices, microseconds
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, scan
from resources.model_registry.version import ModelVersion

MAX_ROWS = 200_000
"""Rows that are compared, drawn by the hash of their id: more cost memory and tell nothing."""


@dataclass(frozen=True)
class JudgedVersion:
    """A version with its model."""

    version: ModelVersion
    model: FittedModel


@dataclass(frozen=True)
class SameRows:
    """Both versions' scores on rows that neither learned from; the later is the pair's challenger.

    Attributes
    ----------
    pair
        The scores.
    earlier
        Number of the earlier version.
    n_recorded
        Rows on which its score is that of its own judgement, out of fold; the others it scored now.
    """

    pair: ScoredPair
    earlier: int
    n_recorded: int


def order_of(pipeline: Pipeline, version: ModelVersion) -> tuple[int, int]:
    """Return what orders versions: up to when they have learned (microseconds), then their number."""
    as_of = partitioning(pipeline.spec.partitions).window(version.training_partition).end
    return round(as_of.timestamp() * 1e6), version.version


def read_same_rows(
    pipeline: Pipeline, earlier: JudgedVersion, later: JudgedVersion, *, lake: Lake, engine: Engine
) -> SameRows | None:
    """Read the later version's judged rows that the earlier one has not learned from, with both scores.

    A row counts whose label became known after the earlier one's training, or on which it was judged itself, out of fold.
    None where there is none.

    Raises
    ------
    LakeError
        If the training set or the judged rows are gone.
    EncodingError
        If the earlier model cannot read the later one's rows.
    """
    rows = _read(pipeline, earlier, later, lake, engine)
    if rows.num_rows == 0:
        return None
    problem = later.model.problem
    classes = classes_of_both(later.model.classes, earlier.model.classes)
    labels = label_indices(rows["label"], problem, classes)
    scores = _earlier_scores(rows, earlier.model, engine.threads)
    judged = scores_from(_named(rows, "later"), problem, len(later.model.classes))
    pair = ScoredPair(
        challenger=Scored(labels, aligned_scores(judged, later.model.classes, classes)),
        champion=Scored(labels, aligned_scores(scores, earlier.model.classes, classes)),
        event_time_us=microseconds(rows["event_timestamp"]),
    )
    return SameRows(pair, earlier.version.version, pc.sum(rows["is_recorded"]).as_py() or 0)


def _read(
    pipeline: Pipeline, earlier: JudgedVersion, later: JudgedVersion, lake: Lake, engine: Engine
) -> pa.Table:
    judged = lake.snapshot(pipeline.table("holdout_scores"))
    training = lake.snapshot(pipeline.table("training_set"), later.version.training_table_version)
    columns = [quote_identifier(field.name) for field in score_fields(later.model.problem)]
    both = [
        f"{alias}.{column} AS {_prefixed(alias, column)}"
        for alias in ("later", "earlier")
        for column in columns
    ]
    known_until = order_of(pipeline, earlier.version)[0]
    statement = f"""
        SELECT features.*, {", ".join(both)}, earlier.row_id IS NOT NULL AS is_recorded
        FROM {scan(judged, [str(later.version.version)])} AS later
        JOIN {scan(training, [later.version.training_partition])} AS features USING (row_id, event_timestamp)
        LEFT JOIN {scan(judged, [str(earlier.version.version)])} AS earlier USING (row_id, event_timestamp)
        WHERE earlier.row_id IS NOT NULL OR epoch_us(features.label_time) >= {known_until}
        ORDER BY hash(features.row_id) LIMIT {MAX_ROWS}
    """
    with engine.connect() as connection:
        rows = connection.sql(f"SELECT * FROM ({statement}) ORDER BY event_timestamp, row_id")
        return rows.to_arrow_table()


def _prefixed(alias: str, column: str) -> str:
    return quote_identifier(f"{alias} {column.strip(chr(34))}")


def _named(rows: pa.Table, alias: str) -> pa.Table:
    """Return the score columns of one of the two, under their own names."""
    names = [name for name in rows.column_names if name.startswith(f"{alias} ")]
    return rows.select(names).rename_columns([name.removeprefix(f"{alias} ") for name in names])


def _earlier_scores(rows: pa.Table, model: FittedModel, threads: int) -> Floats:
    """Take the recorded scores, and score the rows that have none."""
    is_recorded = rows["is_recorded"].to_numpy()
    recorded, fresh = np.flatnonzero(is_recorded), np.flatnonzero(~is_recorded)
    shape = (rows.num_rows, len(model.classes)) if model.classes else (rows.num_rows,)
    scores = np.empty(shape)
    scores[recorded] = scores_from(_named(rows, "earlier").take(recorded), model.problem, len(model.classes))
    with limited_threads(threads):
        scores[fresh] = model.score(rows.take(fresh))
    return scores
