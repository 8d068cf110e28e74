"""The headline is never calmer than the worst that is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.drift import RetrainSpec
from drift.columns.statistics import ColumnStatistics
from drift.columns.verdict import ColumnVerdict, DriftVerdict, Status
from drift.findings import Findings, ScoringModel
from drift.headline import CALM, told_loss, with_headline, with_monitoring_headline
from drift.performance.base_rate import BaseRateComparison
from drift.performance.open_loss import OpenLoss
from drift.performance.realised import Measurement, PerformanceDrop
from drift.performance.sequential_test import LOSS_NAMES, SequentialTest
from drift.retraining.policy import Evidence, decide_monitoring, decide_retrain
from tests.fixtures.headlines import refuse_calm

CHAMPION = ScoringModel(3, "ridge", "2024-01", "roc_auc", 0.81, ("wind",), {})
STABLE = DriftVerdict("stable", 0.0, 900, (), 0.1, 0.1)
REALISED = Measurement("roc_auc", 900, 0.80, 0.78, 0.82)
ESTIMATED = Measurement("roc_auc", 900, 0.6, 0.55, 0.65)
STEADY = SequentialTest(LOSS_NAMES["binary"], 40.0, 1.0, 0.16, 0.15, 0.14, 3)
SOUND = Findings(
    CHAMPION, {}, {}, STABLE, 900, 900, REALISED, ESTIMATED, PerformanceDrop(0.01, -0.02, 0.05), rise=STEADY
)
CALMLY = Evidence(has_champion=True, n_new_labels=900, age=1, since_training=1, drift="No feature drifted.")
POLICY = RetrainSpec()
RISEN = replace(STEADY, e_value=3.8e260, now=0.507, before=0.1493)
OPEN = OpenLoss(0.82, "2024-02")


def headline(findings: Findings = SOUND, policy: RetrainSpec = POLICY, **facts: Any) -> str:
    evidence = replace(CALMLY, **facts)
    return with_headline(decide_retrain(evidence, policy), findings, evidence, OPEN).headline


def test_nothing_wrong_is_said_calmly() -> None:
    assert headline() == "Nothing asks for training."


def test_the_bad_model_of_the_tutorial_leads_with_what_it_is() -> None:
    assert headline(replace(SOUND, rise=RISEN), loss="Errors have surely risen.") == (
        "Surely worse than at training: Brier 0.507, was 0.149. A training is asked for."
    )


def test_a_metric_that_dropped_is_said_before_the_errors() -> None:
    lost = replace(
        SOUND, realised=replace(REALISED, value=0.61), drop=PerformanceDrop(0.2, 0.12, 0.05), rise=RISEN
    )
    assert headline(lost, loss="roc_auc is 0.61.") == (
        "Surely worse than at training: roc_auc 0.61, was 0.81. A training is asked for."
    )


def test_errors_of_values_are_in_the_labels_unit() -> None:
    rise = replace(RISEN, loss=LOSS_NAMES["regression"], unit=12.0)
    assert headline(replace(SOUND, rise=rise), loss="risen").startswith(
        "Surely worse than at training: absolute error 6.08, was 1.79."
    )


@pytest.mark.parametrize(
    ("facts", "lead"),
    [
        ({"critical_faults": ("a rule failed",)}, "The data is broken. Nothing is learned from it."),
        ({"rollback": "v2 was worse."}, "Rolled back: the champion before serves again, for it is surely better."),
        ({"worse_than_baseline": "Surely worse than chance: 0.4. More."}, "Surely worse than chance: 0.4. A training is asked for."),
        ({"beaten": "v1 is better."}, "Surely worse than the champion before, which has surely lost as well."),
        ({"unrecovered_loss": "lost"}, "The loss of 2024-02 is not regained: roc_auc 0.8, was 0.82."),
        ({"given_up_loss": "The loss of 2024-02 is given up: why. More."}, "The loss of 2024-02 is given up: why."),
        ({"past_rise": "risen"}, "Errors had surely risen under this model"),
        ({"incomparable": "Nothing can be judged: gone. The next."}, "Nothing can be judged: gone. No training"),
        ({"unseen": "9 of 90 rows: wrong."}, "9 of 90 rows: wrong. No training is asked for."),
        ({"estimated_loss": "probably"}, "Probably worse than at training: roc_auc is estimated at 0.6, was 0.81."),
    ],
)  # fmt: skip
def test_each_fact_leads_where_it_is_the_worst(facts: dict[str, Any], lead: str) -> None:
    assert headline(**facts).startswith(lead)


def test_a_loss_that_nobody_may_answer_does_not_lead_with_calm() -> None:
    said = headline(replace(SOUND, rise=RISEN), RetrainSpec(on=("schedule",)), loss="risen")
    assert said == "Surely worse than at training: Brier 0.507, was 0.149. No training is asked for."


def test_what_waits_is_said() -> None:
    said = headline(replace(SOUND, rise=RISEN), loss="risen", n_new_labels=3)
    assert said.endswith("A training was asked for and waits for labels.")


def test_what_cannot_be_told_is_no_calm() -> None:
    few = replace(STABLE, status="insufficient data")
    unlabelled = replace(SOUND, n_labelled=0, drop=None, rise=None, realised=Measurement("roc_auc", 0))
    assert (
        headline(unlabelled)
        == "Nothing asks for training, but performance could not be judged: 0 labels have come."
    )
    assert headline(replace(SOUND, verdict=few, n_current=12)).startswith(
        "Nothing asks for training, but drift could not"
    )
    assert headline(replace(unlabelled, verdict=few, n_current=12)) == (
        "Neither drift nor performance could be judged: 12 rows, 0 of them labelled."
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("stable", "1 of 3 features cannot be judged: sun; 2 are stable."),
        ("cannot be judged", "1 of 3 features cannot be judged: sun."),
    ],
)
def test_what_cannot_be_judged_leads_with_how_many_can(status: Status, said: str) -> None:
    columns = tuple(
        ColumnVerdict(name, "feature", of, 0.2, (), ColumnStatistics(9, 9, 0.0, 0.0))
        for name, of in (("sun", "cannot be judged"), ("rain", "stable"), ("wind", "stable"))
    )
    unsure = replace(SOUND, verdict=replace(STABLE, status=status, columns=columns))
    assert headline(unsure) == f"{said} No training is asked for."


def test_age_asks_without_alarm() -> None:
    assert headline(age=3, since_training=3) == "The champion has reached its age. A training is asked for."


def test_a_pipeline_without_a_target_says_what_moved() -> None:
    watched = replace(SOUND, champion=None)
    said = with_monitoring_headline(decide_monitoring(STABLE, (), "x"), watched).headline
    assert said == "Nothing has surely moved."
    broken = with_monitoring_headline(decide_monitoring(STABLE, ("a rule failed",), "x"), watched)
    assert broken.headline == "The data is broken."
    first = replace(watched, verdict=None)
    assert "no earlier partition" in with_monitoring_headline(decide_monitoring(None, (), ""), first).headline


def test_an_alert_begins_with_the_gravest_loss_and_has_the_figures() -> None:
    lost = replace(SOUND, rise=RISEN)
    evidence = replace(CALMLY, loss="Errors have surely risen: e-value 3.8e+260.")
    assert told_loss(lost, evidence, None) == (
        "Surely worse than at training: Brier 0.507, was 0.149. Errors have surely risen: e-value 3.8e+260."
    )
    worse = replace(evidence, worse_than_baseline="Surely worse than chance.")
    assert told_loss(lost, worse, None).startswith("Surely worse than chance. Errors")
    assert told_loss(SOUND, CALMLY, None) == ""


FACTS: dict[str, Any] = {
    "critical_faults": ("broken",), "rollback": "b", "worse_than_baseline": "Surely worse than chance.", "loss": "lost",
    "beaten": "b", "unrecovered_loss": "lost before", "given_up_loss": "The loss is given up.", "past_rise": "risen",
    "incomparable": "Nothing can be judged.", "unseen": "9 of 90 rows.", "estimated_loss": "probably",
}  # fmt: skip


@given(
    st.sets(st.sampled_from(sorted(FACTS)), min_size=1),
    st.sets(st.sampled_from(["performance", "drift", "schedule"])),
)
def test_calm_never_leads_where_anything_is_wrong(names: set[str], on: set[Any]) -> None:
    said = headline(policy=RetrainSpec(on=tuple(on)), **{name: FACTS[name] for name in names})
    assert CALM not in said
    assert not said.startswith(("No model", "The champion has reached"))


def test_the_watch_over_all_reports_of_the_suite_would_find_a_calm_word() -> None:
    decision = with_headline(decide_retrain(CALMLY, POLICY), SOUND, CALMLY, None)
    sound = {"decision": decision, "base_rate": None, "rise": STEADY, "partition": "2024-03"}
    refuse_calm(sound)
    worse = BaseRateComparison("log loss", 900, 2.8, 0.6, is_worse=True)
    for bad in ({"base_rate": worse}, {"rise": RISEN}):
        with pytest.raises(AssertionError, match=r"'Nothing asks for training\.' stands over"):
            refuse_calm({**sound, **bad})
