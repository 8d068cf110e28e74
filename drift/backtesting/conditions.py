"""Conditions of the gate in a backtest: limits and naive baselines on a challenger's judged rows, as the model stage holds them.

What a history cannot tell is left out: how long scoring takes on the machine of then, and what a person would have decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
import numpy as np
import pyarrow as pa

from declaration.model import GateSpec
from drift.backtesting.history import History, known_rows
from drift.backtesting.versions import NAIVE_PREFIX, Judgement, Version
from learning.baselines import JudgedBaselines, LabelledRows, forecast_training
from learning.comparison import ScoredPair
from learning.gate import GateVerdict
from learning.gate_conditions import with_limits
from learning.judged_conditions import JudgedRows, held_against_baselines, row_findings
from learning.known_values import known_by_row
from learning.limits.cost import judge_size
from learning.limits.finding import LimitFinding
from learning.metrics import Floats, Scored
from learning.model_file import model_to_bytes
from learning.naive_forecast import NAIVE
from learning.score_columns import SCORES_TYPE, scores_from
from learning.train import Training
from learning.training_rows import TrainingSet, label_indices, microseconds


def left_out(gate: GateSpec) -> Iterator[str]:
    """Say which declared conditions a backtest does not hold a challenger to, and why."""
    if gate.approval == "manual":
        yield "model.gate.approval: what passes serves at once, for nobody knows what a person would have decided"
    if gate.latency is not None:
        yield "model.gate.latency: the time on another machine is another number"
    if gate.slices or gate.fairness is not None or gate.beat_baseline == "always":
        yield "limits on the first model: all policies begin with it"


def conditioned(
    history: History,
    challenger: Version,
    pair: ScoredPair | None,
    gate: GateSpec,
    verdict: GateVerdict,
    *,
    seed: int,
) -> GateVerdict:
    """Keep out a challenger that is beyond a limit, or does not surely beat the naive baselines.

    Parameters
    ----------
    history, challenger
        Who is judged, and where its rows are.
    pair
        Both models' scores; None where no row is compared.
    gate, verdict
        As declared, and what the comparison came to.
    seed
        Seed of the bootstraps.
    """
    judgement, classes = challenger.judged, challenger.model.classes
    rows, problem = judgement.rows, history.problem
    scored = Scored(label_indices(rows["label"], problem, classes), scores_from(rows, problem, len(classes)))
    at = microseconds(rows["event_timestamp"])
    judged = JudgedRows(
        problem, judgement.metric, scored, at, pair, lambda: features_of(history, judgement), seed
    )
    findings = row_findings(judged, gate, lambda: duckdb.connect(config={"threads": 1}))
    limited = with_limits(verdict, (*findings, *_size(challenger, gate)))
    return held_against_baselines(
        limited,
        judged,
        _kept_naive(judgement, scored.labels, history, len(classes)),
        gate,
        is_naive=challenger.model.algorithm == NAIVE.use,
    )


def _size(challenger: Version, gate: GateSpec) -> Iterator[LimitFinding]:
    if gate.max_size_mb is not None:
        yield judge_size(len(model_to_bytes(challenger.model)), gate.max_size_mb)


def features_of(history: History, judgement: Judgement) -> pa.Table:
    """Return the rows of a history that were judged, in their order."""
    windows, places = (judgement.rows[name].to_numpy() for name in ("window", "place"))
    numbers, which = np.unique(windows, return_inverse=True)
    parts = [history.windows[number] for number in numbers]
    starts = np.cumsum([0, *(part.num_rows for part in parts[:-1])])
    return pa.concat_tables(parts).take(pa.array(starts[which] + places))


def naive_columns(
    history: History, data: TrainingSet, training: Training, window: int
) -> Mapping[str, pa.Array]:
    """Forecast the judged rows of a training as of a window naively; columns by `NAIVE_PREFIX` and name, null where there is no forecast."""
    n_classes = 0 if data.problem == "regression" else max(2, len(data.classes))
    rows = LabelledRows(data.labels, data.event_time_us, data.label_time_us, _known(history, data, window))
    naive = forecast_training(data.problem, rows, training.judged, training.folds, n_classes=n_classes)
    kind = SCORES_TYPE if data.problem == "multiclass" else pa.float64()
    columns = {}
    for name, scored in naive.scored.items():
        values: list[object] = [None] * training.judged.size
        for position, score in zip(naive.positions, scored.scores.tolist(), strict=True):
            values[position] = score
        columns[f"{NAIVE_PREFIX}{name}"] = pa.array(values, kind)
    return columns


def _known(history: History, data: TrainingSet, window: int) -> Mapping[str, Floats]:
    if history.entity_labels is None:
        return {}
    labels = known_rows(history.entity_labels, until_us=history.end_us(window))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("entity_labels", labels)
        return known_by_row(
            connection,
            "entity_labels",
            data.rows,
            entity=history.entity,
            timezone=history.timezone,
            problem=data.problem,
            classes=data.classes,
        )


def _kept_naive(judgement: Judgement, labels: Floats, history: History, n_classes: int) -> JudgedBaselines:
    """Read the naive forecasts that were kept with the judged rows."""
    rows = judgement.rows
    names = [name for name in rows.column_names if name.startswith(NAIVE_PREFIX)]
    if not names:
        return JudgedBaselines(np.empty(0, dtype=np.int64), {})
    positions = np.flatnonzero(rows[names[0]].is_valid().to_numpy())
    forecast = rows.take(pa.array(positions))
    column = "scores" if history.problem == "multiclass" else "score"
    scored = {
        name.removeprefix(NAIVE_PREFIX): Scored(
            labels[positions], scores_from(pa.table({column: forecast[name]}), history.problem, n_classes)
        )
        for name in names
    }
    return JudgedBaselines(positions, scored)
