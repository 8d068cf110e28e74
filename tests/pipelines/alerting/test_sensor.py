"""Drift reports and failed runs reach people once, whatever restarts or is down."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import dagster as dg
import pytest
from dagster import DagsterInstance

from assets.drift_report.incident_check import INCIDENT_CHECK
from assets.drift_report.signals import Signals
from declaration.alerts import AlertsSpec, IncidentKind, Signal
from declaration.pipeline import Pipeline
from pipelines.alerting.sensor import LOCK, alert_sensor
from pipelines.graph.stages import stages
from pipelines.triggers.events import RUNS_PER_PAGE
from pipelines.triggers.retrains import MAX_ATTEMPTS
from pipelines.triggers.run_requests import PIPELINE_TAG, REPLAY_TAG, REPORT_TAG
from resources.alerts.channels import Channels
from resources.alerts.incident_log import INCIDENTS, read_incidents
from resources.alerts.outbox import read_outbox
from resources.lake.lake import Lake, LakeError
from resources.locks import file_lock
from tests.fixtures.receivers import Post, mail_server, webhook
from tests.pipelines.test_automation import HISTORY, SPEC

JUDGED: frozenset[IncidentKind] = frozenset({"broken_data", "performance", "feature_drift"})
BOTH = [{"type": "webhook"}, {"type": "slack", "min_severity": "critical"}]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path / "lake"))


def pipeline(name: str = "flights", **alerts: object) -> Pipeline:
    spec = SPEC.model_copy(update={"alerts": AlertsSpec.model_validate(alerts)})
    return Pipeline(name, spec, "/nowhere", {"history.sql": HISTORY}, "hash")


def report(
    instance: DagsterInstance,
    partition: str,
    *found: Signal,
    reason: str = "none",
    judges: frozenset[IncidentKind] = JUDGED,
    name: str = "flights",
) -> None:
    """Record a drift report, as its asset would."""
    signals = Signals(found, judges).as_metadata()
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey([name, "drift_report"]),
            partition=partition,
            metadata={"signals": dg.MetadataValue.json(signals), "retrain_reason": reason},
        )
    )


def replayed(instance: DagsterInstance, partition: str, *found: Signal) -> None:
    """Record a drift report that a run of a replay made."""
    signals = dg.MetadataValue.json(Signals(found, JUDGED).as_metadata())
    key = dg.AssetKey(["flights", "drift_report"])

    @dg.op(out=dg.Out(dg.Nothing))
    def made() -> Iterator[dg.AssetMaterialization]:
        yield dg.AssetMaterialization(key, partition=partition, metadata={"signals": signals})

    @dg.job(tags={PIPELINE_TAG: "flights", REPLAY_TAG: "true"})
    def job() -> None:
        made()

    assert job.execute_in_process(instance=instance).success


def tick(
    instance: DagsterInstance,
    lake: Lake,
    *pipelines: Pipeline,
    cursor: str | None = None,
    web: str | None = None,
    now: datetime | None = None,
) -> tuple[str, str]:
    """Evaluate the alert sensor; return its cursor and what it says."""
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"lake": lake, "channels": Channels(web_url=web)}
    ) as context:
        clock = partial(datetime.now, UTC) if now is None else lambda: now
        said = alert_sensor(pipelines, clock)(context)
        assert isinstance(said, dg.SkipReason)
        return context.cursor or "", said.skip_message or ""


WIND = Signal("feature_drift", "KS distance 0.31, surely at least 0.28", "wind")
LOSS = Signal("performance", "roc_auc is 0.64 and was 0.71.")


def heads(posts: list[Post]) -> list[tuple[object, object, object]]:
    return [(post.body["state"], post.body["kind"], post.body["partition"]) for post in posts]


def test_an_incident_is_told_when_it_begins_and_when_it_ends(
    instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(instance, "2013-02-01")
    report(instance, "2013-03-01", WIND, reason="drift")
    report(instance, "2013-04-01", WIND)
    with webhook(200) as (url, received):
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", url)
        cursor, said = tick(instance, lake, pipeline(), web="https://driftline.example.org/")
        assert said == "2 messages sent; messages of 0 pipelines wait"  # Log and webhook.
        report(instance, "2013-05-01")
        tick(instance, lake, pipeline(), cursor=cursor)
    assert heads(received) == [
        ("firing", "feature_drift", "2013-03-01"),
        ("resolved", "feature_drift", "2013-05-01"),
    ]
    first = received[0].body
    assert first["findings"] == ["wind: KS distance 0.31, surely at least 0.28"]
    assert first["action"] == "Driftline trains a challenger, because of the drift."
    assert first["link"] == (
        "https://driftline.example.org/assets/flights/drift_report?view=partitions&partition=2013-03-01"
    )


def test_what_a_replay_found_about_the_past_is_told_to_nobody(instance: DagsterInstance, lake: Lake) -> None:
    for month in ("02", "03"):
        replayed(instance, f"2013-{month}-01", WIND, LOSS)
    replayed(instance, "2013-04-01", WIND)
    cursor, said = tick(instance, lake, pipeline())
    assert said == "0 messages sent; messages of 0 pipelines wait"
    assert not read_outbox(lake, "flights")
    # What stands is known, and shown.
    (standing,) = read_incidents(lake, "flights").incidents.firing
    assert (standing.feature, standing.opened_in, standing.is_told) == ("wind", "2013-02-01", False)
    assert checked(instance)[0] is False
    # A live report that still finds it tells it once, and since when it stands.
    report(instance, "2013-05-01", WIND)
    cursor, _ = tick(instance, lake, pipeline(), cursor=cursor)
    report(instance, "2013-06-01", WIND)
    cursor, _ = tick(instance, lake, pipeline(), cursor=cursor)
    (told,) = read_outbox(lake, "flights")
    assert told.alert.findings == (f"wind: {WIND.text}. It has been so since 2013-02-01.",)
    # Who was told of the beginning is told of the end, also by a replay.
    replayed(instance, "2013-07-01")
    tick(instance, lake, pipeline(), cursor=cursor)
    assert [one.alert.state for one in read_outbox(lake, "flights")] == ["firing", "resolved"]


def test_a_replay_that_has_come_to_the_present_tells_what_stands(
    instance: DagsterInstance, lake: Lake
) -> None:
    for month in ("02", "03"):
        replayed(instance, f"2013-{month}-01", WIND)
    tick(instance, lake, pipeline(), now=datetime(2013, 4, 20, tzinfo=UTC))
    (told,) = read_outbox(lake, "flights")
    assert told.alert.partition == "2013-03-01"
    assert told.alert.findings == (f"wind: {WIND.text}. It has been so since 2013-02-01.",)


def test_a_run_that_failed_in_a_replay_is_told_to_nobody(instance: DagsterInstance, lake: Lake) -> None:
    run(instance, LakeError("the disk is full"), **{REPLAY_TAG: "true"})
    cursor, _ = tick(instance, lake, pipeline())
    assert not read_outbox(lake, "flights")
    run(instance, LakeError("the disk is still full"))
    tick(instance, lake, pipeline(), cursor=cursor)
    assert [one.alert.kind for one in read_outbox(lake, "flights")] == ["refresh_failed"]


def test_a_restart_and_a_lost_cursor_change_nothing(
    instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month, found in (("02", [WIND]), ("03", []), ("04", [LOSS])):
        report(instance, f"2013-{month}-01", *found)
    with webhook(200) as (url, received):
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", url)
        for _ in range(2):
            tick(instance, lake, pipeline())
    assert [state for state, *_ in heads(received)] == ["firing", "resolved", "firing"]
    n_rows = lake.snapshot(INCIDENTS.of("flights")).n_rows
    tick(instance, lake, pipeline())
    assert lake.snapshot(INCIDENTS.of("flights")).n_rows == n_rows


def test_each_channel_gets_its_severities(
    instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(instance, "2013-03-01", WIND, LOSS)
    with webhook(200) as (plain, everything), webhook(200) as (slack, critical):
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", plain)
        monkeypatch.setenv("DRIFTLINE_ALERT_SLACK", slack)
        tick(instance, lake, pipeline(channels=BOTH))
    assert {kind for _, kind, _ in heads(everything)} == {"feature_drift", "performance"}
    assert ["performance" in str(post.body["text"]).lower() for post in critical] == [True]


def test_a_channel_that_is_down_gets_everything_later_in_order(
    instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.alerts.outbox.FIRST_WAIT", timedelta(0))
    report(instance, "2013-02-01", LOSS)
    with webhook(200) as (up, received_at_once), webhook(503) as (down, refused):
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", up)
        monkeypatch.setenv("DRIFTLINE_ALERT_SLACK", down)
        cursor, said = tick(instance, lake, pipeline(channels=BOTH))
        report(instance, "2013-03-01")
        cursor, _ = tick(instance, lake, pipeline(channels=BOTH), cursor=cursor)
    assert said.startswith("1 messages sent; messages of 1 pipelines wait; slack DRIFTLINE_ALERT_SLACK: ")
    assert "HTTP 503" in said
    assert down not in said
    # Nothing overtakes: the end is not tried before the beginning has arrived.
    assert len(refused) == 2
    assert all("critical" in str(post.body["text"]) for post in refused)
    assert [state for state, *_ in heads(received_at_once)] == ["firing", "resolved"]
    with webhook(200) as (again, late):
        monkeypatch.setenv("DRIFTLINE_ALERT_SLACK", again)
        cursor, said = tick(instance, lake, pipeline(channels=BOTH), cursor=cursor)
        tick(instance, lake, pipeline(channels=BOTH), cursor=cursor)
    assert ["[critical]" in str(post.body["text"]) for post in late] == [True, False]
    counted = {
        (one.alert.state, one.channel.split()[0]): one.n_failed for one in read_outbox(lake, "flights")
    }
    assert counted["firing", "slack"] == 2
    assert counted["resolved", "slack"] == 0
    assert json.loads(cursor)["waiting"] == []


def test_a_channel_that_is_not_set_up_is_said(instance: DagsterInstance, lake: Lake) -> None:
    report(instance, "2013-02-01", LOSS)
    _, said = tick(instance, lake, pipeline(channels=[{"type": "slack"}]))
    assert "DRIFTLINE_ALERT_SLACK is not set" in said


def test_an_alert_for_a_channel_that_is_gone_is_given_up(instance: DagsterInstance, lake: Lake) -> None:
    report(instance, "2013-02-01", LOSS)
    cursor, _ = tick(instance, lake, pipeline(channels=[{"type": "slack"}]))
    _, said = tick(instance, lake, pipeline(), cursor=cursor)
    assert "not declared any more" in said
    assert [one.step for one in read_outbox(lake, "flights")] == ["given up"]


def test_the_mail_says_it_all(instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    report(
        instance,
        "2013-02-01",
        Signal("broken_data", "quality score of flights is 0.20."),
        reason="broken_data",
    )
    email = {"type": "email", "to": ["ops@example.org"], "sender": "driftline@example.org"}
    with mail_server() as mailbox:
        monkeypatch.setenv("DRIFTLINE_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("DRIFTLINE_SMTP_PORT", str(mailbox.port))
        monkeypatch.setenv("DRIFTLINE_SMTP_TLS", "none")
        tick(instance, lake, pipeline(channels=[email]))
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[critical] flights: Broken data"
    assert mail.get_content().splitlines() == [
        "flights, window 2013-02-01",
        "",
        "quality score of flights is 0.20.",
        "Blocked: nothing is learned from this window until it is repaired and run again.",
    ]


def test_the_log_has_it_where_nothing_is_declared(
    instance: DagsterInstance, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    report(instance, "2013-02-01", LOSS, WIND)
    with caplog.at_level(logging.INFO, logger="driftline.alerts"):
        tick(instance, lake, pipeline())
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.CRITICAL]
    assert "[critical] flights: Performance lost. flights, window 2013-02-01. roc_auc is 0.64" in caplog.text


def test_what_is_silenced_is_in_the_table_alone(
    instance: DagsterInstance, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    silence = {"feature": "wind", "until": "2100-01-01", "reason": "new sensors"}
    report(instance, "2013-02-01", WIND)
    with caplog.at_level(logging.INFO, logger="driftline.alerts"):
        tick(instance, lake, pipeline(silences=[silence]))
    assert not caplog.records
    (incident,) = read_incidents(lake, "flights").incidents.firing
    assert (incident.feature, incident.silence) == ("wind", "new sensors")


def checked(instance: DagsterInstance) -> tuple[bool, object]:
    """Return the newest state of the drift report's check."""
    key = dg.AssetCheckKey(dg.AssetKey(["flights", "drift_report"]), INCIDENT_CHECK)
    summary = instance.event_log_storage.get_asset_check_summary_records([key])[key]
    record = summary.last_check_execution_record
    assert record is not None
    assert record.event is not None
    evaluation = record.event.dagster_event.event_specific_data  # type: ignore[union-attr]
    return evaluation.passed, evaluation.metadata["incidents"].value  # type: ignore[union-attr]


def test_the_check_of_the_drift_report_shows_what_is_open(instance: DagsterInstance, lake: Lake) -> None:
    report(instance, "2013-02-01", WIND)
    cursor, _ = tick(instance, lake, pipeline())
    passed, shown = checked(instance)
    assert not passed
    assert shown == [
        {"kind": "feature_drift", "feature": "wind", "severity": "warning", "since": "2013-02-01",
         "text": WIND.text, "silence": ""}
    ]  # fmt: skip
    report(instance, "2013-03-01")
    tick(instance, lake, pipeline(), cursor=cursor)
    assert checked(instance) == (True, [])


def test_the_check_is_declared_on_the_drift_report() -> None:
    (stage,) = (one for one in stages(pipeline()) if one.path == ("drift_report",))
    assert [check.name for check in stage.checks] == [INCIDENT_CHECK]


def test_one_pipeline_that_cannot_be_recorded_does_not_stop_the_others(
    instance: DagsterInstance, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Path(lake.root, "broken", "incidents", "_delta_log")
    broken.mkdir(parents=True)
    commit = broken / f"{0:020}.json"
    commit.write_text("no commit")
    for name in ("broken", "flights"):
        report(instance, "2013-02-01", LOSS, name=name)
    with pytest.raises(Exception, match=r"could not be recorded\. broken: "):
        tick(instance, lake, pipeline("broken"), pipeline())
    assert "[critical] flights" in caplog.text
    # The tick is tried again from the same cursor: nothing is told twice, and nothing is lost.
    commit.unlink()
    broken.rmdir()
    caplog.clear()
    tick(instance, lake, pipeline("broken"), pipeline())
    assert "[critical] flights" not in caplog.text
    assert "[critical] broken" in caplog.text


@pytest.mark.parametrize("signals", [[], {"found": []}, {"found": [{}], "judges": [], "unknown": []}])
def test_a_report_of_another_version_tells_nothing(
    instance: DagsterInstance, lake: Lake, signals: object
) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey(["flights", "drift_report"]), metadata={"signals": dg.MetadataValue.json(signals)}
        )
    )
    tick(instance, lake, pipeline())
    assert not read_outbox(lake, "flights")


def run(instance: DagsterInstance, error: Exception | None, **tags: str) -> str:
    """Run a job of the pipeline that fails with an error, or does not."""

    @dg.op
    def step() -> None:
        if error is not None:
            raise error

    @dg.job(tags={PIPELINE_TAG: "flights", **tags})
    def job() -> None:
        step()

    return job.execute_in_process(instance=instance, raise_on_error=False).run_id


def test_a_failed_run_is_told_and_so_is_the_next_that_succeeds(
    instance: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = run(instance, LakeError("the disk is full"), **{"dagster/partition": "2013-02-01"})
    with webhook(200) as (url, received):
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", url)
        cursor, _ = tick(instance, lake, pipeline(), web="http://127.0.0.1:3000")
        run(instance, ValueError("another, an hour later"))
        cursor, _ = tick(instance, lake, pipeline(), cursor=cursor)
        run(instance, None)
        tick(instance, lake, pipeline(), cursor=cursor)
        tick(instance, lake, pipeline())
    assert heads(received) == [
        ("firing", "refresh_failed", "2013-02-01"),
        ("resolved", "refresh_failed", None),
    ]
    body = received[0].body
    assert body["findings"] == [f"run {failed}, step step: LakeError: the disk is full."]
    assert body["link"] == f"http://127.0.0.1:3000/runs/{failed}"


def test_the_text_of_a_foreign_error_stays_in_the_web_ui(
    instance: DagsterInstance, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    run(instance, OSError("cannot reach postgresql://user:geheim@db/flights"))
    with caplog.at_level(logging.INFO, logger="driftline.alerts"):
        tick(instance, lake, pipeline())
    said = next(r.getMessage() for r in caplog.records if r.name == "driftline.alerts")
    assert "OSError" in said
    assert "geheim" not in said


def test_a_run_that_will_be_tried_again_is_not_told(instance: DagsterInstance, lake: Lake) -> None:
    run(instance, ValueError("killed"), **{"dagster/will_retry": "true"})
    tick(instance, lake, pipeline())
    assert not read_outbox(lake, "flights")


def ended(instance: DagsterInstance, kind: dg.DagsterEventType, **tags: str) -> None:
    """Record the end of a run, without running it."""
    status = dg.DagsterRunStatus.STARTED
    begun = dg.DagsterRun(job_name="job", tags={PIPELINE_TAG: "flights", **tags}, status=status)
    instance.add_run(begun)
    instance.report_dagster_event(dg.DagsterEvent(kind.value, "job"), run_id=begun.run_id)


@pytest.fixture
def quick() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def told(lake: Lake) -> list[tuple[str, str]]:
    return [(one.alert.state, one.alert.kind) for one in read_outbox(lake, "flights")]


FAILURE, SUCCESS = dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS


def test_more_ends_of_runs_in_a_minute_than_a_page_holds_are_all_read(
    quick: DagsterInstance, lake: Lake
) -> None:
    ended(quick, FAILURE)
    for _ in range(2 * RUNS_PER_PAGE + 50):
        ended(quick, SUCCESS)
    ended(quick, FAILURE)
    cursor, _ = tick(quick, lake, pipeline())
    assert told(lake) == [(state, "refresh_failed") for state in ("firing", "resolved", "firing")]
    ended(quick, SUCCESS)
    tick(quick, lake, pipeline(), cursor=cursor)
    assert told(lake)[3:] == [("resolved", "refresh_failed")]


@pytest.mark.parametrize("shift", [timedelta(hours=-1), timedelta(days=-400), timedelta(hours=1)])
def test_a_clock_that_is_set_silences_nothing(
    quick: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch, shift: timedelta
) -> None:
    cursor, real = None, time.time
    for number, kind in enumerate([FAILURE, SUCCESS, FAILURE]):
        if number == 1:
            monkeypatch.setattr(time, "time", lambda: real() + shift.total_seconds())
        ended(quick, kind)
        cursor, _ = tick(quick, lake, pipeline(), cursor=cursor)
    assert told(lake) == [(state, "refresh_failed") for state in ("firing", "resolved", "firing")]


def test_two_sensors_at_once_tell_everything_once(
    quick: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(quick, "2013-02-01", LOSS, WIND)
    ended(quick, FAILURE)
    with webhook(200) as (url, received), ThreadPoolExecutor(4) as pool:
        monkeypatch.setenv("DRIFTLINE_ALERT_WEBHOOK", url)
        together = Barrier(4)

        def one() -> None:
            together.wait()
            tick(quick, lake, pipeline())

        for done in [pool.submit(one) for _ in range(4)]:
            done.result()
    kinds = sorted(str(post.body["kind"]) for post in received)
    assert kinds == ["feature_drift", "performance", "refresh_failed"]


def test_a_sensor_that_finds_another_at_work_leaves_it_all_for_later(
    quick: DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(quick, FAILURE)
    # Of the time for sending nothing is left, so that it does not wait here.
    monkeypatch.setattr("pipelines.alerting.sensor.SENDING_TIME", timedelta())
    sensor = alert_sensor([pipeline()])
    resources = {"lake": lake, "channels": Channels()}
    with (
        file_lock(lake.table_path("flights") / LOCK),
        dg.build_sensor_context(instance=quick, resources=resources) as context,
        ThreadPoolExecutor(1) as other,
    ):
        said = other.submit(sensor, context).result()
        assert isinstance(said, dg.SkipReason)
        assert said.skip_message == "another process sends the alerts of flights; this one looks again later."
        assert context.cursor is None
    tick(quick, lake, pipeline())
    assert told(lake) == [("firing", "refresh_failed")]


def test_a_retrain_is_told_when_it_is_given_up(quick: DagsterInstance, lake: Lake) -> None:
    tags = {REPORT_TAG: "7", "dagster/partition": "2013-02-01"}
    cursor = None
    for _ in range(MAX_ATTEMPTS):
        assert told(lake) == []
        ended(quick, FAILURE, **tags)
        cursor, _ = tick(quick, lake, pipeline(), cursor=cursor)
    (delivery,) = read_outbox(lake, "flights")
    assert delivery.alert.kind == "training_failed"
    assert delivery.alert.findings[0].startswith("The retrain failed 3 times. The last: run ")
    assert "the next drift report that asks tries again" in delivery.alert.action
