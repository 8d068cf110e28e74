"""The second shipped pipeline: planted drifts are found when and where its README says, and on no quiet day."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.materialization import Pipeline
from pipelines.declaration import read
from pipelines.history import Month, history
from resources.ledger import read_ledger
from tests.lineage.replaying import connected, replay_all

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "defs" / "card_fraud"

QUIET = [("01-19", "01-21"), ("01-29", "02-01"), ("02-08", "02-09"), ("02-12", "02-16")]
"""Days on which nothing may be found."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replay all days once."""
    folder = tmp_path_factory.mktemp("card_fraud")
    replay_all(read(FOLDER), folder)
    return folder


@pytest.fixture(scope="module")
def days(home: Path) -> Mapping[str, Month]:
    return {day.partition[5:]: day for day in history(_pipeline(), connected(home))}


@pytest.fixture(scope="module")
def decisions(home: Path) -> Mapping[str, dict[str, Any]]:
    rows = connected(home).lake.read("card_fraud/drift_decisions").to_pylist()
    return {row["partition"][5:]: row for row in rows}


def _pipeline() -> Pipeline:
    return read(FOLDER)


def _between(first: str, last: str) -> list[str]:
    start, end = (date.fromisoformat(f"2024-{day}") for day in (first, last))
    return [(start + timedelta(days=n)).isoformat()[5:] for n in range((end - start).days + 1)]


def test_every_day_is_there(days: Mapping[str, Month]) -> None:
    assert list(days) == _between("01-01", "03-05")
    assert sum(day.n_quarantined for day in days.values()) == 0


def test_quiet_days_raise_no_alarm(decisions: Mapping[str, dict[str, Any]]) -> None:
    for first, last in QUIET:
        for day in _between(first, last):
            assert decisions[day]["drifted_features"] == [], day
            assert decisions[day]["severity"] == "info", day
            assert decisions[day]["drift_status"] == "stable", day


def test_the_new_category_is_found_on_its_day(decisions: Mapping[str, dict[str, Any]], home: Path) -> None:
    for day in _between("01-22", "01-28"):
        assert decisions[day]["drifted_features"] == ["request__category"], day
    page = (home / "reports" / "card_fraud" / "2024-01-22.html").read_text()
    assert "gaming_tokens" in page


def test_inflation_is_found_on_its_day(decisions: Mapping[str, dict[str, Any]]) -> None:
    for day in _between("02-02", "02-07"):
        assert {"request__log_amount", "spending__ratio_to_mean"} == set(
            decisions[day]["drifted_features"]
        ), day


def test_a_broken_sensor_is_named_and_not_learned_from(
    decisions: Mapping[str, dict[str, Any]], home: Path
) -> None:
    for day in ("02-10", "02-11"):
        assert decisions[day]["reason"] == "broken_data", day
        assert decisions[day]["severity"] == "critical", day
        assert "device_trust" in decisions[day]["explanation"], day
        assert decisions[day]["drifted_features"] == ["request__device_trust"], day
    lake = connected(home).lake
    newest = lake.read("card_fraud/training_set")
    assert newest["request__device_trust"].null_count == 0
    learned = set(newest["_source_partition"].to_pylist())
    assert {"2024-02-09", "2024-02-12"} <= learned
    assert not {"2024-02-10", "2024-02-11"} & learned


def test_a_changed_pattern_costs_performance_and_is_learned(
    decisions: Mapping[str, dict[str, Any]], days: Mapping[str, Month], home: Path
) -> None:
    # The output changes first: an estimate without labels.
    assert decisions["02-18"]["estimated"] < decisions["02-16"]["estimated"] - 0.2
    # Labels of the 17th are there on the 20th at the earliest; one day more makes it sure.
    assert decisions["02-21"]["reason"] == "performance"
    assert decisions["02-21"]["realised"] < 0.6
    trained = {entry.partition: entry for entry in read_ledger(connected(home).lake, "card_fraud")}
    # With two days of the new pattern among five weeks it is no good yet; three days later it is.
    assert trained["2024-02-21"].action == "kept"
    assert trained["2024-02-24"].action == "promoted"
    after = [days[day].realised for day in _between("02-25", "03-02")]
    assert min(value for value in after if value is not None) > 0.85


def test_labels_come_late_and_are_written_again(home: Path) -> None:
    lake = connected(home).lake
    labels = lake.snapshot("card_fraud/labels")
    share = sum(lake.read("card_fraud/labels")["label"].to_pylist()) / labels.n_rows
    assert 0.008 < share < 0.012
    # What was learned from on a day was known by then.
    training = lake.read("card_fraud/training_set")
    waits = [
        known - made
        for known, made in zip(
            training["label_time"].to_pylist(), training["event_timestamp"].to_pylist(), strict=True
        )
    ]
    assert min(waits) == timedelta(days=3)


def test_retraining_was_worth_it(days: Mapping[str, Month]) -> None:
    both = [
        (day.realised, day.frozen)
        for day in days.values()
        if day.realised is not None and day.frozen is not None
    ]
    retrained, frozen = (sum(values) / len(both) for values in zip(*both, strict=True))
    assert retrained > frozen + 0.02
    assert retrained > 0.85
