"""Whether to train: one row of the table per rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from declaration.drift import RetrainSpec
from drift.retraining.policy import Evidence, Reason, decide_retrain

CALM = Evidence(
    has_champion=True, n_new_labels=1_000, age=1, since_training=1, drift_score=0.0, drift="Calm."
)
LOSS = replace(CALM, loss="roc_auc is surely 0.1 worse.", since_training=2, age=2)
DRIFT = replace(
    CALM,
    drift_score=0.4,
    drifted_features=("wind",),
    drift="1 of 3 features drifted: wind.",
    since_training=2,
)
LOST_BEFORE = replace(CALM, unrecovered_loss="The loss of 2024-03 is not regained.")
ALL = RetrainSpec(on=("performance", "drift", "schedule"), cooldown=1, min_new_labels=500, max_age=3)


@pytest.mark.parametrize(
    ("evidence", "policy", "is_requested", "reason"),
    [
        (CALM, ALL, False, "none"),
        (LOSS, ALL, True, "performance"),
        (LOSS, RetrainSpec(on=("drift",)), False, "none"),
        # A loss that no training has seen does not wait for an earlier one.
        (replace(LOSS, since_training=1), ALL, True, "performance"),
        (replace(LOST_BEFORE, since_loss=1, n_loss_trainings=1, since_training=1), ALL, False, "cooldown"),
        (replace(LOST_BEFORE, since_loss=2, n_loss_trainings=1, since_training=2), ALL, True, "performance"),
        (replace(LOST_BEFORE, since_loss=4, n_loss_trainings=3, since_training=2), ALL, False, "cooldown"),
        (replace(LOST_BEFORE, since_loss=7, n_loss_trainings=3, since_training=3), ALL, True, "performance"),
        (
            replace(LOST_BEFORE, since_loss=1, n_loss_trainings=1),
            RetrainSpec(on=("schedule",)),
            False,
            "none",
        ),
        (replace(LOSS, since_training=0), RetrainSpec(on=("performance",), cooldown=0), False, "cooldown"),
        (replace(LOSS, n_new_labels=499), ALL, False, "few_labels"),
        (replace(LOSS, n_new_labels=500), ALL, True, "performance"),
        (DRIFT, ALL, True, "drift"),
        (DRIFT, RetrainSpec(on=("performance", "schedule")), False, "none"),
        (replace(DRIFT, drift_score=0.09), ALL, False, "none"),
        (replace(DRIFT, drift_score=None, drifted_features=()), ALL, False, "none"),
        (replace(CALM, has_prediction_drift=True, since_training=2), ALL, True, "drift"),
        (replace(CALM, age=3, since_training=3), ALL, True, "schedule"),
        # A challenger that was kept out leaves the champion old, and age has had its answer.
        (replace(CALM, age=9, since_training=2), ALL, False, "none"),
        (replace(CALM, age=9, since_training=3), ALL, True, "schedule"),
        (replace(CALM, age=4, since_training=None), ALL, True, "schedule"),
        (replace(CALM, age=3, since_training=3), RetrainSpec(on=("performance",)), False, "none"),
        (Evidence(False, 900, None, None), ALL, True, "no_champion"),
        (Evidence(False, 900, None, 1), ALL, True, "no_champion"),
        (Evidence(False, 10, None, None), ALL, False, "few_labels"),
        (replace(LOSS, critical_faults=("quality is 0.2",)), ALL, False, "broken_data"),
        (Evidence(False, 900, None, None, ("quality is 0.2",)), ALL, False, "broken_data"),
        (replace(LOSS, drift_score=0.4, drifted_features=("wind",)), ALL, True, "performance"),
    ],
)
def test_each_rule(evidence: Evidence, policy: RetrainSpec, is_requested: bool, reason: Reason) -> None:
    decision = decide_retrain(evidence, policy)
    assert (decision.is_requested, decision.reason) == (is_requested, reason)
    assert decision.explanation


def test_a_held_back_decision_says_what_asked_and_what_hindered() -> None:
    decision = decide_retrain(replace(LOSS, n_new_labels=20), ALL)
    assert decision.held_back == "performance"
    assert "surely 0.1 worse" in decision.explanation
    assert "20 new labels, retrain.min_new_labels is 500" in decision.explanation


def test_broken_data_names_the_fault_and_the_repair() -> None:
    decision = decide_retrain(replace(CALM, critical_faults=("quality score of flights is 0.20",)), ALL)
    assert "quality score of flights is 0.20" in decision.explanation
    assert "Repair the source" in decision.explanation
    assert decision.severity == "critical"


def test_an_estimate_never_vetoes_a_realised_loss_and_never_asks_alone() -> None:
    assert decide_retrain(LOSS, ALL).is_requested
    warned = decide_retrain(replace(CALM, estimated_loss="roc_auc is estimated at 0.5"), ALL)
    assert not warned.is_requested
    assert warned.severity == "warning"
    assert "estimated at 0.5" in warned.explanation


def test_the_next_training_of_a_loss_comes_when_its_data_has_doubled() -> None:
    early = decide_retrain(replace(LOST_BEFORE, since_loss=2, n_loss_trainings=2, since_training=2), ALL)
    assert early.reason == "cooldown"
    assert "the next one comes 3 partitions after it" in early.explanation
    assert early.severity == "warning"


def test_severity_follows_what_is_known() -> None:
    assert decide_retrain(CALM, ALL).severity == "info"
    assert decide_retrain(DRIFT, RetrainSpec(on=("schedule",))).severity == "warning"
    assert decide_retrain(LOSS, ALL).severity == "critical"
