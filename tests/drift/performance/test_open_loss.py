"""A confirmed loss is carried until it is regained."""

from __future__ import annotations

from declaration.model import Metric
from declaration.target import ProblemType
from drift.performance.open_loss import MAX_TRAININGS, OpenLoss, follow_loss, is_regained
from drift.performance.realised import Measurement

OPEN = OpenLoss(0.82, "2024-03")
UNKNOWN = Measurement("roc_auc", 3, reason="3 labelled rows")


def auc(value: float) -> Measurement:
    return Measurement("roc_auc", 1_000, value, value - 0.03, value + 0.03)


def followed(
    before: OpenLoss | None,
    realised: Measurement,
    *,
    is_confirmed: bool = False,
    holdout: float = 0.7,
    n_trainings: int = 1,
    trained_as_of: str = "2024-04",
    problem: ProblemType = "binary",
    metric: Metric = "roc_auc",
) -> OpenLoss | None:
    return follow_loss(
        before,
        is_confirmed=is_confirmed,
        holdout_metric=holdout,
        realised=realised,
        problem=problem,
        metric=metric,
        partition="2024-05",
        trained_as_of=trained_as_of,
        n_trainings=n_trainings,
    )


def test_nothing_is_lost_until_it_is_confirmed() -> None:
    assert followed(None, auc(0.5)) is None
    assert followed(None, auc(0.5), is_confirmed=True, holdout=0.82) == OpenLoss(0.82, "2024-05")


def test_a_poorer_holdout_of_the_next_champion_does_not_lower_the_objective() -> None:
    # It holds its own 0.70, and the 0.82 of before are still missing.
    assert followed(OPEN, auc(0.70)) == OPEN


def test_it_is_regained_when_the_objective_lies_within_the_interval() -> None:
    assert followed(OPEN, auc(0.80)) is None
    assert followed(OPEN, auc(0.789)) == OPEN


def test_of_an_error_the_lower_end_counts() -> None:
    lost = OpenLoss(10.0, "2024-03")

    def error(value: float) -> OpenLoss | None:
        measured = Measurement("rmse", 500, value, value - 1, value + 1)
        return followed(lost, measured, problem="regression", metric="rmse")

    assert error(11.5) == lost
    assert error(10.9) is None


def test_a_window_without_labels_says_nothing() -> None:
    assert followed(OPEN, UNKNOWN) == OPEN


def test_another_change_is_another_loss_with_the_better_objective() -> None:
    assert followed(OPEN, auc(0.5), is_confirmed=True, holdout=0.79) == OpenLoss(0.82, "2024-05")


def test_a_champion_that_no_challenger_could_replace_has_the_same_loss_confirmed_again() -> None:
    # Two trainings were kept out; asking anew in each window would not wait for more data.
    assert (
        followed(OPEN, auc(0.5), is_confirmed=True, holdout=0.82, trained_as_of="2024-02", n_trainings=2)
        == OPEN
    )


def test_what_cannot_be_regained_is_given_up_after_enough_trainings() -> None:
    assert followed(OPEN, auc(0.6), n_trainings=MAX_TRAININGS - 1) == OPEN
    assert followed(OPEN, auc(0.6), n_trainings=MAX_TRAININGS) is None


def test_another_metric_cannot_be_compared() -> None:
    assert followed(OPEN, Measurement("roc_auc", 900, 0.1, 0.0, 0.2), metric="log_loss") is None


def test_what_is_regained_is_told_from_what_is_given_up() -> None:
    assert is_regained(OPEN, auc(0.80), "binary", "roc_auc")
    assert not is_regained(OPEN, auc(0.6), "binary", "roc_auc")
    assert not is_regained(OPEN, UNKNOWN, "binary", "roc_auc")
