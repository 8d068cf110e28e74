"""Conditions of the gate on a training's judged rows: limits, and naive baselines; the same in earnest and in a backtest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.model import GateSpec, Metric
from declaration.target import ProblemType
from learning.baseline_rule import surely_beats
from learning.baselines import JudgedBaselines
from learning.comparison import ScoredPair
from learning.gate import GateVerdict
from learning.gate_conditions import with_baselines
from learning.limits.calibration_error import judge_calibration
from learning.limits.fairness import judge_fairness
from learning.limits.finding import LimitFinding
from learning.limits.slices import JudgedScores, judge_slices, slices_of
from learning.metrics import Scored

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows of a challenger, and what both models say of them.

    Attributes
    ----------
    problem, metric
        What is predicted and compared.
    scored
        The challenger's scores, out of fold.
    event_time_us
        Prediction instants. Shape (n,).
    pair
        Both models' scores, with their places among these rows; None where no champion was compared.
    features
        Gives the rows themselves: only limits on slices and groups read them.
    seed
        Seed of the bootstraps.
    """

    problem: ProblemType
    metric: Metric
    scored: Scored
    event_time_us: NDArray[np.int64]
    pair: ScoredPair | None
    features: Callable[[], pa.Table]
    seed: int


def row_findings(
    judged: JudgedRows,
    gate: GateSpec,
    connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> Iterator[LimitFinding]:
    """Hold judged rows against the limits of a gate.

    Parameters
    ----------
    judged, gate
        The rows, and what is declared.
    connect
        Opens a connection, where conditions of slices are computed.
    """
    scored, at, pair = judged.scored, judged.event_time_us, judged.pair
    if gate.slices:
        with connect() as connection:
            slices = slices_of(connection, judged.features(), gate.slices)
        places = pair.positions if pair is not None else None
        scores = JudgedScores(
            judged.problem, judged.metric, scored, at, pair,
            places if places is not None else np.empty(0, dtype=np.int64), judged.seed,
        )  # fmt: skip
        yield from judge_slices(slices, scores, rule=gate.limits, alpha=gate.alpha)
    if gate.max_calibration_error is not None:
        yield judge_calibration(scored, at, gate.max_calibration_error, rule=gate.limits, alpha=gate.alpha)
    if gate.fairness is not None:
        yield from judge_fairness(
            scored,
            judged.features(),
            at,
            gate.fairness,
            rule=gate.limits,
            alpha=gate.alpha,
            seed=judged.seed,
        )


def held_against_baselines(
    verdict: GateVerdict, judged: JudgedRows, naive: JudgedBaselines, gate: GateSpec, *, is_naive: bool
) -> GateVerdict:
    """Keep out a challenger that does not surely beat the naive baselines, where the gate asks for that.

    Parameters
    ----------
    verdict
        So far.
    judged, naive
        The rows, and what naive forecasts say of some of them.
    gate
        As declared.
    is_naive
        The challenger is a naive forecast itself, made of features so that it can serve.
    """
    if not verdict.is_promoted or not naive.scored:
        return verdict
    at = judged.event_time_us[naive.positions]
    beats = is_naive or surely_beats(
        judged.problem,
        judged.metric,
        Scored(judged.scored.labels[naive.positions], judged.scored.scores[naive.positions]),
        naive.scored,
        at,
        seed=judged.seed,
    )
    champion_beats = None if beats else _champion_beats(judged, naive)
    return with_baselines(verdict, gate.beat_baseline, beats=beats, champion_beats=champion_beats)


def _champion_beats(judged: JudgedRows, naive: JudgedBaselines) -> bool | None:
    """Tell whether the champion surely beats the baselines on the rows that both have said something of; None without one."""
    pair = judged.pair
    if pair is None or pair.positions is None:
        return None
    shared, ours, theirs = np.intersect1d(pair.positions, naive.positions, return_indices=True)
    if not shared.size:
        return None
    baselines = {
        name: Scored(scored.labels[theirs], scored.scores[theirs]) for name, scored in naive.scored.items()
    }
    champion = Scored(pair.champion.labels[ours], pair.champion.scores[ours])
    at = judged.event_time_us[shared]
    return surely_beats(judged.problem, judged.metric, champion, baselines, at, seed=judged.seed)
