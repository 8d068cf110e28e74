"""Selection of the labels that a model may learn from as of a partition's end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from declaration.errors import DriftlineError
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
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
