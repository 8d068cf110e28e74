"""Features that grow with time: what a model learns of them ends where the rows end.

A month as a number, a running id, an odometer: rows of later partitions lie outside all that was learned, where a tree says what it
said last and a line goes on as it likes. Found in the rows, and for features of the calendar by computing them for the next partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import rankdata

from declaration.partitioning import Window
from declaration.spec import PipelineSpec
from declaration.sql import quote_identifier, quote_literal
from declaration.target_sql import REQUEST_PREFIX, target_event_time
from driftline.preview.findings import Doubt
from pipelines.loading.checks.expressions import columns_of, declared_types, empty_database

MIN_ROWS = 30
"""Rows from which a course in time can be told."""

COUNTER = 0.99
"""Correlation of ranks with time from which a number counts."""

OUTSIDE = 0.5
"""Share of the next partition that lies outside what was learned, from which it is worth a thought."""

LEARNED, AHEAD = timedelta(days=180), timedelta(days=400)
"""Time that a model is thought to have learned of at least, and for which it is thought to be asked."""

N_PARTS = 20
"""Parts of that time, of which none may lie outside."""

MAX_INSTANTS = 5_000
"""Instants for which a feature of the calendar is computed."""

ADVICE = "later rows lie outside what is learned. Leave it out, or take a difference, an age, or a text for its place in a season that is short"


def growing(values: pa.ChunkedArray, instants: pa.ChunkedArray) -> Doubt | None:
    """Return a doubt about a number that rises or falls with time in nearly every row."""
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None
    is_present = values.is_valid()
    numbers = values.filter(is_present).cast(pa.float64()).to_numpy()
    times = instants.filter(is_present).cast(pa.int64()).to_numpy()
    if numbers.size < MIN_ROWS or np.unique(numbers).size < 3 or np.unique(times).size < MIN_ROWS:
        return None
    found = float(np.corrcoef(rankdata(numbers), rankdata(times))[0, 1])
    if abs(found) < COUNTER:
        return None
    return Doubt("grows", f"{'grows' if found > 0 else 'falls'} with time in these rows: {ADVICE}")


def growing_calendar(spec: PipelineSpec, newest: Window) -> Iterator[tuple[str, Doubt]]:
    """Find request features of the event time alone whose values will lie outside all that a model can have learned.

    What can be learned of are the declared partitions up to the newest, or `LEARNED` where they are fewer: a weekday comes
    again soon, a month does not.

    Parameters
    ----------
    spec
        The declaration.
    newest
        The newest partition that has arrived.
    """
    target = spec.learned
    dataset, first = spec.datasets.get(target.dataset), spec.partitions.start
    if dataset is None or first is None or spec.partitions.every in ("rows", "load"):
        return
    event_time = target_event_time(spec)
    start = first if first.tzinfo else first.replace(tzinfo=newest.start.tzinfo)
    end = max(newest.end, start + LEARNED)
    if spec.model.train_window is not None:
        start = max(start, end - max(LEARNED, spec.model.train_window * (newest.end - newest.start)))
    kind = declared_types(dataset)[event_time]
    for name, sql in target.request_features.items():
        if columns_of(sql) != {event_time.lower()}:
            continue
        learned = _values(sql, event_time, kind, start, end)
        later = _values(sql, event_time, kind, end, end + AHEAD)
        if learned.size and _leaves(learned, later):
            text = f"grows with the calendar: within {AHEAD.days} days it is beyond all it was before {end:%Y-%m-%d}, and {ADVICE}"
            yield REQUEST_PREFIX + name, Doubt("grows", text)


def _leaves(learned: np.ndarray, later: np.ndarray) -> bool:
    """Tell whether one of the later parts of a year lies outside the range that was learned."""
    is_outside = (later < learned.min()) | (later > learned.max())
    return any(part.size and part.mean() > OUTSIDE for part in np.array_split(is_outside, N_PARTS))


def _values(sql: str, column: str, kind: str, start: datetime, end: datetime) -> np.ndarray:
    """Compute an expression for instants of a span; empty where it gives no number."""
    import duckdb

    step = max(timedelta(minutes=1), (end - start) / MAX_INSTANTS)
    moments = (
        f"SELECT CAST(unnest(range({quote_literal(start.isoformat())}::TIMESTAMPTZ, {quote_literal(end.isoformat())}::TIMESTAMPTZ, "
        f"to_seconds({int(step.total_seconds())}))) AS {kind}) AS {quote_identifier(column)}"
    )
    with empty_database() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            found = connection.sql(
                f"SELECT ({sql}) AS value FROM ({moments}) WHERE ({sql}) IS NOT NULL"
            ).to_arrow_table()
        except duckdb.Error:
            # Said where expressions are judged.
            return np.empty(0)
    values = found["value"]
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    return pc.cast(values, pa.float64()).to_numpy() if is_number else np.empty(0)
