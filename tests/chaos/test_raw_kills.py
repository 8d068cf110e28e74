"""Kills of the raw stage, a hundred for each type of source: every rerun and backfill gives the rows of an undisturbed run."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from charts import bars
from tests.chaos import raw_worlds
from tests.chaos.killing import Kill, counted_events, fork
from tests.fixtures.apis import Answer, Asking, serving

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

N_KILLS = int(os.environ.get("RAW_KILLS", "100"))
"""Kills of each type of source."""

MOST_DELAY_S, LEAST_PLACES = 0.02, 3

LATE = (
    "deltalake",
    "duckdb",
    "fsspec",
    "pyarrow.parquet",
    "sqlglot.optimizer",
    "dlt.sources.helpers.rest_client",
    "fastavro",
    "pyiceberg.table",
    "sources.apis.reading",
    "sources.databases.sqlite_file",
)


def _serve(folder: Path, told: multiprocessing.Queue[str]) -> None:
    """Answer with the rows between two instants; the file says which there are."""

    def answer(asking: Asking) -> Answer:
        listed = json.loads((folder / "api.json").read_text())
        since, until = (asking.params[key].replace("Z", "+00:00") for key in ("since", "until"))
        return Answer([row for row in listed if since <= row["at"] < until])

    with serving(answer) as api:
        told.put(api.url)
        multiprocessing.Event().wait()


@pytest.fixture
def api_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Serve the API from a process of its own, where there is one: threads do not survive a fork."""
    if request.node.callspec.params["world"] != "rest":
        yield ""
        return
    context = multiprocessing.get_context("fork")
    told: multiprocessing.Queue[str] = context.Queue()
    server = context.Process(target=_serve, args=(tmp_path / "home" / "source", told), daemon=True)
    server.start()
    try:
        yield told.get(timeout=30)
    finally:
        server.kill()
        server.join()


@pytest.mark.parametrize("world", raw_worlds.WORLDS)
def test_kills_change_no_row(
    world: str, api_url: str, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    for name in LATE:
        import_module(name)
    # Its template is compiled once, and not by each child.
    bars([("a", 1.0)], title="", unit="")
    dice, home, logs = random.Random(f"raw {world}"), tmp_path / "home", tmp_path / "logs"
    counts: Counter[str] = Counter()
    datasets = raw_worlds.datasets_of(world, api_url)
    slots = [(dataset, day) for dataset in datasets for day in range(3 if dataset == "orders" else 1)]

    def child(function: object, *arguments: object, kill: Kill | None = None) -> object:
        running = fork(logs, function, home, world, *arguments, kill=kill)  # type: ignore[arg-type]
        answer = running.end(may_be_killed=kill is not None)
        if kill is not None:
            counts["ended first" if running.answer.exists() else "kills"] += 1
        for leftover in (running.answer, running.log, running.killed_at):
            leftover.unlink(missing_ok=True)
        return answer

    child(raw_worlds.put, 0)
    most = child(_n_events, api_url, *slots[0])
    assert isinstance(most, int)
    shutil.rmtree(home / "lake")
    places, n_kills = most, 0
    for state in (0, 1):
        if state:
            child(raw_worlds.put, state)
        dice.shuffle(slots)
        for number, (dataset, day) in enumerate(slots):
            due = N_KILLS * (state * len(slots) + number + 1) // (2 * len(slots))
            while counts["kills"] < due:
                delay, before = dice.choice([0.0, dice.uniform(0, MOST_DELAY_S)]), counts["kills"]
                child(
                    raw_worlds.read, api_url, dataset, day, kill=Kill(dice.randint(1, places), after_s=delay)
                )
                # A run may have less to do than the first of all, and end before it can die.
                places = (
                    min(most, places + 1) if counts["kills"] > before else max(LEAST_PLACES, places * 3 // 4)
                )
            child(raw_worlds.read, api_url, dataset, day)
        n_kills = counts["kills"]
        # A backfill of any window changes nothing.
        dataset, day = dice.choice(slots)
        child(raw_worlds.read, api_url, dataset, day)
        # What killed reads left is removed by the next that needs scratch; a whole table that has not changed needs none.
        child(
            raw_worlds.read,
            api_url,
            "orders",
            dice.choice([day for dataset, day in slots if dataset == "orders"]),
        )
        for dataset in datasets:
            assert child(raw_worlds.faults, state, dataset) == []
    record_property("chaos", dict(counts))
    assert n_kills >= N_KILLS


def _n_events(home: Path, world: str, url: str, dataset: str, day: int) -> int:
    return counted_events(raw_worlds.read, home, world, url, dataset, day)
