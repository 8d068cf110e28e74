"""Feast's own commands over our registry: plan, apply, list, serve and ui agree with what the assets registered."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.rooms import HOUSE
from pipelines.loading.read import read
from resources.connections import Connections, connect
from resources.deployment import deployment
from resources.feature_store.objects import applied_mark, fingerprint, stored_views
from tests.fixtures.stages import connected

NAME = "flight_delays"
FOLDER = HOUSE / "feature_repo"
PARTITION = "2013-01-01"
REGISTERED = ("feature_views", "data_sources", "entities")
"""Tables of Feast's registry that hold objects; each apply notes its instant with the project."""

DEADLINE_S = 120
"""How long a server may take to begin on a busy machine; nobody waits for it in vain."""

pytestmark = [pytest.mark.slow, pytest.mark.long]


@dataclass(frozen=True)
class Installed:
    """Two views with rows, registered and loaded online as the assets do it."""

    home: Path
    pipeline: Pipeline
    connections: Connections
    last: datetime

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "DRIFTLINE_HOME": str(self.home), "DRIFTLINE_PIPELINE": NAME}

    def feast(self, *words: str) -> str:
        """Run one of Feast's commands; return what it prints."""
        done = subprocess.run(
            command(*words), env=self.environment, cwd=HOUSE, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def registry(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the registry that holds an object, with its instants."""
        connection = sqlite3.connect(self.home / "feast" / "registry.db")
        found = {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in REGISTERED
        }
        connection.close()
        return found


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from feast.cli.cli import cli; cli()", "-c", str(FOLDER), *words]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("feast")
    connections = connected(home)
    pipeline = read(HOUSE / "pipelines" / "defs" / NAME)
    month = partitioning(pipeline.spec.partitions).window(PARTITION)
    last = month.end - timedelta(hours=1)
    instants = pa.array([last] * 3, pa.timestamp("us", tz="UTC"))
    weather = pa.table(
        {
            "origin": ["EWR", "JFK", "LGA"],
            "event_timestamp": instants,
            "temperature": [1.5, None, -40.25],
            "observations": pa.array([3, 0, 2**40], pa.int64()),
            "is_raining": [True, False, None],
        }
    )
    here = pa.table(
        {"carrier": ["AA", "AA", "B6"], "origin": ["EWR", "JFK", "JFK"], "event_timestamp": instants, "late": [0.1, 0.2, 0.3]}
    )  # fmt: skip
    for view, rows in {"airport_weather": weather, "carrier_at_airport": here}.items():
        connections.lake.write(pipeline.table("features", view), rows, partition=PARTITION)
    connections.feature_store.apply(pipeline, connections.lake)
    for view in ("airport_weather", "carrier_at_airport"):
        connections.feature_store.load_online(pipeline, view, month, connections.lake)
    return Installed(home, pipeline, connections, last)


def test_plan_after_our_apply_and_loading_has_nothing_to_do(installed: Installed) -> None:
    planned = installed.feast("plan")
    assert "No changes to registry" in planned
    assert "No changes to infrastructure" in planned


def test_apply_leaves_the_registry_as_it_is(installed: Installed) -> None:
    before = installed.registry()
    assert [len(rows) for rows in before.values()] == [2, 2, 3]
    installed.feast("apply")
    assert installed.registry() == before
    # And we find nothing to do after it: the mark is still there, and so are the ranges loaded.
    connections, pipeline = installed.connections, installed.pipeline
    assert connections.feature_store.planned(pipeline, connections.lake) == ()
    store = connections.feature_store._store(NAME)
    store.refresh_registry()
    assert store.get_project(NAME).description == pipeline.spec.description
    assert applied_mark(store) == fingerprint(pipeline.spec, stored_views(pipeline, connections.lake))
    assert [len(found) for found in connections.feature_store.loaded_ranges(NAME).values()] == [1, 1]


def test_apply_registers_what_a_lost_registry_held(installed: Installed, tmp_path: Path) -> None:
    """Feast's apply alone gives the objects that ours gives: only the ranges loaded are not known any more."""
    alone = Installed(tmp_path, installed.pipeline, installed.connections, installed.last)
    (tmp_path / "feast").mkdir()
    (tmp_path / "lake").symlink_to(installed.home / "lake")
    planned = alone.feast("plan")
    assert "Created feature view" in planned
    alone.feast("apply")
    assert "No changes to registry" in alone.feast("plan")
    found = connect(deployment({"DRIFTLINE_HOME": str(tmp_path)}))
    assert found.feature_store.loaded_ranges(NAME) == {"airport_weather": [], "carrier_at_airport": []}


def test_list_names_our_views_and_their_keys(installed: Installed) -> None:
    lines = installed.feast("feature-views", "list").splitlines()
    rows = {line.split()[0]: line for line in lines[1:] if line.strip()}
    assert sorted(rows) == ["airport_weather", "carrier_at_airport"]
    assert "'carrier'" in rows["carrier_at_airport"]
    assert "AVAILABLE_ONLINE" in rows["airport_weather"]


@pytest.mark.server
def test_serve_answers_what_read_online_answers(installed: Installed) -> None:
    connections, pipeline = installed.connections, installed.pipeline
    keys = [{"origin": origin} for origin in ("JFK", "EWR", "nowhere", "LGA", "JFK")]
    now = installed.last + timedelta(hours=1)
    ours = connections.feature_store.read_online(pipeline, "airport_weather", keys, now)
    names = list(ours[0].values)
    asked = {
        "features": [f"airport_weather:{name}" for name in names],
        "entities": {"origin": [key["origin"] for key in keys]},
    }
    with running(installed, "serve", "--workers", "1", "--no-access-log") as url:
        answer = httpx.post(f"{url}/get-online-features", json=asked, timeout=DEADLINE_S).json()
    given = answer["metadata"]["feature_names"]
    theirs = {name: answer["results"][given.index(name)] for name in names}
    for name in names:
        assert theirs[name]["values"] == [one.values[name] for one in ours], name
        # Feast's server calls a null that is stored present.
        expected = ["NOT_FOUND" if one.status[name] == "not_found" else "PRESENT" for one in ours]
        assert theirs[name]["statuses"] == expected, name


@pytest.mark.server
def test_ui_serves_the_registry(installed: Installed) -> None:
    spec = installed.pipeline.spec
    with running(installed, "ui") as url:
        assert '<div id="root">' in httpx.get(f"{url}/p/{NAME}", timeout=DEADLINE_S).text
        (project,) = httpx.get(f"{url}/projects-list.json", timeout=DEADLINE_S).json()["projects"]
        listed = httpx.get(f"{url}/api/v1/feature_views", params={"project": NAME}, timeout=DEADLINE_S).json()
        sources = httpx.get(f"{url}/api/v1/data_sources", params={"project": NAME}, timeout=DEADLINE_S).json()
    assert (project["id"], project["description"]) == (NAME, spec.description)
    views = {view["spec"]["name"]: view for view in listed["featureViews"]}
    assert sorted(views) == ["airport_weather", "carrier_at_airport"]
    shown = views["airport_weather"]["spec"]
    assert shown["description"] == spec.features["airport_weather"].description
    assert shown["owner"] == "team:network-ops"
    assert {field["name"] for field in shown["features"]} == {"temperature", "observations", "is_raining"}
    assert len(views["airport_weather"]["meta"]["materializationIntervals"]) == 1
    said = {source["name"]: source["description"] for source in sources["dataSources"]}
    assert (
        said["airport_weather_rows"]
        == "Rows of the feature view airport_weather in the lake, all partitions."
    )


@contextmanager
def running(installed: Installed, *words: str) -> Iterator[str]:
    """Run one of Feast's servers on a free port of this machine, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = installed.home / f"{words[0]}.log"
    with log.open("w") as handle:
        server = subprocess.Popen(
            command(*words, "--host", "127.0.0.1", "--port", str(port)),
            env=installed.environment, cwd=HOUSE, stdout=handle, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + DEADLINE_S
        while not _is_healthy(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=DEADLINE_S)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
