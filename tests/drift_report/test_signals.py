"""What reports tell the alerts: what is wrong, by how much, and of what they cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assets.drift_report.signals import Signals, signals_from_metadata, signals_of
from declaration.alerts import Signal
from drift.columns.findings import Finding
from drift.columns.statistics import ColumnStatistics
from drift.columns.verdict import ColumnVerdict, DriftVerdict, Status
from drift.findings import Findings, ScoringModel
from drift.performance.realised import Measurement
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ColumnReference, NumericCounts
from tests.fixtures.drift_world import World

MONTH = "2013-08-01"


def told(world: World) -> Signals:
    """Report on the month, and read what its metadata tells."""
    plain = world.report(MONTH).metadata["signals"]
    # As Dagster keeps it.
    return signals_from_metadata(json.loads(json.dumps(plain)))


def wind_rises(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    columns["weather__wind"] = columns["weather__wind"] + 6.0


def labels_flip(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    columns["logit"] = -columns["logit"]


def test_a_calm_month_judges_everything_and_finds_nothing(world: World) -> None:
    world.write_month(MONTH)
    signals = told(world)
    assert not signals.found
    assert signals.judges == {
        "broken_data", "performance", "estimated_performance", "feature_drift", "prediction_drift", "label_drift",
        "rolled_back",
    }  # fmt: skip


def test_drift_is_told_feature_by_feature_with_its_size(world: World) -> None:
    world.write_month(MONTH, wind_rises)
    found = {(signal.kind, signal.feature): signal.text for signal in told(world).found}
    assert ("feature_drift", "weather__wind") in found
    assert ("prediction_drift", "") in found
    assert not [key for key in found if key[1] in ("weather__rain", "carrier__code")]
    text = found["feature_drift", "weather__wind"]
    assert "KS distance" in text
    # Gamma(4, 3) has mean 12, and the month's rows were moved by 6.
    before, after = (float(number) for number in text.rpartition("mean ")[2].split(" → "))
    assert (before, after) == (pytest.approx(12, abs=0.5), pytest.approx(18, abs=0.5))


def test_a_loss_is_told_with_its_metric(world: World) -> None:
    world.write_month(MONTH, labels_flip)
    found = {signal.kind: signal.text for signal in told(world).found}
    # The gravest first: a constant would have served better.
    assert found["performance"].startswith("Surely worse than always saying the base rate: log loss ")
    assert "roc_auc is " in found["performance"]
    assert "on the holdout: surely 0." in found["performance"]


def test_too_few_rows_tell_nothing_of_drift(world: World) -> None:
    replace(world, n_rows=60).write_month(MONTH, wind_rises)
    signals = told(world)
    assert not signals.judges & {"feature_drift", "prediction_drift", "label_drift"}
    # Sixty errors say something: the model was made for weaker winds.
    assert "performance" in signals.judges
    assert {signal.kind for signal in signals.found} <= {"performance"}


def test_labels_that_have_not_arrived_tell_nothing_of_performance(world: World) -> None:
    world.write_month(MONTH, label_delay_us=90 * 86_400_000_000)
    judges = told(world).judges
    assert "performance" not in judges
    assert "label_drift" not in judges
    assert "feature_drift" in judges


def test_broken_data_is_told(world: World) -> None:
    world.write_month(MONTH)
    quality = pa.table({"score": [0.2], "is_blocked": [False]})
    world.lake.write(world.pipeline.table("quality", "flights"), quality, partition=MONTH)
    assert told(world).found == (Signal("broken_data", "quality score of flights is 0.20, below 0.5."),)


def test_a_month_without_a_model_judges_the_data_alone(world: World) -> None:
    world.write_month(MONTH)
    rows = world.lake.read(world.pipeline.table("predictions")).slice(0, 0)
    world.lake.write(world.pipeline.table("predictions"), rows, partition=MONTH)
    assert told(world).judges == {"broken_data"}


@pytest.mark.parametrize("status", ["likely", "cannot be judged", "insufficient data"])
def test_what_is_not_sure_neither_opens_an_incident_nor_resolves_one(status: Status) -> None:
    nothing = Measurement("rmse", 0)
    columns = tuple(
        ColumnVerdict(name, role, one, 0.5, (), ColumnStatistics(1, 1, 0.0, 0.0))
        for name, role, one in (
            ("wind", "feature", status),
            ("rain", "feature", "stable"),
            ("score", "prediction", status),
        )
    )
    verdict = DriftVerdict(status, 0.0, 900, columns, 0.1, None)
    if status == "insufficient data":
        verdict = replace(verdict, status="stable")
    signals = signals_of(Findings(None, {}, {}, verdict, 900, 0, nothing, nothing, None), ())
    assert signals == Signals((), frozenset({"broken_data", "feature_drift"}), frozenset({"wind"}))


def test_what_is_likely_is_told_where_the_declaration_wants_a_warning() -> None:
    nothing, reference = (
        Measurement("rmse", 0),
        ColumnReference(NumericBins((0.0,)), NumericCounts((1, 0), 1), {}),
    )
    finding = Finding(
        "distribution", 0.12, 0.02, 0.1, None, 0.2, is_likely=True, measure="shift", n_windows=4
    )
    likely = ColumnVerdict("wind", "feature", "likely", 0.5, (finding,), ColumnStatistics(1, 1, 0.0, 0.0))
    verdict = DriftVerdict("likely", 0.0, 900, (likely,), 0.1, None)
    findings = Findings(
        None, {"wind": reference}, {"wind": reference.total}, verdict, 900, 0, nothing, nothing, None
    )
    assert signals_of(findings, ()).found == ()
    text = "shift of ranks 0.12, surely at least 0.02 (threshold 0.10) in the newest 4 windows together"
    told = signals_of(findings, (), likely="warn")
    assert (told.found, told.unknown) == ((Signal("feature_drift", text, "wind"),), frozenset())


def test_a_rollback_is_told() -> None:
    before = ScoringModel(2, "ridge", "2013-06-01", "rmse", 1.0, (), {})
    nothing = Measurement("rmse", 0)
    findings = Findings(before, {}, {}, None, 900, 0, nothing, nothing, None)
    signals = signals_of(findings, (), rollback="v2 was surely worse than v1.")
    assert signals.found == (Signal("rolled_back", "v2 was surely worse than v1."),)
    assert signals_of(findings, ()).judges == {"broken_data", "rolled_back"}


def test_kinds_of_another_version_are_left_out() -> None:
    plain = {
        "found": [{"kind": "joint_drift", "text": "t", "feature": ""}],
        "judges": ["joint_drift", "broken_data"],
        "unknown": [],
    }
    assert signals_from_metadata(plain) == Signals(judges=frozenset({"broken_data"}))


@pytest.mark.parametrize("plain", [None, [], {}, {"found": [{}], "judges": [], "unknown": []}])
def test_what_is_no_signals_is_refused(plain: object) -> None:
    with pytest.raises((KeyError, TypeError)):
        signals_from_metadata(plain)
