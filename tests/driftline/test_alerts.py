"""The command that tries channels, and shows what is open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from declaration.alerts import AlertsSpec, Signal
from driftline.alerts.command import SHOW_KEYS, SILENCE_KEYS, TEST_KEYS
from driftline.cli import FAULT, SUCCESS, main
from pipelines.alerting.delivery import take_in
from pipelines.alerting.incidents import Facts
from resources.alerts.channels import Channels
from resources.lake.lake import Lake
from tests.fixtures.keys import undocumented
from tests.fixtures.receivers import mail_server, webhook
from tests.fixtures.tiny import tiny_pipeline
from tests.pipelines.alerting.test_incidents import NOW

EMAIL = {
    "type": "email",
    "to": ["ops@example.org"],
    "sender": "driftline@example.org",
    "min_severity": "critical",
}


@pytest.fixture
def _declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare every kind of channel."""
    declared = AlertsSpec.model_validate(
        {"channels": [{"type": "log"}, {"type": "webhook"}, {"type": "slack"}, EMAIL]}
    )
    tiny = tiny_pipeline(tmp_path)
    spec = tiny.spec.model_copy(update={"alerts": declared})
    pipeline = type(tiny)(tiny.name, spec, tiny.folder, tiny.sql, tiny.spec_hash)
    monkeypatch.setattr("pipelines.loading.declared.find_pipeline", lambda _: pipeline)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))


@pytest.mark.usefixtures("_declared")
def test_a_test_message_goes_through_every_channel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook(200) as (plain, posts), webhook(403) as (slack, refused), mail_server() as mailbox:
        for name, value in {
            "DRIFTLINE_ALERT_WEBHOOK": plain, "DRIFTLINE_ALERT_SLACK": slack, "DRIFTLINE_SMTP_HOST": "127.0.0.1",
            "DRIFTLINE_SMTP_PORT": str(mailbox.port), "DRIFTLINE_SMTP_TLS": "none",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        assert main(["alerts", "test", "tiny"]) == FAULT
    assert capsys.readouterr().out.splitlines() == [
        "log: sent",
        "webhook DRIFTLINE_ALERT_WEBHOOK: sent",
        "slack DRIFTLINE_ALERT_SLACK: the address in DRIFTLINE_ALERT_SLACK did not take the alert: HTTP 403.",
        "email ops@example.org: sent",
    ]
    assert posts[0].body["state"] == "test"
    assert len(refused) == 1
    assert mailbox.mails[0]["Subject"] == "[test] tiny: This is a test"


@pytest.mark.usefixtures("_declared")
def test_what_is_open_and_what_waits_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "show", "tiny"]) == SUCCESS
    assert capsys.readouterr().out == "No open incident of tiny.\n"
    found = (Signal("feature_drift", "KS [bold]0.31[/bold]", "heat"),)
    day = "2024-01-02"
    facts = Facts("tiny", "e1", day, NOW, found, frozenset({"feature_drift"}), partition=day)
    spec = AlertsSpec.model_validate({"channels": [{"type": "slack"}]})
    tiny = tiny_pipeline(tmp_path).spec.model_copy(update={"alerts": spec})
    take_in(Lake(root=str(tmp_path / "lake")), "tiny", tiny, [facts], Channels(), NOW)
    assert main(["alerts", "show", "tiny"]) == SUCCESS
    shown = capsys.readouterr().out
    for text in (
        "feature_drift",
        "heat",
        "firing",
        "2024-01-02",
        "KS [bold]0.31[/bold]",
        "queued",
        "slack DRIFTLINE",
    ):
        assert text in shown


@pytest.mark.usefixtures("_declared")
def test_programs_get_the_documented_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = (Signal("feature_drift", "KS 0.31", "heat"),)
    facts = Facts(
        "tiny", "e1", "2024-01-02", NOW, found, frozenset({"feature_drift"}), partition="2024-01-02"
    )
    spec = AlertsSpec.model_validate({"channels": [{"type": "slack"}]})
    tiny = tiny_pipeline(tmp_path).spec.model_copy(update={"alerts": spec})
    take_in(Lake(root=str(tmp_path / "lake")), "tiny", tiny, [facts], Channels(), NOW)
    assert main(["alerts", "show", "tiny", "--json"]) == SUCCESS
    shown = json.loads(capsys.readouterr().out)
    assert undocumented(shown, SHOW_KEYS) == set()
    (incident,) = shown["incidents"]
    assert (incident["kind"], incident["feature"], incident["silence"]) == ("feature_drift", "heat", None)
    assert [message["state"] for message in shown["undelivered"]] == ["queued"]
    assert main(["alerts", "test", "tiny", "--json"]) == FAULT
    tried = json.loads(capsys.readouterr().out)
    assert undocumented(tried, TEST_KEYS) == set()
    assert tried["channels"][0] == {"channel": "log", "problem": None}


def test_silences_are_listed_with_what_they_hold_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    silenced = [
        {
            "kind": "feature_drift",
            "feature": "heat",
            "until": "2099-01-01",
            "reason": "A new oven [bold]is[/bold] tried.",
        },
        {"until": "2020-01-01", "reason": "Over."},
    ]
    spec = AlertsSpec.model_validate({"channels": [{"type": "log"}], "silences": silenced})
    tiny = tiny_pipeline(tmp_path)
    pipeline = replace(tiny, spec=tiny.spec.model_copy(update={"alerts": spec}))
    monkeypatch.setattr("pipelines.loading.declared.find_pipeline", lambda _: pipeline)
    found = (Signal("feature_drift", "KS 0.31", "heat"), Signal("feature_drift", "KS 0.42", "power"))
    facts = Facts(
        "tiny", "e1", "2024-01-02", NOW, found, frozenset({"feature_drift"}), partition="2024-01-02"
    )
    take_in(Lake(root=str(tmp_path / "lake")), "tiny", pipeline.spec, [facts], Channels(), NOW)
    assert main(["alerts", "silence", "--json"]) == SUCCESS
    shown = json.loads(capsys.readouterr().out)
    assert undocumented(shown, SILENCE_KEYS) == set()
    first, second = shown["silences"]
    assert (first["is_in_force"], first["holds_back"]) == (True, ["feature_drift heat"])
    assert (second["kind"], second["is_in_force"], second["holds_back"]) == (None, False, [])
    assert main(["alerts", "silence"]) == SUCCESS
    printed = capsys.readouterr().out
    assert "A new oven [bold]is[/bold] tried." in printed
    assert f"To add or end one, edit `attributes.alerts.silences` in {tmp_path}" in printed


def test_an_unknown_pipeline_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "show", "nowhere"]) == FAULT
    assert "no pipeline 'nowhere'" in capsys.readouterr().err
