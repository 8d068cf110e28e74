"""Selection of the labels that a model may learn from as of a partition's end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from declaration.errors import DriftlineError
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.sampling import SampleSpec
from declaration.sql import quote_literal


class TrainingSetError(DriftlineError):
    """There is nothing to learn from as of a partition."""


def training_windows(pipeline: Pipeline, window: Window) -> Sequence[Window]:
    """List the partitions to learn from, oldest first: the newest `train_window`, or all so far."""
    spec = pipeline.spec
    ended = [w for w in partitioning(spec.partitions).windows(until=window.end) if w.end <= window.end]
    return ended if spec.model.train_window is None else ended[-spec.model.train_window :]


def known_labels(relation: str, as_of: datetime) -> str:
    """Return the SQL of the labels that were known before an instant."""
    return f"SELECT * FROM {relation} WHERE label IS NOT NULL AND label_time < {quote_literal(as_of.isoformat())}::TIMESTAMPTZ"


def sampled(relation: str, sample: SampleSpec | None, seed: int) -> str:
    """Return the SQL of a sample of labelled rows: those whose hashes are least, all told or of each label.

    The hash is of seed and row: whoever is in the sample leaves it only as rows of lesser hashes come.
    """
    if sample is None:
        return relation
    least = f"md5(concat({quote_literal(f'{seed}:')}, row_id, '@', epoch_us(event_timestamp))), row_id"
    if not sample.stratified:
        return f"SELECT * FROM ({relation}) ORDER BY {least} LIMIT {sample.rows}"
    place = f"row_number() OVER (PARTITION BY label ORDER BY {least})"
    share = f"greatest(1, round({sample.rows} * count(*) OVER (PARTITION BY label) / count(*) OVER ()))"
    return f"SELECT * FROM ({relation}) QUALIFY count(*) OVER () <= {sample.rows} OR {place} <= {share}"
