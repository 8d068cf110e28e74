"""A tiny declaration from raw to drift report: a shifted copy of the data asks for one retrain, an unshifted none."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from rich.console import Console

from declaration.drift import RetrainSpec
from drift.backtesting.course import BacktestError
from driftline.backtest.command import COMPARE_KEYS
from driftline.backtest.compare import Comparison, compare
from driftline.backtest.decisions import RedecisionError, backtest, print_backtest
from driftline.backtest.table import comparison_as_plain, print_comparison
from driftline.backtest.wording import caveats
from driftline.history import history, print_history
from driftline.replay.runs import REPLAY_TAG, ReplayError, fail_abandoned_runs, only_replay
from driftline.replay.walk import Replay, Retrains, walk
from pipelines.alerting.sensor import alert_sensor
from pipelines.automation import automation
from pipelines.graph.compile import REASON_TAG, build_pipeline
from pipelines.triggers.retrains import MAX_ATTEMPTS
from pipelines.triggers.run_requests import REPORT_TAG
from resources.alerts.incident_log import read_incidents
from resources.alerts.outbox import read_outbox
from tests.fixtures.keys import undocumented
from tests.fixtures.replaying import replaying as replaying_pipeline
from tests.fixtures.stages import connected
from tests.fixtures.tiny import ROWS_PER_DAY, tiny_pipeline, write_sources

NOW = datetime(2024, 2, 1, tzinfo=UTC)
N_DAYS = 7
SHIFTED_DAY = 5


@contextmanager
def replaying(folder: Path) -> Iterator[Replay]:
    """Open a replay of the tiny pipeline on an instance of its own."""
    pipeline, connections = tiny_pipeline(folder), connected(folder)
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline),
        automation([pipeline]),
        dg.Definitions(resources=connections.as_resources(), executor=dg.in_process_executor),
    )
    (folder / "dagster").mkdir(exist_ok=True)
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(folder / "dagster"))) as instance:
        yield Replay(pipeline, definitions, instance, connections)


def last_key(replay: Replay, n_days: int) -> str:
    return replay.partitions(None, None, NOW)[n_days - 1].key


def replay_days(folder: Path, n_days: int = N_DAYS) -> None:
    with replaying(folder) as replay:
        days = replay.partitions(None, last_key(replay, n_days), NOW)
        walk(replay, days, Console(file=StringIO()))


def retrains(folder: Path) -> list[dg.DagsterRun]:
    with replaying(folder) as replay:
        runs = replay.instance.get_runs()
    return [run for run in reversed(runs) if REPORT_TAG in run.tags]


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shifted")
    write_sources(folder, n_days=N_DAYS, shift_from=SHIFTED_DAY)
    replay_days(folder)
    return folder


def test_a_shift_causes_exactly_one_retrain(shifted: Path) -> None:
    asked = retrains(shifted)
    partitions = [run.tags["dagster/partition"] for run in asked]
    # The first is the first model; heat moves by 1.5 standard deviations on the sixth day.
    assert partitions == ["2024-01-01", "2024-01-06"]
    assert asked[1].tags[REASON_TAG].startswith("drift")
    assert all(run.status == dg.DagsterRunStatus.SUCCESS for run in asked)


def test_no_shift_causes_none_but_the_first_model(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=N_DAYS)
    replay_days(tmp_path)
    assert [run.tags["dagster/partition"] for run in retrains(tmp_path)] == ["2024-01-01"]


def test_every_stage_has_its_rows(shifted: Path) -> None:
    lake = connected(shifted).lake
    n_rows = N_DAYS * ROWS_PER_DAY
    for table in ("raw/readings", "profiled/readings", "labels"):
        assert lake.snapshot(f"tiny/{table}").n_rows == n_rows
    # No model serves on the first day.
    assert lake.snapshot("tiny/predictions").n_rows == n_rows - ROWS_PER_DAY
    assert (shifted / "reports" / "tiny" / "2024-01-06.html").stat().st_size < 500_000


def test_the_history_tells_what_happened(shifted: Path) -> None:
    days = history(tiny_pipeline(shifted), connected(shifted))
    assert [day.n_rows for day in days] == [ROWS_PER_DAY] * N_DAYS
    assert [day.model_version for day in days][:2] == [None, 1]
    assert days[SHIFTED_DAY].is_retrain_requested
    scored = [day for day in days if day.realised is not None and day.frozen is not None]
    assert len(scored) == N_DAYS - 1
    first_model = [day for day in scored if day.model_version == 1]
    assert all(abs(day.realised - day.frozen) < 1e-9 for day in first_model)  # type: ignore[operator]  # not None
    output = StringIO()
    print_history(tiny_pipeline(shifted), connected(shifted), Console(file=output, width=200))
    assert "never retrained" in output.getvalue()
    assert "2024-01-06" in output.getvalue()


def test_history_decided_anew_under_its_own_policy_is_the_same(shifted: Path) -> None:
    decided = list(backtest(tiny_pipeline(shifted), connected(shifted)))
    assert [one.partition for one in decided] == [f"2024-01-{day:02d}" for day in range(1, N_DAYS + 1)]
    assert not [one for one in decided if one.is_changed]
    assert all(one.drifted_before == one.drifted_now for one in decided)


def test_another_policy_would_have_decided_otherwise(shifted: Path) -> None:
    pipeline = tiny_pipeline(shifted)
    calm = pipeline.spec.model_copy(
        update={"retrain": RetrainSpec(on=("schedule",), max_age=2, min_new_labels=0)}
    )
    tables = {
        name: connected(shifted).lake.snapshot(name).version
        for name in ("tiny/drift_decisions", "tiny/ledger")
    }
    decided = list(backtest(replace(pipeline, spec=calm), connected(shifted)))
    by_day = {one.partition: one for one in decided}
    assert by_day["2024-01-06"].was == "drift"
    # As of then the champion is four days old.
    assert by_day["2024-01-06"].now.reason == "schedule"
    assert by_day["2024-01-02"].now.reason == "none"
    output = StringIO()
    print_backtest(pipeline, decided, Console(file=output, width=150))
    assert "train: drift" in output.getvalue()
    assert "train: schedule" in output.getvalue()
    # Nothing was written.
    assert tables == {name: connected(shifted).lake.snapshot(name).version for name in tables}


def compared(
    folder: Path,
    progress: Callable[[str], None] = lambda _: None,
    budget_s: float = 600,
    rows: int = ROWS_PER_DAY,
) -> Comparison:
    return compare(
        tiny_pipeline(folder), connected(folder), folder, rows=rows, budget_s=budget_s, progress=progress
    )


@pytest.mark.long
def test_policies_are_compared_on_the_stored_history_and_a_stopped_comparison_resumes(shifted: Path) -> None:
    with pytest.raises(
        BacktestError, match=r"0 CPU seconds did not suffice for the policy as declared; 0 trainings"
    ):
        compared(shifted, budget_s=0)

    def stop(text: str) -> None:
        if text.startswith("every window, all rows: window 2024-01-05"):
            raise KeyboardInterrupt

    tables = {
        name: connected(shifted).lake.snapshot(name).version for name in connected(shifted).lake.tables()
    }
    with pytest.raises(KeyboardInterrupt):
        compared(shifted, stop)
    cut = compared(shifted, budget_s=0)
    assert cut.cut == ("every window, all rows", "every window, newest 8")
    assert "Cut by the budget of 0 CPU seconds: every window, all rows; every window" in " ".join(
        caveats(cut)
    )
    found = compared(shifted)
    assert found.n_kept > 0
    again = compared(shifted, budget_s=0)
    # All is kept, and nothing is left that the budget could cut.
    assert (again.n_trained, again.cut) == (0, ())
    assert again.n_kept == found.n_kept + found.n_trained
    for one, other in zip(found.advice.compared, again.advice.compared, strict=True):
        assert (one.line.name, one.outcome.trained_in) == (other.line.name, other.outcome.trained_in)
        assert one.outcome.loss.tolist() == other.outcome.loss.tolist()
        assert one.outcome.cpu_s == other.outcome.cpu_s
    assert found.live == tuple(f"2024-01-0{day}" for day in range(2, 8))
    assert found.past.n_sampled == 0
    assert {"tiny/predictions", "tiny/training_set", "tiny/labels"} < {
        one.split("@")[0] for one in found.past.reads
    }
    # What is declared asks as the history itself did: once, on the day of the shift.
    names = found.past.history.names
    assert [names[window] for window in found.declared.trained_in] == ["2024-01-06"]
    assert found.reality.trained == ("2024-01-01", "2024-01-06")
    realised = found.reality.mean(found.live)
    assert realised is not None
    assert abs(found.declared.mean_metric - realised) < 0.03
    # And nothing was written.
    assert tables == {name: connected(shifted).lake.snapshot(name).version for name in tables}


@pytest.mark.long
def test_a_comparison_is_printed_and_documents_every_value(shifted: Path) -> None:
    found = compared(shifted, rows=300)
    plain = comparison_as_plain(found, "", "backtest.html")
    assert undocumented(plain, COMPARE_KEYS) == set()
    output = StringIO()
    print_comparison(found, "", Console(file=output, width=150))
    printed = output.getvalue()
    for part in (
        "as declared",
        "never",
        "recalibrate only",
        "keep the declaration",
        "Read: tiny/predictions@",
    ):
        assert part in printed
    assert "A sample of 300 rows stands for 7 of 7 windows, 75% of all rows" in printed.replace("\n", " ")


def test_a_history_without_labels_or_trainings_or_target_is_refused(shifted: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BacktestError, match=r"has no labels in the lake yet. Run `driftline replay tiny` first"
    ):
        compared(tmp_path)
    pipeline = tiny_pipeline(shifted)
    watched = replace(pipeline, spec=pipeline.spec.model_copy(update={"target": None}))
    with pytest.raises(BacktestError, match="has no target: nothing is ever trained for it"):
        compare(watched, connected(shifted), tmp_path, rows=300, budget_s=9, progress=lambda _: None)
    with pytest.raises(BacktestError, match=r"--rows 100 is below drift.min_rows, 200"):
        compare(pipeline, connected(shifted), tmp_path, rows=100, budget_s=9, progress=lambda _: None)
    dear = pipeline.spec.model_copy(update={"retrain": RetrainSpec(min_first_labels=1400)})
    with pytest.raises(
        BacktestError, match=r"3 windows with labels after the first training as of 2024-01-04; at least 5"
    ):
        compare(
            replace(pipeline, spec=dear),
            connected(shifted),
            tmp_path,
            rows=300,
            budget_s=9,
            progress=lambda _: None,
        )


def test_without_reports_there_is_nothing_to_decide_anew(tmp_path: Path) -> None:
    with pytest.raises(RedecisionError, match=r"no drift reports yet. Run `driftline replay tiny`"):
        list(backtest(tiny_pipeline(tmp_path), connected(tmp_path)))


KINDS = {"feature_drift", "prediction_drift", "performance"}
DRIFTED = {(kind, "2024-01-07") for kind in KINDS}


@pytest.mark.parametrize(("now", "expected"), [(datetime(2024, 1, 8, 12, tzinfo=UTC), DRIFTED), (NOW, set())])
def test_what_a_replay_found_is_told_only_if_it_stands_at_present(
    shifted: Path, tmp_path: Path, now: datetime, expected: set[tuple[str, str]]
) -> None:
    home = Path(shutil.copytree(shifted, tmp_path / "home"))
    with replaying(home) as replay:
        resources = {"lake": replay.connections.lake, "channels": replay.connections.channels}
        for _ in range(2):
            with dg.build_sensor_context(instance=replay.instance, resources=resources) as context:
                alert_sensor([replay.pipeline], clock=lambda: now)(context)
        told = [delivery.alert for delivery in read_outbox(replay.connections.lake, "tiny")]
        standing = read_incidents(replay.connections.lake, "tiny").incidents.firing
    assert {one.kind for one in standing} == KINDS
    assert {(one.kind, one.partition) for one in told} == expected
    assert len(told) == len(expected)


def test_a_replay_that_is_done_does_nothing(shifted: Path) -> None:
    with replaying(shifted) as replay:
        before = replay.instance.get_runs_count()
    replay_days(shifted)
    with replaying(shifted) as replay:
        assert replay.instance.get_runs_count() == before


def test_a_replay_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    replay_days(tmp_path, n_days=1)
    with replaying(tmp_path) as replay:
        days = replay.partitions(None, last_key(replay, 3), NOW)
        assert not replay.refresh(days[0])
        assert replay.refresh(days[1])


def test_a_retrain_that_was_interrupted_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sources(tmp_path, n_days=2)
    with replaying(tmp_path) as replay:
        day = replay.partitions(None, None, NOW)[0]
        replay.read_reference_tables()
        replay.refresh(day)
        with monkeypatch.context() as patched:
            patched.setattr(Replay, "execute", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                replay.retrain_as_asked()
        assert replay.retrain_as_asked().n_made == 1
        assert replay.retrain_as_asked().n_made == 0


def test_a_training_that_only_waited_is_no_retrain(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=2)
    pipeline, told = tiny_pipeline(tmp_path), StringIO()
    never = pipeline.spec.learned.model_copy(update={"label": "failed AND heat > 1e9"})
    pipeline = replace(pipeline, spec=pipeline.spec.model_copy(update={"target": never}))
    with replaying_pipeline(pipeline, tmp_path) as replay:
        days = replay.partitions(None, None, NOW)[:1]
        assert walk(replay, days, Console(file=told, width=150)) == 0
    assert f"{days[0].key}  refreshed, 1 training waits for labels" in told.getvalue()


@pytest.mark.parametrize(
    ("came_to", "note"),
    [
        (Retrains(), ""),
        (Retrains(1), "1 retrain"),
        (Retrains(2), "2 retrains"),
        (Retrains(0, 1), "1 training waits for labels"),
        (Retrains(1, 2), "1 retrain, 2 trainings wait for labels"),
    ],
)
def test_what_was_asked_for_is_told_in_numbers(came_to: Retrains, note: str) -> None:
    assert came_to.note == note


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.long
def test_a_retrain_that_failed_or_was_killed_is_made_by_the_next_replay(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=2)
    with replaying(tmp_path) as replay:
        day = replay.partitions(None, None, NOW)[0]
        replay.read_reference_tables()
        replay.refresh(day)
        labels = tmp_path / "lake" / "tiny" / "labels" / "_delta_log"
        labels.rename(tmp_path / "hidden")
        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises(ReplayError, match="failed at tiny__training_set"):
                replay.retrain_as_asked()
        (tmp_path / "hidden").rename(labels)
        # A person waits: however often it failed, the next replay makes it, and once.
        assert replay.retrain_as_asked().n_made == 1
        assert replay.retrain_as_asked().n_made == 0
        runs = [run for run in replay.instance.get_runs() if REPORT_TAG in run.tags]
    failed = [dg.DagsterRunStatus.FAILURE] * (MAX_ATTEMPTS + 1)
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS, *failed]


def test_runs_of_a_killed_replay_are_marked_as_failed(tmp_path: Path) -> None:
    with replaying(tmp_path) as replay:
        tags = {"driftline/pipeline": "tiny", REPLAY_TAG: "true"}
        run = dg.DagsterRun(job_name="__ASSET_JOB", tags=tags, status=dg.DagsterRunStatus.STARTED)
        replay.instance.add_run(run)
        assert fail_abandoned_runs(replay.instance, "tiny") == 1
        found = replay.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE


def test_a_failing_stage_says_where_and_why(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    (tmp_path / "readings.csv").unlink()
    with replaying(tmp_path) as replay:
        day = replay.partitions(None, None, NOW)[0]
        with pytest.raises(ReplayError, match=r"failed at tiny__raw__raw_readings.*\n.*no such file"):
            replay.refresh(day)


def test_an_unknown_partition_is_refused(tmp_path: Path) -> None:
    with (
        replaying(tmp_path) as replay,
        pytest.raises(ReplayError, match=r"'2024-13-01' is not one of tiny's"),
    ):
        replay.partitions("2024-13-01", None, NOW)


def test_two_replays_of_one_pipeline_do_not_run_at_once(tmp_path: Path) -> None:
    with (
        only_replay(tmp_path, "tiny"),
        pytest.raises(ReplayError, match="another replay of 'tiny' is running"),
        only_replay(tmp_path, "tiny"),
    ):
        pass


def test_another_pipeline_may_run_beside(tmp_path: Path) -> None:
    with only_replay(tmp_path, "tiny"), only_replay(tmp_path, "other"):
        assert (tmp_path / "replay-other.lock").exists()
