"""Limits on slices: the declared metric on some of the judged rows, by itself and against the champion's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, improvement
from declaration.limits import LimitRule, SliceLimitSpec
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import resampled_weights
from learning.comparison import ScoredPair, compare
from learning.limits.finding import LimitFinding, Side, blocks_or_rows, judged_together, tested
from learning.limits.groups import Members, column_of, groups_by_value, where_group
from learning.metrics import RANKINGS, Floats, MetricError, Scored, metric_by_block, metric_value

if TYPE_CHECKING:
    import duckdb

MIN_LABEL_ROWS = 10
"""Rows of either label without which a ranking within a slice is chance."""


@dataclass(frozen=True)
class Slice:
    """Some of the judged rows, and what is asked of them.

    Attributes
    ----------
    key
        Place in the declaration.
    name
        In words.
    members
        Which of the judged rows are in it. Shape (n,).
    limits
        What is asked.
    """

    key: str
    name: str
    members: Members
    limits: SliceLimitSpec


@dataclass(frozen=True)
class JudgedScores:
    """The judged rows' scores, and the champion's of those that it has not learned from.

    Attributes
    ----------
    problem, metric
        What is predicted and compared.
    scored
        The challenger's, out of fold.
    event_time_us
        Prediction instants. Shape (n,).
    pair
        Both models' scores; None where no champion was compared.
    pair_positions
        Which of the judged rows the pair's are. Shape (n_pair,).
    seed
        Seed of the bootstrap.
    """

    problem: ProblemType
    metric: Metric
    scored: Scored
    event_time_us: NDArray[np.int64]
    pair: ScoredPair | None
    pair_positions: NDArray[np.int64]
    seed: int


def slices_of(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, specs: Sequence[SliceLimitSpec]
) -> tuple[Slice, ...]:
    """Find the rows of each declared slice.

    Parameters
    ----------
    connection
        Where conditions are computed.
    rows
        The judged rows of the training set.
    specs
        As declared.

    Raises
    ------
    LimitError
        If a column or condition does not fit the training set.
    """
    return tuple(_slices(connection, rows, specs))


def _slices(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, specs: Sequence[SliceLimitSpec]
) -> Iterator[Slice]:
    for position, spec in enumerate(specs):
        key = f"model.gate.slices[{position}]"
        if spec.by is not None:
            column = column_of(rows, spec.by, f"{key}.by")
            for name, members in groups_by_value(rows[column], spec.by).items():
                yield Slice(key, name, members, spec)
        if spec.where is not None:
            yield Slice(key, spec.name or spec.where, where_group(connection, rows, spec.where), spec)


def judge_slices(
    slices: Sequence[Slice], judged: JudgedScores, *, rule: LimitRule, alpha: float
) -> tuple[LimitFinding, ...]:
    """Hold each slice against its limits.

    Parameters
    ----------
    slices
        Found among the judged rows.
    judged
        Scores of these rows.
    rule, alpha
        When a limit stops the challenger; the level is over all slices together.
    """
    findings = [finding for part in slices for finding in _findings(part, judged, alpha)]
    return judged_together(findings, rule=rule, alpha=alpha)


def _findings(part: Slice, judged: JudgedScores, alpha: float) -> Iterator[LimitFinding]:
    if part.limits.min_metric is not None:
        yield _floor(part, judged, part.limits.min_metric, alpha)
    if part.limits.max_loss is not None and judged.pair is not None:
        yield _loss(part, judged, judged.pair, part.limits.max_loss, alpha)


def _floor(part: Slice, judged: JudgedScores, limit: float, alpha: float) -> LimitFinding:
    problem, metric = judged.problem, judged.metric
    side: Side = "at least" if METRICS_BY_PROBLEM[problem][metric] == "higher" else "at most"
    n = int(part.members.sum())
    plain = LimitFinding(f"{part.key}.min_metric", f"{metric} of {part.name} ({n} rows)", side, limit, n)
    scored = Scored(judged.scored.labels[part.members], judged.scored.scores[part.members])
    if obstacle := _obstacle(part, metric, scored.labels):
        return replace(plain, note=obstacle)
    try:
        plain = replace(plain, value=metric_value(metric, scored))
    except MetricError as error:
        return replace(plain, note=str(error))
    blocks = blocks_or_rows(judged.event_time_us[part.members])
    weights = resampled_weights(blocks.n_blocks, seed=judged.seed)
    drawn = metric_by_block(metric, scored, blocks.numbers)(weights)
    return tested(plain, drawn, n_blocks=blocks.n_blocks, alpha=alpha, within=_range(metric))


def _loss(part: Slice, judged: JudgedScores, pair: ScoredPair, limit: float, alpha: float) -> LimitFinding:
    problem, metric = judged.problem, judged.metric
    kept = part.members[judged.pair_positions]
    n = int(kept.sum())
    about = f"{metric} lost against the champion on {part.name} ({n} rows)"
    plain = LimitFinding(f"{part.key}.max_loss", about, "at most", limit, n)
    shared = _part(pair, kept)
    if obstacle := _obstacle(part, metric, shared.challenger.labels):
        return replace(plain, note=obstacle)
    try:
        of, over = metric_value(metric, shared.challenger), metric_value(metric, shared.champion)
    except MetricError as error:
        return replace(plain, note=str(error))
    plain = replace(plain, value=improvement(problem, metric, of=over, over=of))
    blocks = blocks_or_rows(shared.event_time_us)
    drawn = -compare(shared, blocks, problem, metric, seed=judged.seed).gains
    return tested(plain, drawn, n_blocks=blocks.n_blocks, alpha=alpha, within=(-np.inf, np.inf))


def _obstacle(part: Slice, metric: Metric, labels: Floats) -> str:
    """Say why a slice's rows are too few to be judged; empty where they are not."""
    if labels.size < part.limits.min_rows:
        return f"min_rows is {part.limits.min_rows}"
    if metric not in RANKINGS:
        return ""
    # The area of two positives is nearly anything, and the same in most resamples.
    n_rarer = min(np.count_nonzero(labels == 1), np.count_nonzero(labels != 1))
    if n_rarer >= MIN_LABEL_ROWS:
        return ""
    return f"rows of the rarer label: {n_rarer}, and {MIN_LABEL_ROWS} are needed"


def _part(pair: ScoredPair, kept: Members) -> ScoredPair:
    challenger, champion = (
        Scored(scored.labels[kept], scored.scores[kept]) for scored in (pair.challenger, pair.champion)
    )
    return ScoredPair(challenger, champion, pair.event_time_us[kept])


_UNBOUNDED: Mapping[Metric, tuple[float, float]] = {
    "log_loss": (0.0, np.inf),
    "rmse": (0.0, np.inf),
    "mae": (0.0, np.inf),
    "r2": (-np.inf, 1.0),
}


def _range(metric: Metric) -> tuple[float, float]:
    return _UNBOUNDED.get(metric, (0.0, 1.0))
