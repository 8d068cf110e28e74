"""Tests of lives through small histories: what is known when, budgets, and what is measured in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from declaration.drift import DriftSpec, RetrainSpec
from declaration.model import ModelSpec
from drift.backtesting.course import BacktestError, live
from drift.backtesting.declared import Declared
from drift.backtesting.history import History, known_rows
from drift.backtesting.outcome import outcome_of
from drift.backtesting.plain import EveryWindow, Never
from drift.backtesting.trainer import BudgetSpentError, Question, Trainer
from drift.backtesting.versions import scored_pair
from tests.drift.backtesting.worlds import DAY_US, world

MODEL = ModelSpec(candidates=("logistic_regression",))
RETRAIN = RetrainSpec(min_new_labels=50, max_age=2)
DRIFT = DriftSpec(min_rows=100)


def declared() -> Declared:
    return Declared(MODEL, RETRAIN, DRIFT)


@pytest.fixture(scope="module")
def late() -> History:
    """Labels come a day and a half late; the weights turn at once in the seventh window."""
    return world(0, n_windows=12, angle=lambda window: 1.5 * (window >= 6), delay_us=DAY_US * 3 // 2)


def poisoned(history: History, known_from_us: int) -> History:
    """Turn all labels around that are known from an instant on."""

    def turned(rows: pa.Table) -> pa.Table:
        is_late = rows["label_time"].cast(pa.int64()).to_numpy() >= known_from_us
        labels = rows["label"].to_numpy()
        place = rows.column_names.index("label")
        return rows.set_column(place, "label", pa.array(np.where(is_late, 1 - labels, labels)))

    return replace(history, windows=tuple(map(turned, history.windows)))


def test_labels_that_are_known_later_are_never_used_before_their_time(late: History) -> None:
    asked = 9
    other = poisoned(late, late.end_us(asked))
    first, second = (live(one, declared(), Trainer(one, MODEL)) for one in (late, other))
    n_alike = asked - late.n_history + 1
    assert first.answers[:n_alike] == second.answers[:n_alike]
    for one, two in zip(first.trained, second.trained, strict=False):
        if one.window <= asked:
            assert one.judged.rows.equals(two.judged.rows)
            np.testing.assert_array_equal(one.score_window(late, 11), two.score_window(other, 11))
    # And it is no idle test: what was turned around is learned from later.
    assert first.answers != second.answers or not np.array_equal(
        first.champion.score_window(late, 11), second.champion.score_window(other, 11)
    )
    assert any(one.window > asked for one in second.trained)


def test_a_training_holds_the_rows_whose_labels_were_known_and_no_others(late: History) -> None:
    version = Trainer(late, MODEL).train(Question(7, 3))
    assert version is not None
    learned = version.learned(late)
    wanted = pa.concat_tables([known_rows(late.windows[one], until_us=late.end_us(7)) for one in (5, 6, 7)])
    assert learned["row_id"].to_pylist() == wanted["row_id"].to_pylist()
    assert 0 < learned.num_rows < 3 * 200


def test_a_turned_concept_is_answered_and_regained(late: History) -> None:
    trainer = Trainer(late, MODEL)
    ours, never = (outcome_of(late, live(late, one, trainer), "roc_auc") for one in (declared(), Never()))
    assert ours.n_trainings > 0
    assert ours.n_promotions > 0
    assert ours.mean_loss < never.mean_loss - 0.05
    # The same first model until then.
    np.testing.assert_array_equal(ours.loss[:2], never.loss[:2])
    assert never.served == (0,) * 8


def test_recalibration_trains_nothing_and_helps_a_shifted_level(late: History) -> None:
    trainer = Trainer(late, MODEL)
    done = live(late, EveryWindow(way="recalibrated"), trainer)
    assert done.trainings == []
    assert trainer.n_trained == 1
    found, never = (outcome_of(late, one, "roc_auc") for one in (done, live(late, Never(), trainer)))
    # A model that has lost its concept is at least sure of less.
    assert found.mean_loss < never.mean_loss


def test_a_sliding_schedule_learns_from_its_windows_alone(late: History) -> None:
    done = live(late, EveryWindow(3), Trainer(late, MODEL))
    assert [one.first for one in done.trained] == [window - 2 for window in late.live]
    assert done.rollbacks == []


def test_a_champion_is_compared_on_what_it_has_not_seen_or_was_judged_on(late: History) -> None:
    trainer = Trainer(late, MODEL)
    champion = trainer.train(Question(3, None))
    assert champion is not None
    challenger = trainer.train(Question(7, None, champion_knows_until_us=champion.knows_until_us))
    assert challenger is not None
    pair = scored_pair(late, challenger, champion)
    assert pair is not None
    # By hand: the champion's model on the same rows of the history.
    rows = challenger.judged.rows
    window, place = rows["window"].to_pylist()[0], rows["place"].to_pylist()[0]
    assert late.windows[window]["row_id"][place].as_py() == rows["row_id"].to_pylist()[0]
    assert pair.champion.scores[0] == pytest.approx(
        champion.model.score(late.windows[window].slice(place, 1))[0]
    )


def test_the_budget_stops_a_training_and_not_what_is_known(late: History) -> None:
    def refuse() -> None:
        raise BudgetSpentError("0 CPU seconds are spent.")

    trainer = Trainer(late, MODEL)
    live(late, Never(), trainer)
    trainer.allow = refuse
    assert live(late, Never(), trainer).trainings == []
    with pytest.raises(BudgetSpentError):
        live(late, EveryWindow(), trainer)


def test_a_history_that_teaches_nothing_is_refused() -> None:
    history = world(0, n_windows=6, n_rows=5, n_history=1)
    with pytest.raises(BacktestError, match="at the end of window 000 do not suffice for a first model"):
        live(history, Never(), Trainer(history, MODEL))


def test_broken_windows_are_learned_from_by_no_first_model(late: History) -> None:
    broken = replace(late, faults={1: ("a sensor is stuck",)})
    course = live(broken, declared(), Trainer(broken, MODEL))
    assert "001" not in course.first.learned(broken)["_source_partition"].to_pylist()


def test_sampled_rows_count_for_those_they_stand_for(late: History) -> None:
    plain = late.n_known(4, since_us=0)
    assert replace(late, weights=(10.0,) * 12).n_known(4, since_us=0) == 10 * plain
