"""Table of a training's judged rows: their labels, and the scores of models that have not learned from them."""

from __future__ import annotations

import pyarrow as pa

from learning.score_columns import score_columns
from learning.train import Training
from learning.training_rows import TrainingSet


def holdout_table(data: TrainingSet, training: Training) -> pa.Table:
    """Lay out the judged rows with their labels and the scores of models that have not learned from them."""
    table = data.rows.select(["row_id", "event_timestamp", "label"]).take(training.judged)
    for name, values in score_columns(data.problem, data.classes, training.holdout.scores).items():
        table = table.append_column(name, values)
    return table
