"""Versions of a model: what the ledger says of each, who served when, and the two commands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from driftline.cli import FAULT, SUCCESS, main
from driftline.model import listing, showing
from driftline.model.versions import gate_verdict, served_spans, version_rows
from resources.model_registry.ledger import Action, Decision
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented

START = datetime(2024, 1, 1, tzinfo=UTC)


def decision(day: int, action: Action, version: int, champion: int | None) -> Decision:
    return Decision(
        instant=START + timedelta(days=day),
        partition=f"2024-01-0{day + 1}",
        actor="gate",
        action=action,
        version=version,
        champion_before=None,
        champion_after=champion,
        reason="schedule",
        gate_report='{"outcome": "superior", "explanation": "better"}',
        run_id="run",
        artifact_sha256="hash",
        decision_key=f"{day}",
    )


LEDGER = (
    decision(0, "promoted", 1, 1),
    decision(1, "kept", 2, 1),
    decision(2, "promoted", 3, 3),
    decision(3, "rolled back", 1, 1),
)


def test_spans_follow_the_champion_and_a_version_may_serve_twice() -> None:
    spans = served_spans(LEDGER)
    assert [(one.since_partition, one.until) for one in spans[1]] == [
        ("2024-01-01", START + timedelta(days=2)),
        ("2024-01-04", None),
    ]
    assert [(one.since_partition, one.until) for one in spans[3]] == [
        ("2024-01-03", START + timedelta(days=3))
    ]
    assert 2 not in spans


def test_every_version_of_the_ledger_is_a_row_also_without_a_registry() -> None:
    rows = version_rows(LEDGER, (), START)
    assert [(row.version, row.aliases) for row in rows] == [
        (1, ("champion",)),
        (2, ()),
        (3, ("challenger", "previous")),
    ] or [(row.version, row.aliases) for row in rows] == [(1, ("champion",)), (2, ()), (3, ("previous",))]
    assert [row.trained_as_of for row in rows] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert rows[0].serves_since is not None
    assert rows[2].serves_since is None


def test_a_verdict_in_words_alone_is_told_as_it_is() -> None:
    assert gate_verdict(LEDGER[0]) == ("superior", "better")
    assert gate_verdict(replace(LEDGER[0], gate_report="because")) == ("promoted", "because")
    assert gate_verdict(replace(LEDGER[0], gate_report="[]")) == ("promoted", "schedule")


def test_one_reader_tells_the_verdict_of_every_kind_of_row() -> None:
    words, no_object = (replace(LEDGER[0], gate_report=text) for text in ("because", "[]"))
    assert (words.outcome, words.explanation) == ("promoted", "because")
    assert (no_object.outcome, no_object.explanation) == ("promoted", "")
    assert (LEDGER[0].outcome, LEDGER[0].explanation) == ("superior", "better")


def test_list_documents_its_keys(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, listing.KEYS) == set()
    registered = installed.connections.registry.version("tiny", 1)
    (one,) = document["versions"]
    assert one["holdout_metric"] == registered.holdout_metric
    # Three days are too few to draw: runs of rows give an interval.
    assert one["holdout_low"] < one["holdout_metric"] < one["holdout_high"]
    assert (one["aliases"], one["outcome"]) == (["champion"], "first")


def test_list_is_a_table_with_the_reasons_below(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["model", "list", "tiny"]) == SUCCESS
    out = capsys.readouterr().out
    assert "promoted: first" in out
    assert "v1  no champion yet" in out


def test_show_documents_its_keys(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["model", "show", "tiny", "1", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, showing.KEYS) == set()
    assert document["settings"]["candidates"] == ["logistic_regression"]
    assert sum(document["importances"].values()) == pytest.approx(1)
    naive = {"baseline/prior", "baseline/last_value"}
    assert {one["algorithm"] for one in document["candidates"]} == {"logistic_regression", *naive}


def test_show_takes_a_version_alone_and_the_champion_by_default(
    installed: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.path.is_dir()
    assert main(["model", "show"]) == SUCCESS
    by_default = capsys.readouterr().out
    assert main(["model", "show", "1"]) == SUCCESS
    assert capsys.readouterr().out == by_default
    assert "tiny version 1" in by_default


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["tiny", "7"], "'tiny' has no model version 7. Its versions: 1."), (["7"], "Its versions: 1.")],
)
def test_a_version_that_is_not_there(
    arguments: list[str], message: str, installed: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.path.is_dir()
    assert main(["model", "show", *arguments]) == FAULT
    assert message in capsys.readouterr().err
