"""The page of a model history, read from a small lake."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from assets.drift_report.pages.history_reading import read_model_history
from assets.drift_report.pages.history_rows import FILE, read_outcomes, read_states
from assets.drift_report.tables import report_table
from assets.materialization import Scope
from drift.columns.verdict import Status
from resources.lake.lake import scan
from resources.model_registry.ledger import Action, Decision, write_decision
from resources.reports import Reports
from tests.drift_report.pages.test_report import content
from tests.drift_report.test_asset import stormy
from tests.fixtures.drift_world import FEATURES, World

JULY, AUGUST = "2013-07-01", "2013-08-01"


def decide(
    world: World, version: int, action: Action, champion_after: int, gate_report: str, partition: str
) -> None:
    """Add an entry to the ledger."""
    before = None if version == 1 else 1
    instant = datetime(2013, 7, version, tzinfo=UTC)
    decision = Decision(
        instant, partition, "gate", action, version, before, champion_after, "schedule", gate_report, "run", "0" * 64, f"k{version}"
    )  # fmt: skip
    write_decision(world.lake, "flights", lambda _: decision, commit={})


def test_strengths_are_those_of_the_verdict(world: World) -> None:
    """The verdict's own strength, computed in Python, is the oracle of what SQL finds in the table."""
    verdict = content().verdict
    assert verdict is not None
    world.lake.write("flights/drift_report", report_table(1, verdict), partition=JULY)
    written = world.lake.snapshot("flights/drift_report")
    partition_of = {path: key for key, paths in written.files.items() for path in paths}
    with world.engine.connect() as connection:
        states = read_states(connection, scan(written, [JULY], file_column=FILE), partition_of)
    assert {state.partition for state in states} == {JULY}
    found = {state.column: state for state in states}
    assert set(found) == {one.column for one in verdict.columns}
    for one in verdict.columns:
        assert found[one.column].strength == pytest.approx(max(0.0, one.strength), abs=1e-12)
        assert found[one.column].status == one.status
        assert found[one.column].importance == one.importance


@pytest.mark.parametrize("status", ["cannot be judged", "insufficient data", "ignored"])
def test_a_status_that_says_nothing_of_the_column_has_no_strength(world: World, status: Status) -> None:
    verdict = content().verdict
    assert verdict is not None
    silent = replace(verdict, columns=tuple(replace(one, status=status) for one in verdict.columns))
    world.lake.write("flights/drift_report", report_table(1, silent), partition=JULY)
    written = world.lake.snapshot("flights/drift_report")
    partition_of = {path: key for key, paths in written.files.items() for path in paths}
    with world.engine.connect() as connection:
        states = read_states(connection, scan(written, [JULY], file_column=FILE), partition_of)
    assert {(one.status, one.strength, one.effect) for one in states} == {(status, None, None)}


def test_every_report_rewrites_the_page_and_every_link_leads_to_a_page(world: World) -> None:
    decide(world, 1, "promoted", 1, json.dumps({"explanation": "the first model"}), "2013-06-01")
    world.write_month(JULY, stormy)
    first = Path(str(world.report(JULY).metadata["life"]))
    assert first == Path(world.reports.folder) / "flights" / "index.html"
    decide(world, 2, "kept", 1, "written by hand", JULY)
    world.write_month(AUGUST)
    world.report(AUGUST)
    page = first.read_text()
    assert "flights: version 1 serves" in page
    assert "<b>2 windows</b><small>trained as of 2013-06-01</small>" in page
    assert "written by hand" in page
    assert "weather__wind, 2013-07-01: 1<" in page
    links = re.findall(r'href="\./([^"]+)"', page)
    assert set(links) == {f"{JULY}.html", f"{AUGUST}.html"}
    for link in links:
        assert 'href="./index.html"' in (first.parent / link).read_text()


def test_outcomes_add_up_over_windows_and_the_holdout_counts_once(world: World) -> None:
    n_served = []
    for key in (JULY, AUGUST):
        world.write_month(key)
        n_served.append(world.report(key).metadata["n_labelled"])
    table = world.lake.snapshot("flights/served_outcomes")
    with world.engine.connect() as connection:
        both = read_outcomes(connection, scan(table, [JULY, AUGUST]), 1)
        one = read_outcomes(connection, scan(table, [AUGUST]), 1)
        other = read_outcomes(connection, scan(table, [AUGUST]), 2)
    assert both is not None
    assert one is not None
    assert both.n_rows("served") == sum(int(str(n)) for n in n_served) > one.n_rows("served")
    assert both.n_rows("holdout") == one.n_rows("holdout")
    assert other is None
    history = (Path(world.reports.folder) / "flights" / "index.html").read_text()
    assert f"over {both.n_rows('served'):,} served rows" in history


def test_a_page_names_its_runs_and_what_was_quarantined(world: World) -> None:
    world.write_month(JULY)
    broken = {
        "departure": [datetime(2013, 7, 2, tzinfo=UTC)] * 3,
        "broken_rules": [["<late>", "b"], ["b"], ["b"]],
    }
    world.lake.write("flights/quarantine/flights", pa.table(broken), partition=JULY)
    known = replace(world, reports=Reports(folder=world.reports.folder, web_url="http://127.0.0.1:3000"))
    page = Path(str(known.report(JULY).metadata["report"])).read_text()
    assert 'href="http://127.0.0.1:3000/runs/' in page
    assert "3 of flights, in the lake's table flights/quarantine/flights, partition 2013-07-01" in page
    assert "b (3); &lt;late&gt; (1)" in page
    assert "<b>3</b><small>set aside" in page


def test_a_report_of_an_older_window_shows_the_newest_one(world: World) -> None:
    for key in (JULY, AUGUST):
        world.write_month(key)
        path = Path(str(world.report(key).metadata["life"]))
    newest = path.read_text()
    world.report(JULY)
    assert f"Columns in {AUGUST}" in path.read_text()

    def without_clock(page: str) -> str:
        return re.sub(r"written [\d-]+ [\d:]+ UTC", "", page)

    assert without_clock(path.read_text()) == without_clock(newest)


def test_only_the_newest_windows_are_read_and_the_rest_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.drift_report.pages.history_reading.MAX_WINDOWS", 1)
    for key in (JULY, AUGUST):
        world.write_month(key, stormy if key == JULY else None)
        world.report(key)
    written = [
        world.lake.snapshot(f"flights/{name}")
        for name in ("drift_decisions", "drift_report", "window_sketches")
    ]
    with world.engine.connect() as connection:
        scope = Scope(None, run_id="test", clock=datetime(2013, 9, 1, tzinfo=UTC))
        history = read_model_history(
            world.pipeline, scope, world.lake, connection, written, lambda newest: str(newest.model_version)
        )
    assert [one.partition for one in history.windows] == [AUGUST]
    assert history.n_earlier == 1
    assert {one.column for one in history.columns if one.role == "feature"} == set(FEATURES)
    assert all(len(one.states) == 1 for one in history.columns)
    assert history.reference is not None
    assert history.current is not None
    assert set(history.reference) == set(history.current) == {*FEATURES, "score", "label"}
    assert all(not entry.parts for entry in history.reference.values())
