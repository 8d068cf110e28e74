"""The second shipped pipeline: planted drifts are found when and where its README says, and on no quiet day."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from declaration.pipeline import Pipeline
from driftline.cli import FAULT, SUCCESS, USAGE, main
from driftline.history import Month, history
from driftline.predict.command import KEYS
from learning.model_file import model_from_bytes
from pipelines.loading.read import read
from resources.feature_store.online.served_log import SERVED_FEATURES
from resources.lake.lake import scan
from resources.model_registry.champion import champion_file
from resources.model_registry.ledger import read_ledger
from serving import open_serving
from tests.fixtures.keys import undocumented
from tests.fixtures.replaying import replay_all
from tests.fixtures.stages import connected

pytestmark = pytest.mark.long

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "defs" / "card_fraud"

LAST_DAY = "2024-03-05"

QUIET = [("01-19", "01-21"), ("01-29", "02-01"), ("02-22", "02-26")]
"""Days on which nothing may be found: after the first models, and after the new pattern is learned."""


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
            assert decisions[day]["likely_features"] == [], day
            # Weekdays are more than a quarter of what some models rely on, and weeks are too few to know them by.
            assert decisions[day]["drift_status"] in {"stable", "cannot be judged"}, day
    steady = [decisions[day]["drift_status"] for day in _between("01-19", "01-21")]
    assert steady == ["stable"] * 3


def test_the_new_category_is_found_on_its_day(decisions: Mapping[str, dict[str, Any]], home: Path) -> None:
    for day in _between("01-22", "01-28"):
        assert decisions[day]["drifted_features"] == ["request__category"], day
    page = (home / "reports" / "card_fraud" / "2024-01-22.html").read_text()
    assert "gaming_tokens" in page


def test_inflation_is_found_on_its_day(decisions: Mapping[str, dict[str, Any]]) -> None:
    # The training of the 7th is no better, so that the model of January serves on: to it they stay new.
    for day in (*_between("02-02", "02-09"), *_between("02-12", "02-16")):
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
        assert decisions[day]["drifted_features"][0] == "request__device_trust", day
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
    # Judged out of fold, a model that learns from the newest days alone is surely better after two of them.
    assert trained["2024-02-21"].action == "promoted"
    after = [days[day].realised for day in _between("02-22", "03-02")]
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


def _last_day(home: Path, table: str) -> pa.Table:
    connections = connected(home)
    with connections.engine.connect() as connection:
        rows = scan(connections.lake.snapshot(table), [LAST_DAY])
        return connection.sql(f"SELECT * FROM {rows} ORDER BY transaction_id").to_arrow_table()


def test_what_is_served_is_what_training_joins_at_the_same_instant(home: Path) -> None:
    """Every payment of the last day, asked about at its end: names, order, types and bits agree, and the scores."""
    connections, pipeline = connected(home), _pipeline()
    now = datetime(2024, 3, 6, tzinfo=UTC)
    # As the labels stage wrote them, but at one instant.
    labels = _last_day(home, "card_fraud/labels")
    instants = pa.array([now] * labels.num_rows, labels.schema.field("event_timestamp").type)
    at_once = labels.drop_columns(["label", "label_time", "event_timestamp"])
    trained, _ = connections.feature_store.features_for(
        pipeline, at_once.append_column("event_timestamp", instants), connections.lake
    )
    asked = _last_day(home, "card_fraud/profiled/transactions")
    assert asked["transaction_id"].equals(labels["transaction_id"])
    with open_serving(pipeline, connections) as serving:
        answer = serving.score(asked.select(list(serving.columns.readers)), now)
    expected = trained.drop_columns(["row_id", "event_timestamp"])
    learned = connections.lake.read("card_fraud/training_set").schema
    assert answer.features.table.schema.equals(expected.schema)
    assert [learned.field(name) for name in expected.column_names] == list(expected.schema)
    assert answer.features.table.equals(expected)
    assert asked.num_rows > 1000
    assert "present" in answer.features.status["spending__payments_30d"].to_pylist()
    champion = champion_file(connections.lake, connections.registry, "card_fraud")
    assert champion is not None
    scores = model_from_bytes(champion.content).score(trained)
    np.testing.assert_array_equal(answer.scores["score"].to_numpy(), scores)


def test_the_command_answers_programs_and_names_what_is_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(home))
    monkeypatch.setenv("DRIFTLINE_THREADS", "1")
    row = {
        "user_id": "nobody", "paid_at": "2024-03-05T12:00:00", "amount": 10, "category": "groceries",
        "payment_method": "chip", "device_trust": None,
    }  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    logged = SERVED_FEATURES.of("card_fraud")
    assert not connected(home).lake.has(logged)
    assert (
        main(["predict", "card_fraud", "--rows", str(file), "--json", "--now", "2024-03-06", "--log"])
        == SUCCESS
    )
    answer = json.loads(capsys.readouterr().out)
    assert undocumented(answer, KEYS) == set()
    assert answer["now"] == "2024-03-06T00:00:00+00:00"
    (found,) = answer["rows"]
    assert 0 <= found["prediction"]["score"] <= 1
    assert found["features"]["request__hour"] == {"value": 12.0, "status": "request", "age_seconds": None}
    assert found["features"]["spending__payments_30d"]["status"] == "not_found"
    assert connected(home).lake.read(logged)["view"].to_pylist() == ["spending", "velocity", "movement"]
    for words, message in {
        ("card_fraud", "--rows", str(tmp_path / "none.csv")): "none.csv' cannot be read: No such file",
        ("card_fraud", "--rows", str(file), "--format", "parquet"): "cannot be read as parquet",
        ("card_frod", "--rows", str(file)): "no pipeline 'card_frod'",
        (
            "flight_delays",
            "--rows",
            str(file),
        ): "feature views of 'flight_delays' without rows: airport_weather",
    }.items():
        assert main(["predict", *words]) == FAULT
        assert message in capsys.readouterr().err
    assert main(["predict", "card_fraud", "--rows", str(file), "--now", "soon"]) == USAGE
    assert "must be an instant" in capsys.readouterr().err
