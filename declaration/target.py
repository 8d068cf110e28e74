"""The `target:` block: what is predicted, and when its truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import (
    Field,
)

from declaration.forecast import Difference, Horizons
from declaration.types import ColumnName, Duration, GrownBlock, Identifier, SqlExpression

ProblemType = Literal["binary", "multiclass", "regression"]


class TargetSpec(GrownBlock):
    """The prediction target: its label, when it is predicted, and when the truth is known."""

    ADDED = frozenset({"horizon", "difference"})

    dataset: Identifier
    """Partitioned dataset, or named query, whose rows are predicted."""
    event_time: ColumnName | None = None
    """Column that says which partition a row belongs to; by default the dataset's own."""
    key: tuple[ColumnName, ...] = ()
    """Columns that identify a row; by default the dataset's own."""
    horizon: Horizons = ()
    """Forecasts: time from the prediction to the event, as `24h`; `prediction_time` follows. Of several each row is predicted once for each,
    and `horizon` (in hours) is a feature and part of the key."""
    difference: Difference | None = None
    """Forecasts: learn the change against a value known by then (`7d`, `year`, `last`) and add that value again in every answer."""
    prediction_time: SqlExpression = ""
    """Instant at which the prediction is made; features are joined as of it. Needed unless `horizon` says it."""
    label: SqlExpression
    """The truth. NULL means that the row has no label."""
    label_time: SqlExpression = ""
    """Instant at which the label becomes known; nothing before it may learn from it. With a `horizon` by default when the last of the label's
    columns is known (`known_at`), or the event time."""
    label_delay: Duration = timedelta(0)
    """Time after its row for which a label may still become known or be corrected: labels so far back are written again with each partition."""
    problem: ProblemType
    """Kind of prediction."""
    where: SqlExpression | None = None
    """Rows to predict; all when absent."""
    request_features: Mapping[Identifier, SqlExpression] = Field(default_factory=dict)
    """Features known from the row itself at the prediction instant. Must not use columns that are known only later."""
