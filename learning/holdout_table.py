"""Table of a training's judged rows: their labels, and the scores and quantiles of models that have not learned from them."""

from __future__ import annotations

import pyarrow as pa

from learning.score_columns import quantile_columns, score_columns
from learning.train import Training
from learning.training_rows import TrainingSet


def holdout_table(data: TrainingSet, training: Training) -> pa.Table:
    """Lay out the judged rows with their labels, the scores of models that have not learned from them, and declared quantiles."""
    table = data.rows.select(["row_id", "event_timestamp", "label"]).take(training.judged)
    columns = {**score_columns(data.problem, data.classes, training.holdout.scores)}
    if training.finish is not None and (found := training.finish.quantiles) is not None:
        columns |= quantile_columns(found.quantiles.shares, found.values)
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table
