"""What lives under one policy come to: one row of a stream's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.policy.life import Life
from benchmarks.policy.streams import N_HISTORY, onsets_of

CALM_THROUGHOUT = frozenset({"stationary", "autocorrelated", "virtual"})
"""Streams in which every dataset-level alarm is false: what moves in `virtual` is of no use to the model."""


@dataclass(frozen=True)
class Row:
    """Means over the draws of a stream.

    Attributes
    ----------
    accuracy, accuracy_sd, auc
        Mean over draws; spread over draws (0 with one).
    trainings, promotions
        By draw.
    losing
        Promotions that surely lost, in all draws.
    n_promotions
        In all draws.
    delay, n_missed, n_changes
        Windows from a change to the first alarm, over those seen; changes not seen; all changes.
    false_alarms, false_columns
        Share of calm windows with a dataset-level alarm; with any column called drifted. None without calm windows.
    """

    policy: str
    accuracy: float
    accuracy_sd: float
    auc: float
    trainings: float
    promotions: float
    losing: int
    n_promotions: int
    delay: float | None
    n_missed: int
    n_changes: int
    false_alarms: float | None
    false_columns: float | None


def summarise(lives: Sequence[Life]) -> Row:
    """Summarise one policy's lives on the draws of one stream."""
    by_seed = [
        np.mean([np.mean(life.accuracy) for life in lives if life.seed == seed])
        for seed in sorted({life.seed for life in lives})
    ]
    delays = [delay for life in lives for delay in _delays(life)]
    seen = [delay for delay in delays if delay is not None]
    calm = [life.answers[i] for life in lives for i in _calm_windows(life)]
    return Row(
        policy=lives[0].policy,
        accuracy=float(np.mean(by_seed)),
        accuracy_sd=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else 0.0,
        auc=float(np.mean([np.mean(life.auc) for life in lives])),
        trainings=float(np.mean([len(life.trainings) for life in lives])),
        promotions=float(np.mean([len(life.promotions) for life in lives])),
        losing=sum(promotion.loses for life in lives for promotion in life.promotions),
        n_promotions=sum(len(life.promotions) for life in lives),
        delay=float(np.mean(seen)) if seen else None,
        n_missed=len(delays) - len(seen),
        n_changes=len(delays),
        false_alarms=float(np.mean([answer.is_alarm for answer in calm])) if calm else None,
        false_columns=float(np.mean([answer.any_column for answer in calm])) if calm else None,
    )


def _delays(life: Life) -> list[int | None]:
    """Return for each change the windows until an alarm that came before the next change."""
    if life.stream in CALM_THROUGHOUT:
        return []
    onsets = [onset - N_HISTORY for onset in onsets_of(life.stream, life.seed)]
    delays: list[int | None] = []
    for onset, end in zip(onsets, [*onsets, len(life.answers)][1:], strict=True):
        alarms = [i for i in range(onset, end) if life.answers[i].is_alarm]
        delays.append(alarms[0] - onset if alarms else None)
    return delays


def _calm_windows(life: Life) -> range:
    if life.stream in CALM_THROUGHOUT:
        return range(len(life.answers))
    onsets = onsets_of(life.stream, life.seed)
    return range(onsets[0] - N_HISTORY) if onsets else range(0)


HEADER = (
    "| policy | accuracy (sd) | AUC | trainings | promotions (losing) | delay (missed) | false alarms | any column |\n"
    "|---|---|---|---|---|---|---|---|"
)


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    return "\n".join([HEADER, *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    delay = "–"
    if row.policy in _SILENT or not row.n_changes:
        delay = "–"
    elif row.delay is None:
        delay = f"– ({row.n_missed} of {row.n_changes})"
    else:
        delay = f"{row.delay:.1f} ({row.n_missed} of {row.n_changes})"
    has_alarms = row.policy not in _SILENT and row.false_alarms is not None
    alarms, columns = (f"{row.false_alarms:.1%}", f"{row.false_columns:.1%}") if has_alarms else ("–", "–")
    return (
        f"| {row.policy} | {row.accuracy:.4f} ({row.accuracy_sd:.4f}) | {row.auc:.4f} | {row.trainings:.1f} | "
        f"{row.promotions:.1f} ({row.losing} of {row.n_promotions}) | {delay} | {alarms} | {columns} |"
    )


_SILENT = frozenset({"never", "every batch", "every k", "every k (defaults)"})
"""Policies that hold nothing to have changed."""
