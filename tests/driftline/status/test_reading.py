"""What a status says of a pipeline in every state that it can be in, and what it waits for."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from assets.drift_report.tables import DRIFT_DECISIONS
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from driftline.status.next_run import next_run
from driftline.status.overview import as_document
from driftline.status.reading import read_status, read_windows, window_of
from driftline.status.runs import Run
from driftline.status.terminal import print_pipeline
from driftline.status.waiting import Waiting, waiting
from resources.model_registry.ledger import read_ledger
from resources.model_registry.waits import Wait, write_wait
from tests.driftline.verify.world import Home
from tests.fixtures.tiny import DECLARATION, day_window, lake_and_engine, tiny_pipeline, write_sources

IN_DAY_4 = datetime(2024, 1, 4, 6, tzinfo=UTC)
DAY_3 = "2024-01-03"


def no_runs() -> Sequence[Run]:
    raise AssertionError("Dagster must not be opened")


def waits(
    home: Home,
    runs: Sequence[Run] = (),
    *,
    asks: bool = False,
    labelled: str | None = DAY_3,
    newest: str | None = DAY_3,
) -> Sequence[Waiting]:
    decisions = read_ledger(home.connections.lake, "tiny")
    return waiting(
        home.pipeline, home.connections.lake, newest, decisions, IN_DAY_4, lambda: runs,
        is_retrain_requested=asks, labelled=labelled,
    )  # fmt: skip


def test_a_pipeline_that_is_up_to_date_is_read_without_dagster(home: Home) -> None:
    found = read_status(home.pipeline, home.connections.lake, IN_DAY_4, no_runs)
    assert (found.state, found.champion, found.incidents) == ("ok", 1, ())
    assert [window.partition for window in found.windows] == ["2024-01-01", "2024-01-02", DAY_3]
    assert found.newest is not None
    row = home.connections.lake.read("tiny/drift_decisions", partitions=[DAY_3]).to_pylist()[0]
    assert (found.newest.realised, found.newest.quality_score) == (row["realised"], row["quality_score"])
    assert found.labelled == found.newest
    assert found.next_run is not None
    assert found.next_run.at == datetime(2024, 1, 5, tzinfo=UTC)


def test_what_likely_drifted_and_what_cannot_be_judged_is_named(home: Home) -> None:
    lake = home.connections.lake
    row = lake.read("tiny/drift_decisions", partitions=[DAY_3]).to_pylist()[0]
    found = {
        "drift_status": "likely",
        "n_likely": 1,
        "drifted_features": [],
        "likely_features": ["rain"],
        "unjudged_features": ["sun"],
    }
    lake.write("tiny/drift_decisions", DRIFT_DECISIONS.rows([{**row, **found}]), partition=DAY_3)
    status = read_status(home.pipeline, lake, IN_DAY_4, no_runs)
    assert status.newest is not None
    assert status.newest.likely_features == ("rain",)
    printed = Console(file=io.StringIO(), width=200)
    print_pipeline(status, printed)
    text = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "likely 0.00: likely rain; cannot be judged: sun" in text
    document = as_document(status, has_windows=False)["window"]
    assert isinstance(document, dict)
    assert document["unjudged_features"] == ("sun",)


def test_a_lake_of_an_earlier_release_names_none_that_likely_drifted(home: Home) -> None:
    lake, table = home.connections.lake, "tiny/drift_decisions"
    rows = lake.read(table).drop_columns(["n_likely", "likely_features", "unjudged_features"])
    assert [window_of(row).likely_features for row in rows.to_pylist()] == [(), (), ()]


def test_only_the_newest_windows_are_read(home: Home) -> None:
    assert [one.partition for one in read_windows(home.pipeline, home.connections.lake, 1)] == [DAY_3]


def test_a_pipeline_that_never_ran_waits_for_its_first_run(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    found = read_status(tiny_pipeline(tmp_path), lake_and_engine(tmp_path)[0], IN_DAY_4, no_runs)
    assert (found.state, found.champion, found.newest) == ("never ran", None, None)
    assert [one.text for one in found.waits_for] == ["its first run (3 partitions)"]


def test_a_source_that_is_missing_is_named_first(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    (tmp_path / "machines.csv").unlink()
    found = read_status(tiny_pipeline(tmp_path), lake_and_engine(tmp_path)[0], IN_DAY_4, no_runs)
    assert [one.what for one in found.waits_for] == ["source", "refresh"]
    assert found.waits_for[0].text == "the source of 'machines'"
    assert "machines.csv" in found.waits_for[0].detail


def test_a_damaged_table_is_a_state_and_no_trace(own: Home) -> None:
    own.last_commit("tiny/drift_decisions").write_text("")
    found = read_status(own.pipeline, own.connections.lake, IN_DAY_4, no_runs)
    assert found.state == "damaged"
    assert "table 'tiny/drift_decisions' is damaged" in found.fault


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (None, "the retrain as of 2024-01-03"),
        (Run("r", DAY_3, True, "goes on"), "the retrain as of 2024-01-03, which goes on"),
        (Run("r", DAY_3, True, "failed"), "the retrain as of 2024-01-03, which failed"),
        (Run("r", DAY_3, False, "failed"), "the retrain as of 2024-01-03"),
    ],
)
def test_a_retrain_that_was_asked_for_is_told_by_its_run(home: Home, run: Run | None, text: str) -> None:
    (found,) = waits(home, [run] if run else [], asks=True)
    assert (found.what, found.text) == ("retrain", text)


def test_a_retrain_that_was_made_is_waited_for_no_more(home: Home) -> None:
    trained = read_ledger(home.connections.lake, "tiny")[-1].partition
    decisions = read_ledger(home.connections.lake, "tiny")
    found = waiting(
        home.pipeline, home.connections.lake, DAY_3, [replace(decisions[-1], partition=DAY_3)], IN_DAY_4, no_runs,
        is_retrain_requested=True, labelled=DAY_3,
    )  # fmt: skip
    assert trained != DAY_3
    assert found == ()


def test_a_training_that_lacks_labels_says_which(own: Home) -> None:
    wait = Wait(DAY_3, IN_DAY_4, "schedule", "20 rows of label 'true'", "hash", "run")
    write_wait(own.connections.lake, "tiny", wait, commit={})
    (found,) = waits(own, asks=True)
    assert (found.what, found.text, found.detail) == (
        "labels",
        "labels to train with",
        "20 rows of label 'true'",
    )


def test_a_window_without_labels_waits_for_them(home: Home) -> None:
    (found,) = waits(home, labelled="2024-01-02")
    assert (found.what, found.text) == ("labels", "labels of 2024-01-03")


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([Run("r", DAY_3, False, "goes on")], "the run of 2024-01-03, which goes on"),
        ([Run("r", DAY_3, False, "failed")], "the run of 2024-01-03, which failed"),
        ([], "the run of 2024-01-03, which has not ended"),
    ],
)
def test_raw_rows_without_a_report_are_an_open_run(home: Home, runs: Sequence[Run], text: str) -> None:
    (found,) = waits(home, runs, newest="2024-01-02", labelled="2024-01-02")
    assert (found.what, found.text) == ("run", text)


def test_partitions_that_have_ended_are_due(home: Home) -> None:
    found = read_status(home.pipeline, home.connections.lake, datetime(2024, 1, 6, 1, tzinfo=UTC), no_runs)
    assert [one.text for one in found.waits_for] == ["the refresh of 2 partitions"]


def spec(**changes: object) -> PipelineSpec:
    return PipelineSpec.model_validate({**DECLARATION, **changes})


def test_the_next_run_is_a_tick_of_the_declared_cron_in_the_zone_of_the_partitions() -> None:
    partitions = {"every": "day", "start": "2024-01-01", "timezone": "America/New_York"}
    found = next_run(
        spec(partitions=partitions, schedule="30 6 * * *"), datetime(2024, 3, 9, 20, tzinfo=UTC), newest=None
    )
    # 06:30 of 10 March is after the clocks changed: four hours behind UTC.
    assert found.at is not None
    assert found.at.isoformat() == "2024-03-10T06:30:00-04:00"
    assert found.begun_by == "schedule"


def test_rows_are_begun_by_the_source() -> None:
    rows = {"every": "rows", "size": 100}
    found = next_run(spec(partitions=rows), IN_DAY_4, newest=None)
    assert (found.at, found.begun_by, found.note) == (None, "sensor", "when the source has new rows")


def test_after_the_last_partition_nothing_runs() -> None:
    after = datetime(2024, 2, 1, tzinfo=UTC)
    assert next_run(spec(), after, newest="2024-01-14").note == "2024-01-14 is the last partition"
    assert next_run(spec(), after, newest="2024-01-13").at is not None


def test_a_pipeline_without_a_target_waits_for_no_labels(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    declared = tiny_pipeline(tmp_path)
    pipeline = Pipeline(
        "tiny", declared.spec.model_copy(update={"target": None}), str(tmp_path), declared.sql, "hash"
    )
    found = waiting(
        pipeline, lake_and_engine(tmp_path)[0], day_window(2).key, (), IN_DAY_4, no_runs,
        is_retrain_requested=False, labelled=None,
    )  # fmt: skip
    assert found == ()


def test_a_challenger_that_waits_for_a_person_is_named_until_its_time_is_over(home: Home) -> None:
    decisions = read_ledger(home.connections.lake, "tiny")
    until = IN_DAY_4 + timedelta(hours=2)
    report = json.dumps({"outcome": "waits for approval", "approve_until": until.isoformat()})
    asked = replace(decisions[-1], version=7, partition=DAY_3, champion_before=1, gate_report=report)

    def reasons(now: datetime) -> Sequence[Waiting]:
        return waiting(
            home.pipeline, home.connections.lake, DAY_3, (*decisions, asked), now, no_runs,
            is_retrain_requested=False, labelled=DAY_3,
        )  # fmt: skip

    (reason,) = reasons(IN_DAY_4)
    assert (reason.what, reason.text) == ("approval", "a person's approval of version 7")
    assert reason.detail == (
        "Version 7, trained as of 2024-01-03, waits for a person until 2024-01-04 08:00 UTC: driftline model promote tiny 7 --reason …"
    )
    assert reasons(until) == ()
