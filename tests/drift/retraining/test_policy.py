"""Whether to train: one row of the table per rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.drift import RetrainSpec, RetrainTrigger
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
        # Another first model would wait for the same person; a loss is answered nevertheless.
        (Evidence(False, 900, None, 1, approval="Version 1 waits for a person."), ALL, False, "approval"),
        (replace(LOSS, approval="Version 2 waits for a person."), ALL, True, "performance"),
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


# The next one for the loss is due 7 partitions after it; age asked after 3.
WAITING_LOSS = replace(LOST_BEFORE, since_loss=4, n_loss_trainings=3, since_training=3, age=3)


def test_a_loss_that_waits_for_its_data_does_not_silence_the_schedule() -> None:
    decision = decide_retrain(WAITING_LOSS, ALL)
    assert (decision.is_requested, decision.reason) == (True, "schedule")
    assert "The loss of 2024-03 is not regained." in decision.explanation
    assert "The training for the loss is held back: 3 training(s) have followed" in decision.explanation


def test_where_all_triggers_are_held_back_the_gravest_is_named_and_each_says_why() -> None:
    decision = decide_retrain(replace(WAITING_LOSS, n_new_labels=3), ALL)
    assert (decision.is_requested, decision.reason, decision.held_back) == (False, "cooldown", "performance")
    assert (
        "The training by age is held back: 3 new labels, retrain.min_new_labels is 500."
        in decision.explanation
    )


WORSE = replace(
    LOSS,
    worse_than_baseline="Surely worse than always saying the base rate: log loss 2.8 against 0.6.",
    n_new_labels=40,
    since_training=1,
    since_loss=1,
    n_loss_trainings=1,
)


def test_a_champion_worse_than_a_naive_one_waits_for_neither_labels_nor_cooldown() -> None:
    patient = RetrainSpec(cooldown=5, min_new_labels=3_000)
    decision = decide_retrain(WORSE, patient)
    assert (decision.is_requested, decision.reason, decision.severity) == (True, "performance", "critical")
    assert decision.explanation.startswith("Surely worse than always saying the base rate")
    assert decide_retrain(replace(WORSE, worse_than_baseline=""), patient).reason == "cooldown"


def test_a_loss_that_is_found_now_is_not_called_unregained() -> None:
    found = replace(CALM, worse_than_baseline="Surely worse than chance.", unrecovered_loss="Not regained.")
    assert decide_retrain(found, ALL).explanation == "Surely worse than chance. Calm."


def test_a_champion_worse_than_a_naive_one_still_waits_for_anything_new() -> None:
    assert decide_retrain(replace(WORSE, n_new_labels=0), ALL).reason == "few_labels"
    # Each challenger so far was no better: the next one needs twice the data.
    assert decide_retrain(replace(WORSE, since_loss=2, n_loss_trainings=2), ALL).reason == "cooldown"
    assert decide_retrain(WORSE, RetrainSpec(on=("schedule",))).severity == "critical"


def test_the_first_training_has_a_floor_of_its_own() -> None:
    policy = RetrainSpec(min_first_labels=3_000, min_new_labels=200)
    first = decide_retrain(Evidence(False, 2_999, None, None), policy)
    assert first.reason == "few_labels"
    assert "2999 new labels, retrain.min_first_labels is 3000." in first.explanation
    assert decide_retrain(Evidence(False, 3_000, None, None), policy).is_requested
    assert decide_retrain(replace(LOSS, n_new_labels=200), policy).is_requested


def test_declarations_of_before_it_keep_their_meaning() -> None:
    policy = RetrainSpec(min_new_labels=1_500)
    assert decide_retrain(Evidence(False, 1_499, None, None), policy).reason == "few_labels"
    assert decide_retrain(Evidence(False, 1_500, None, None), policy).is_requested


def test_a_predecessor_that_is_better_and_lost_as_well_asks_for_a_training() -> None:
    beaten = replace(CALM, beaten="Version 1 would be better, but has surely lost as well.", since_training=1)
    decision = decide_retrain(beaten, ALL)
    assert (decision.is_requested, decision.reason, decision.severity) == (True, "performance", "critical")


FACTS = {
    "critical_faults": ("quality is 0.2",),
    "rollback": "Version 1 serves again.",
    "worse_than_baseline": "Surely worse than chance.",
    "loss": "roc_auc is surely 0.1 worse.",
    "beaten": "Version 1 would be better.",
    "unrecovered_loss": "The loss of 2024-03 is not regained.",
    "given_up_loss": "The loss of 2024-03 is given up.",
    "past_rise": "Errors had surely risen.",
    "incomparable": "Nothing can be judged.",
    "unseen": "9 of 90 labels are of a class never seen.",
    "estimated_loss": "roc_auc is estimated at 0.5.",
    "drifted_features": ("wind",),
    "has_prediction_drift": True,
}
"""Whatever can be wrong, by the evidence's names."""

counts = st.integers(0, 9)
circumstances = st.builds(
    Evidence,
    has_champion=st.just(True),
    n_new_labels=st.sampled_from([0, 40, 500]),
    age=counts,
    since_training=counts,
    since_loss=counts,
    n_loss_trainings=st.integers(0, 4),
    drift_score=st.sampled_from([None, 0.0, 0.5]),
)
policies = st.builds(
    RetrainSpec,
    on=st.sets(st.sampled_from(["performance", "drift", "schedule"])).map(tuple),
    cooldown=st.integers(0, 3),
    min_new_labels=st.sampled_from([0, 100]),
    max_age=st.integers(1, 5),
)
wrong = st.sets(st.sampled_from(sorted(FACTS)))


@given(circumstances, policies, wrong, st.sampled_from(sorted(FACTS)))
def test_no_further_fact_makes_a_decision_calmer(
    evidence: Evidence, policy: RetrainSpec, facts: set[str], further: str
) -> None:
    order = ("info", "warning", "critical")
    before = decide_retrain(replace(evidence, **{name: FACTS[name] for name in facts}), policy)
    after = decide_retrain(replace(evidence, **{name: FACTS[name] for name in {*facts, further}}), policy)
    assert order.index(after.severity) >= order.index(before.severity)


@given(circumstances, policies, wrong, st.sampled_from(["performance", "drift", "schedule"]))
def test_no_trigger_silences_another(
    evidence: Evidence, policy: RetrainSpec, facts: set[str], alone: RetrainTrigger
) -> None:
    found = replace(evidence, **{name: FACTS[name] for name in facts})
    if decide_retrain(found, policy.model_copy(update={"on": (alone,)})).is_requested:
        more = policy.model_copy(update={"on": (*policy.on, alone)})
        assert decide_retrain(found, more).is_requested
