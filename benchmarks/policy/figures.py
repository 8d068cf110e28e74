"""Figures of lives under one policy: one row of a stream's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.policy.life import Life
from benchmarks.policy.lives import SPEAKING
from benchmarks.policy.streams.stream import Floats

Onsets = Mapping[tuple[str, int], tuple[int, ...]]
"""Live windows in which something changes, by stream and seed."""

CALM_THROUGHOUT = frozenset({"stationary", "autocorrelated .9", "autocorrelated .95", "virtual"})
"""Streams in which every dataset-level alarm is false: what moves in `virtual` is of no use to the model."""


@dataclass(frozen=True)
class Row:
    """Means over the draws of a stream.

    Attributes
    ----------
    quality, quality_sd, proper_loss
        Mean over draws; spread over draws (0 with one).
    trainings, promotions, rollbacks
        By draw.
    losing, n_promotions
        Promotions that surely lost, and all of them, in all draws.
    delay, n_missed, n_changes
        Windows from a change to the first alarm, over those seen; changes not seen; all changes.
    n_calm, false_alarms, false_columns
        Calm windows, and the share of them with a dataset-level alarm; with any column called drifted. None without calm windows.
    """

    policy: str
    quality: float
    quality_sd: float
    proper_loss: float
    trainings: float
    promotions: float
    rollbacks: float
    losing: int
    n_promotions: int
    delay: float | None
    n_missed: int
    n_changes: int
    n_calm: int
    false_alarms: float | None
    false_columns: float | None


def summarise(lives: Sequence[Life], onsets: Onsets) -> Row:
    """Summarise one policy's lives on the draws of one stream."""
    by_seed = [float(np.mean(qualities)) for qualities in quality_by_window(lives).values()]
    delays = [delay for life in lives for delay in _delays(life, onsets[life.stream, life.seed])]
    seen = [delay for delay in delays if delay is not None]
    calm = [life.answers[i] for life in lives for i in _calm_windows(life, onsets[life.stream, life.seed])]
    return Row(
        policy=lives[0].policy,
        quality=float(np.mean(by_seed)),
        quality_sd=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else 0.0,
        proper_loss=float(np.mean([np.mean(life.proper_loss) for life in lives])),
        trainings=float(np.mean([len(life.trainings) for life in lives])),
        promotions=float(np.mean([len(life.promotions) for life in lives])),
        rollbacks=float(np.mean([len(life.rollbacks) for life in lives])),
        losing=sum(promotion.loses for life in lives for promotion in life.promotions),
        n_promotions=sum(len(life.promotions) for life in lives),
        delay=float(np.mean(seen)) if seen else None,
        n_missed=len(delays) - len(seen),
        n_changes=len(delays),
        n_calm=len(calm),
        false_alarms=float(np.mean([answer.is_alarm for answer in calm])) if calm else None,
        false_columns=float(np.mean([answer.any_column for answer in calm])) if calm else None,
    )


def quality_by_window(lives: Sequence[Life]) -> Mapping[int, Floats]:
    """Return the quality of each draw by window, mean over a schedule's phases."""
    return {
        seed: np.mean([life.quality for life in lives if life.seed == seed], axis=0)
        for seed in sorted({life.seed for life in lives})
    }


def _delays(life: Life, onsets: Sequence[int]) -> list[int | None]:
    """Return for each change the windows until an alarm that came before the next change."""
    if life.stream in CALM_THROUGHOUT:
        return []
    delays: list[int | None] = []
    for onset, end in zip(onsets, [*onsets, len(life.answers)][1:], strict=True):
        alarms = [i for i in range(onset, end) if life.answers[i].is_alarm]
        delays.append(alarms[0] - onset if alarms else None)
    return delays


def _calm_windows(life: Life, onsets: Sequence[int]) -> range:
    if life.stream in CALM_THROUGHOUT:
        return range(len(life.answers))
    return range(onsets[0]) if onsets else range(0)


HEADER = (
    "| policy | quality (sd) | log loss | trainings | promotions (losing) | rollbacks | delay (missed) | false alarms | any column |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    return "\n".join([HEADER, *(_line(row) for row in rows)])


def _line(row: Row) -> str:
    delay, alarms, columns = "–", "–", "–"
    if row.policy in SPEAKING and row.n_changes:
        mean = "–" if row.delay is None else f"{row.delay:.1f}"
        delay = f"{mean} ({row.n_missed} of {row.n_changes})"
    if row.policy in SPEAKING and row.false_alarms is not None:
        alarms, columns = f"{row.false_alarms:.1%}", f"{row.false_columns:.1%}"
    return (
        f"| {row.policy} | {row.quality:.4f} ({row.quality_sd:.4f}) | {row.proper_loss:.4f} | {row.trainings:.1f} | "
        f"{row.promotions:.1f} ({row.losing} of {row.n_promotions}) | {row.rollbacks:.1f} | {delay} | {alarms} | {columns} |"
    )
