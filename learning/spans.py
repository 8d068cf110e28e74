"""Spans of the past that a model may learn from, and which of them is worth it.

After a change of concept old rows teach what no longer holds; where nothing changed they are worth
having: always learning from the newest three months lost 0.023 of AUC on flights. So a few spans compete out of
fold, and a shorter one replaces "all" when it is better by one standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from learning.judged import Judged
from learning.out_of_fold import n_rows_left, rows_since
from learning.training_rows import TrainingSet

SpanName = Literal[
    "all", "newest third", "newest ninth", "newest 8 windows", "unseen by the champion", "since the loss"
]

N_WINDOWS = 8
"""Windows of the span that a sliding schedule would learn from."""

MIN_SPAN_ROWS = 300
"""Fewer rows are not tried: their model would be chosen by chance."""

MIN_LEFT_ROWS = 200
"""Rows that a fold must leave of a span."""

MIN_STANDARD_ERRORS = 1.0
"""A shorter span must be better than all rows by so many: the one-standard-error rule.

References
----------
Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3.
"""


@dataclass(frozen=True)
class Span:
    """Rows since an instant, by their name; `since_us` is None for all."""

    name: SpanName
    since_us: int | None = None


@dataclass(frozen=True)
class SpanResult:
    """Out-of-fold result of a span.

    Attributes
    ----------
    span
        Which it is.
    n_rows
        Rows that a model of it learns from.
    loss
        Mean proper loss on the rows where spans compete.
    gain, n_standard_errors
        By how much that is better than "all", and in standard errors by blocks of time; 0 for "all" itself.
    is_of_newest_fold
        The figures are of the newest fold alone: there it fell behind, and was scored no further.
    """

    span: Span
    n_rows: int
    loss: float
    gain: float = 0.0
    n_standard_errors: float = 0.0
    is_of_newest_fold: bool = False


ALL = Span("all")


def shorter_spans(data: TrainingSet, judged: Judged, loss_since_us: int | None) -> Sequence[Span]:
    """List the spans that compete with "all": long enough, each once.

    Parameters
    ----------
    data
        Labelled rows.
    judged
        Rows that are held out: a span must leave `MIN_LEFT_ROWS` rows without each fold.
    loss_since_us
        First instant of an open loss; None where there is none.
    """
    n = data.labels.size
    newest = np.unique(data.windows)[-N_WINDOWS:]
    sizes: dict[SpanName, int] = {
        "newest third": round(n / 3),
        "newest ninth": round(n / 9),
        "newest 8 windows": int(np.count_nonzero(data.windows >= newest[0])),
    }
    if loss_since_us is None:
        sizes["unseen by the champion"] = judged.n_unseen
    else:
        sizes["since the loss"] = int(np.count_nonzero(data.event_time_us >= loss_since_us))
    spans: list[Span] = []
    tried = {n}
    for name, n_newest in sizes.items():
        if n_newest < MIN_SPAN_ROWS:
            continue
        # As many newest rows: a straggler of an old window, or an old label that came late, draws nothing along.
        since_us = int(data.event_time_us[n - min(n, n_newest)])
        n_rows = int(np.count_nonzero(rows_since(data, since_us)))
        if n_rows not in tried and _can_be_learned(data, judged, since_us):
            tried.add(n_rows)
            spans.append(Span(name, since_us))
    return spans


def _can_be_learned(data: TrainingSet, judged: Judged, since_us: int) -> bool:
    """Tell whether each fold leaves rows enough, and the whole span two labels at least."""
    labels = data.labels[rows_since(data, since_us)]
    has_two = data.problem == "regression" or bool(np.any(labels != labels[0]))
    return has_two and n_rows_left(data, judged, since_us) >= MIN_LEFT_ROWS


def best_span(results: Sequence[SpanResult]) -> Span:
    """Return the span of least loss among those better than "all" by one standard error; else "all".

    Examples
    --------
    >>> third, ninth = Span("newest third", 6), Span("newest ninth", 8)
    >>> whole = SpanResult(ALL, 900, 0.50)
    >>> best_span(
    ...     [whole, SpanResult(third, 300, 0.40, 0.10, 3.0), SpanResult(ninth, 100, 0.35, 0.15, 0.9)]
    ... ).name
    'newest third'
    """
    better = [result for result in results if result.n_standard_errors > MIN_STANDARD_ERRORS]
    return min(better, key=lambda result: result.loss).span if better else ALL
