"""What commands print for programs has the keys that they document."""

from dataclasses import fields

from drift.retraining.policy import RetrainDecision
from driftline.backtest import command as backtest
from driftline.backtest.decisions import Redecision
from driftline.features import command as features
from driftline.features.plan import Plan
from driftline.history import Month
from driftline.replay import command as replay
from resources.feature_store.changes import FeatureChange
from resources.feature_store.guard import Loss
from tests.fixtures.keys import undocumented

CHANGE = FeatureChange("remove feature", "spending", "mean", "float", "", ("spending__mean",))


def test_a_replay_documents_every_value_of_a_partition() -> None:
    documented = {key.removeprefix("partitions[].") for key in replay.KEYS if key.startswith("partitions[].")}
    assert documented == {field.name for field in fields(Month)}


def test_a_backtest_documents_every_value_of_a_window() -> None:
    decision = RetrainDecision(True, "drift", "Drift asks.", "warning")
    window = backtest.as_plain(Redecision("2024-01-01", False, "none", decision, ("a",), ("a", "b")))
    assert undocumented({"pipeline": "tiny", "windows": [window]}, backtest.POLICY_KEYS) == set()
    assert (window["is_changed"], window["would_be_requested"], window["drifted_now"]) == (
        True,
        True,
        ("a", "b"),
    )


def test_a_plan_of_features_documents_every_value_of_a_change() -> None:
    plain = features.as_plain(
        "tiny", Plan((CHANGE,), (), ("other: no such table",), Loss(3, {"spending__mean": CHANGE}))
    )
    assert undocumented(plain, features.KEYS) == set()
    assert (plain["champion"], plain["would_be_lost"]) == (3, ["spending__mean"])
    assert features.as_plain("tiny", Plan((), (), (), None))["champion"] is None


def test_what_is_printed_and_not_documented_is_found() -> None:
    assert undocumented({"a": [{"b": 1, "c": 2}]}, {"a": "", "a[].b": "", "d": ""}) == {"a[].c", "d"}
