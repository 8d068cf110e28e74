"""The profile `server` on a real Postgres: a month of flights, with the run's process killed once."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from sqlalchemy import NullPool, create_engine, text

from benchmarks.online_servers import PostgresServer, free_port
from declaration.rooms import HOUSE
from resources.lake.lake import Lake

PIPELINE = "flight_delays"
MONTH = "2013-01-01"
NEXT_MONTH = "2013-02-01"
AWAY_S = 9.0
DEADLINE_S = 300.0

pytestmark = pytest.mark.long

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
RUNS = """
query Runs($tag: [ExecutionTag!]) {
  runsOrError(filter: {tags: $tag}) { ... on Runs { results { runId status parentRunId } } }
}
"""
EVENTS = """
query Events($runId: ID!) {
  logsForRun(runId: $runId) {
    ... on EventConnection { events { __typename ... on MessageEvent { message stepKey } } }
  }
}
"""


@pytest.fixture(scope="module")
def postgres_url(mortal_postgres: PostgresServer) -> str:
    return f"postgresql+psycopg2://postgres:@/postgres?host={mortal_postgres.settings['host']}"


class WebServer:
    """The web server of a running `make dev`, asked through GraphQL."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        body: dict[str, object] = answer.json()
        assert "errors" not in body, body["errors"]
        found = body["data"]
        assert isinstance(found, dict)
        return found

    def launch(self, assets: list[list[str]], partition: str | None, mark: str) -> str:
        tags = [{"key": "test/mark", "value": mark}, {"key": "driftline/pipeline", "value": PIPELINE}]
        if partition:
            tags.append({"key": "dagster/partition", "value": partition})
        params = {
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "driftline",
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": path} for path in assets],
                "assetCheckSelection": None,
            },
            "runConfigData": {},
            "executionMetadata": {"tags": tags},
        }
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched  # type: ignore[index]
        return str(launched["run"]["runId"])  # type: ignore[index]

    def runs(self, mark: str) -> list[dict[str, str]]:
        found = self.ask(RUNS, tag=[{"key": "test/mark", "value": mark}])
        return found["runsOrError"]["results"]  # type: ignore[index,no-any-return]

    def messages(self, run_id: str) -> list[dict[str, str]]:
        found = self.ask(EVENTS, runId=run_id)
        return found["logsForRun"]["events"]  # type: ignore[index,no-any-return]


def until(what: str, found: object, *, deadline_s: float = DEADLINE_S) -> object:
    """Ask again until there is an answer; a condition, not a sleep of a guessed length."""
    assert callable(found)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.25)
    pytest.fail(f"{what}: not within {deadline_s:.0f} s")


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebServer, Path]]:
    home = tmp_path_factory.mktemp("server")
    port = free_port()
    environment = {
        **os.environ,
        "DRIFTLINE_PROFILE": "server",
        "DRIFTLINE_POSTGRES_URL": postgres_url,
        "DRIFTLINE_HOME": str(home),
    }
    log = (home / "dev.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "driftline", "dev", "--port", str(port)],
        env=environment, cwd=HOUSE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    web = WebServer(port)

    def is_up() -> bool:
        assert process.poll() is None, (home / "dev.log").read_text()[-3000:]
        try:
            return "driftline" in json.dumps(
                web.ask("{repositoriesOrError{...on RepositoryConnection{nodes{location{name}}}}}")
            )
        except httpx.HTTPError:
            return False

    try:
        until("the web server and its code location", is_up)
        yield web, home
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)
        log.close()


def assets_of(*, is_partitioned: bool) -> list[list[str]]:
    from pipelines.loading.declared import find_pipeline
    from pipelines.triggers.run_requests import reference_selection, refresh_selection

    pipeline = find_pipeline(PIPELINE)
    keys = refresh_selection(pipeline) if is_partitioned else reference_selection(pipeline)
    return [list(key.path) for key in keys]


def finished(web: WebServer, mark: str) -> list[dict[str, str]]:
    """Return the runs of a mark once the newest succeeded; a failure with no retry left fails the test."""
    runs = web.runs(mark)
    return runs if any(run["status"] == "SUCCESS" for run in runs) else []


@pytest.fixture(scope="module")
def materialized(server: tuple[WebServer, Path]) -> tuple[WebServer, Path, list[dict[str, str]]]:
    web, home = server
    web.launch(assets_of(is_partitioned=False), None, "reference")
    until("the reference tables", lambda: finished(web, "reference"))
    run_id = web.launch(assets_of(is_partitioned=True), MONTH, "month")

    def worker() -> int | None:
        """Find the run's process once it is half way: some steps done, some not."""
        events = web.messages(run_id)
        if not any(event["__typename"] == "ExecutionStepSuccessEvent" for event in events):
            return None
        pids = [re.search(r"\(pid: (\d+)\)", event.get("message") or "") for event in events]
        return next((int(found.group(1)) for found in pids if found), None)

    pid = until("a step of the month's run", worker)
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    return web, home, until("the retried run", lambda: finished(web, "month"))  # type: ignore[return-value]


def test_a_killed_run_is_retried_to_the_end(
    materialized: tuple[WebServer, Path, list[dict[str, str]]],
) -> None:
    _, _, runs = materialized
    assert sorted(run["status"] for run in runs) == ["FAILURE", "SUCCESS"]
    retried = next(run for run in runs if run["status"] == "SUCCESS")
    killed = next(run for run in runs if run["status"] == "FAILURE")
    assert retried["parentRunId"] == killed["runId"]


def tables_of(home: Path) -> Mapping[str, pa.Table]:
    """Read every table whose content does not depend on the clock, in a row order of its own."""
    lake = Lake(root=str(home / "lake"))
    stages = ("raw", "profiled", "quarantine", "features", "labels")
    root = home / "lake" / PIPELINE
    names = [str(log.parent.relative_to(home / "lake")) for log in root.rglob("_delta_log")]
    kept = sorted(name for name in names if name.split("/")[1] in stages)
    assert len(kept) > 10, names
    return {name: _sorted(lake.read(name)) for name in kept}


def _sorted(table: pa.Table) -> pa.Table:
    keys = [(n, "ascending") for n in table.column_names if not pa.types.is_list(table.schema.field(n).type)]
    return table.sort_by(keys).combine_chunks()


def test_the_tables_equal_those_of_the_default_profile(
    materialized: tuple[WebServer, Path, list[dict[str, str]]], tmp_path: Path
) -> None:
    _, home, _ = materialized
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "DAGSTER_"))}
    environment["DRIFTLINE_HOME"] = str(tmp_path)
    subprocess.run(
        [sys.executable, "-m", "driftline", "replay", PIPELINE, "--to", MONTH],
        env=environment, cwd=HOUSE, check=True, timeout=DEADLINE_S, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    on_server, on_default = tables_of(home), tables_of(tmp_path)
    assert on_server.keys() == on_default.keys()
    for name, table in on_server.items():
        assert table.equals(on_default[name]), name


def test_a_database_that_is_away_for_nine_seconds_costs_no_run(
    materialized: tuple[WebServer, Path, list[dict[str, str]]], mortal_postgres: PostgresServer
) -> None:
    web, _, _ = materialized
    run_id = web.launch(assets_of(is_partitioned=True), NEXT_MONTH, "lost")

    def has_begun() -> bool:
        events = web.messages(run_id)
        return any(event["__typename"] == "ExecutionStepSuccessEvent" for event in events)

    until("a step of the run", has_begun)
    mortal_postgres.kill()
    time.sleep(AWAY_S)
    mortal_postgres.start()
    # The next launch is answered, by a web server whose connections were lost.
    web.launch(assets_of(is_partitioned=False), None, "after")
    until("the run that lost its database", lambda: finished(web, "lost"))
    until("the run that was launched after it", lambda: finished(web, "after"))
    assert [run["status"] for run in web.runs("after")] == ["SUCCESS"]


def test_models_are_in_the_profiles_postgres(
    materialized: tuple[WebServer, Path, list[dict[str, str]]], postgres_url: str
) -> None:
    _, home, _ = materialized
    with create_engine(postgres_url, poolclass=NullPool).connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM mlflow.alembic_version")).scalar()
    assert found == 1
    assert not (home / "mlflow" / "mlflow.db").exists()
