"""What is derived for the page of a life: order of columns, who serves since when, where judgements lie."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

from assets.drift_report.pages.history import (
    ColumnState,
    HistoryWindow,
    Judgement,
    ModelHistory,
    by_history,
    by_newest,
    courses,
    serving_since,
    trained_as_of,
)
from drift.performance.realised import Measurement

MAY, JUNE = "2013-05-01", "2013-06-01"


def window(partition: str) -> HistoryWindow:
    unknown = Measurement("roc_auc", 0)
    return HistoryWindow(
        partition=partition, start=datetime(2013, 5, 1, tzinfo=UTC), end=datetime(2013, 6, 1, tzinfo=UTC),
        model_version=1, n_rows=10, n_labelled=0, drift_status=None, drift_score=None, n_drifted=0,
        reference_metric=None, realised=unknown, estimated=unknown, quality_score=None,
        is_retrain_requested=False, reason="none", severity="info", explanation="", page="",
    )  # fmt: skip


def state(
    partition: str, column: str, importance: float, strength: float | None, effect: float = 0.0
) -> ColumnState:
    role = "prediction" if column == "score" else "feature"
    status = "drifted" if strength == 1.0 else "stable"
    return ColumnState(partition, column, role, status, importance, strength, effect)


def judgement(version: int, action: str, champion_after: int | None, partition: str = MAY) -> Judgement:
    instant = datetime(2013, 6, version, tzinfo=UTC)
    return Judgement(instant, partition, "gate", action, version, champion_after, "schedule", "")


def test_columns_are_ordered_by_importance_times_sure_effect() -> None:
    """Over both months a: 0.5 * 0.5, b: 0.3 * 1.0; in June a: 0.5 * 1.0, b: 0.3 * 1.0; the output comes last."""
    states = [
        state(MAY, "a", 0.5, 0.0), state(MAY, "b", 0.3, 1.0), state(MAY, "score", 0.0, 1.0),
        state(JUNE, "a", 0.5, 1.0), state(JUNE, "b", 0.3, 1.0), state(JUNE, "score", 0.0, 1.0),
    ]  # fmt: skip
    columns = courses(states, [MAY, JUNE])
    assert [one.column for one in by_history(columns)] == ["b", "a", "score"]
    assert [one.column for one in by_newest(columns)] == ["a", "b", "score"]


def test_where_nothing_is_sure_importance_times_observed_effect_decides() -> None:
    states = [state(MAY, "a", 0.1, 0.0, 0.3), state(MAY, "b", 0.8, 0.0, 0.1), state(MAY, "c", 0.1, 0.0, 0.2)]
    assert [one.column for one in by_newest(courses(states, [MAY]))] == ["b", "a", "c"]


def test_without_a_model_the_effect_alone_decides() -> None:
    states = [state(MAY, "a", 0.0, 0.2), state(MAY, "b", 0.0, 0.9), state(MAY, "c", 0.0, 0.0, 0.1)]
    assert [one.column for one in by_newest(courses(states, [MAY]))] == ["b", "a", "c"]


def test_a_column_that_a_window_did_not_judge_is_unknown_there() -> None:
    (course,) = courses([state(MAY, "a", 0.5, 1.0), state(JUNE, "a", 0.4, None)], [MAY, JUNE, "2013-07-01"])
    assert course.states[2] is None
    assert course.strengths[0] == 1.0
    assert all(math.isnan(strength) for strength in course.strengths[1:])
    assert course.importance == 0.4
    assert course.drifted_in == (MAY,)


def test_the_champion_serves_since_the_decision_that_made_it_so() -> None:
    first, kept, second = (
        judgement(1, "promoted", 1),
        judgement(2, "kept", 1),
        judgement(3, "promoted", 3, JUNE),
    )
    back = judgement(1, "rolled back", 1, JUNE)
    assert serving_since([]) is None
    assert serving_since([first, kept]) == first
    assert serving_since([first, kept, second]) == second
    assert serving_since([first, kept, second, back]) == back
    assert trained_as_of([first, second, back], 1) == MAY
    assert trained_as_of([back], 1) is None
    assert serving_since([first, judgement(2, "retired", None)]) is None


def test_a_judgement_lies_at_the_end_of_the_newest_window_up_to_it() -> None:
    """June has no report: what was decided as of June follows May."""
    history = ModelHistory(
        "flights",
        datetime(2013, 8, 1, tzinfo=UTC),
        (window(MAY), replace(window(MAY), partition="2013-07-01")),
        0,
    )
    assert [history.position_of(key) for key in ("2013-04-01", MAY, JUNE, "2013-07-01", "2013-08-01")] == [
        0,
        1,
        1,
        2,
        2,
    ]
