"""A backtest holds challengers to the limits and baselines that the gate asks of them in earnest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import GateSpec, ModelSpec
from drift.backtesting.conditions import features_of, left_out
from drift.backtesting.gate import judge
from drift.backtesting.history import History
from drift.backtesting.trainer import Question, Trainer
from drift.backtesting.versions import NAIVE_PREFIX, Version
from learning.gate import GateVerdict
from tests.drift.backtesting.worlds import world

MODEL = ModelSpec(candidates=("logistic_regression",))


def pair(history: History) -> tuple[Version, Version]:
    """Train a champion before the concept turned, and a challenger after."""
    trainer = Trainer(history, MODEL)
    champion = trainer.train(Question(3, None))
    assert champion is not None
    challenger = trainer.train(Question(9, 4, champion_knows_until_us=champion.knows_until_us))
    assert challenger is not None
    return champion, challenger


@pytest.fixture(scope="module")
def turned() -> tuple[History, Version, Version]:
    history = world(0, n_windows=10, angle=lambda window: 1.5 * (window >= 5))
    return history, *pair(history)


def verdict(turned: tuple[History, Version, Version], **gate: object) -> GateVerdict:
    history, champion, challenger = turned
    return judge(history, challenger, champion, GateSpec.model_validate(gate), is_loss_confirmed=False)


def test_a_better_challenger_serves_unless_it_is_beyond_a_limit(
    turned: tuple[History, Version, Version],
) -> None:
    assert verdict(turned).is_promoted
    limited = verdict(turned, slices=[{"where": "x0 > 0", "min_metric": 0.999}], limits="by_estimate")
    assert (limited.is_promoted, limited.outcome) == (False, "beyond a limit")
    assert "roc_auc of x0 > 0" in limited.explanation
    kept = verdict(
        turned, slices=[{"where": "x0 > 0", "min_metric": 0.5, "max_loss": 0.1}], limits="by_estimate"
    )
    assert kept.is_promoted
    # Of the slice's rows that the champion has not seen both limits were judged.
    assert [finding.value is not None for finding in kept.limits] == [True, True]
    assert verdict(turned, max_size_mb=1e-6).outcome == "beyond a limit"
    assert verdict(turned, max_calibration_error=1e-6, limits="by_estimate").outcome == "beyond a limit"


def test_the_rows_of_a_limit_are_those_that_were_judged(turned: tuple[History, Version, Version]) -> None:
    history, _, challenger = turned
    rows = features_of(history, challenger.judged)
    assert rows["row_id"].equals(challenger.judged.rows["row_id"])
    assert {"x0", "x3"} <= set(rows.column_names)


def test_a_challenger_that_knows_nothing_does_not_serve_where_baselines_are_to_be_beaten() -> None:
    history = world(1, n_windows=10, scale=0.0)
    champion, challenger = pair(history)
    always = GateSpec(beat_baseline="always", inconclusive="promote")
    found = [
        judge(history, challenger, champion, gate, is_loss_confirmed=True)
        for gate in (always, always.model_copy(update={"beat_baseline": "never"}))
    ]
    assert (found[0].is_promoted, found[1].is_promoted) == (False, True)
    assert "not surely better than a naive forecast" in found[0].explanation


def test_an_entitys_last_value_is_a_baseline_where_entities_are_known() -> None:
    history = world(2, n_windows=8)
    labels = pa.concat_tables(
        rows.select(["row_id", "event_timestamp", "label", "label_time"]).append_column(
            "shop", pa.array(np.arange(rows.num_rows) % 5)
        )
        for rows in history.windows
    )
    for one, expected in (
        (history, {"prior"}),
        (replace(history, entity_labels=labels, entity=("shop",)), {"prior", "last_value", "day_season"}),
    ):
        version = Trainer(one, MODEL).train(Question(7, None))
        assert version is not None
        names = {
            name.removeprefix(NAIVE_PREFIX)
            for name in version.judged.rows.column_names
            if NAIVE_PREFIX in name
        }
        assert names == expected
        assert not any(NAIVE_PREFIX in name for name in version.holdout.column_names)


def test_what_no_history_tells_is_named() -> None:
    assert list(left_out(GateSpec())) == []
    gate = GateSpec.model_validate(
        {"approval": "manual", "latency": {"one_row_ms": 5}, "beat_baseline": "always"}
    )
    assert [text.partition(":")[0] for text in left_out(gate)] == [
        "model.gate.approval",
        "model.gate.latency",
        "limits on the first model",
    ]
