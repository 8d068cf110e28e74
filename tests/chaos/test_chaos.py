"""At least a hundred seeded kills and races over replay, runs and daemon: nothing is lost, nothing is there twice.

`make chaos` runs them all and prints what was killed where; `make chaos SEED=7` runs one seed alone.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.chaos import counting, world
from tests.chaos.killing import Child, Kill, fork
from tests.chaos.warm import warm

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

N_KILLS, N_KILLS_A_REFRESH = 8, 2
"""Kills of a replay, and of each partition's run, before they are left to end in peace."""

SEEDS = [int(os.environ["CHAOS_SEED"])] if os.environ.get("CHAOS_SEED") else list(range(1, 8))

MOST = (450, 35)
"""Places of a kill, and those of them at commits: about a day's work, so that each resumed replay comes a little further."""

MOST_OF_A_TICK, MOST_OF_ALERTS = (190, 8), (40, 4)
"""The same of a look of the drift sensor, with its retrain, and of the alert sensor."""

MAX_DELAY_S = 0.05


@dataclass
class Trial:
    """One home, and the dice that decide what happens to it."""

    home: Path
    dice: random.Random
    counts: Counter[str]
    node: pytest.Item

    def child(self, function: Callable[..., object], *arguments: object, kill: Kill | None = None) -> Child:
        """Fork a child on the home."""
        return fork(self.home.with_name("logs"), function, self.home, *arguments, kill=kill)

    def killed(
        self, function: Callable[..., object], *arguments: object, most: tuple[int, int] = MOST
    ) -> None:
        """Run a child that is to die at a place of the dice, unless it has ended before."""
        only_commits = self.dice.random() < 0.5
        n = self.dice.randint(1, most[only_commits])
        kill = Kill(n, only_commits, self.dice.choice([0.0, self.dice.uniform(0, MAX_DELAY_S)]))
        child = self.child(function, *arguments, kill=kill)
        child.end(may_be_killed=True)
        if child.answer.exists():
            self.counts["ended first"] += 1
        else:
            self.counts["kills"] += 1
            self.counts[f"at {child.killed_at.read_text()}"] += 1

    def raced(self, *functions: Callable[..., object], arguments: tuple[object, ...] = ()) -> None:
        """Run children that begin at the same instant."""
        together = multiprocessing.get_context("fork").Barrier(len(functions))
        children = [self.child(_begun_together, together, one, arguments) for one in functions]
        try:
            for child in children:
                child.end()
        finally:
            for child in children:
                child.stop()
        self.counts["races"] += 1


def _begun_together(
    home: Path, together: Barrier, function: Callable[..., object], arguments: tuple[object, ...]
) -> object:
    together.wait()
    return function(home, *arguments)


@pytest.fixture
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    """Make a home for the seed that the test was given."""
    warm()
    name = request.node.originalname
    made = Trial(tmp_path / "home", random.Random(f"{name} {request.param}"), Counter(), request.node)
    made.child(world.make).end()
    yield made
    shutil.rmtree(made.home)


def in_peace(trial: Trial, *, is_live: bool) -> None:
    """Let two alert sensors tell at once, and count."""
    trial.raced(world.alert, world.alert)
    faults, trial.counts["leftovers"] = trial.child(counting.counted, is_live).end()
    trial.node.user_properties.append(("chaos", dict(trial.counts)))
    assert faults == []


@pytest.mark.parametrize("trial", SEEDS, indirect=True)
def test_a_replay_that_is_killed_again_and_again_loses_nothing(trial: Trial) -> None:
    for _ in range(N_KILLS):
        trial.killed(world.replay)
    trial.child(world.replay).end()
    in_peace(trial, is_live=False)


@pytest.mark.parametrize("trial", SEEDS, indirect=True)
def test_the_daemon_that_is_killed_again_and_again_loses_nothing(trial: Trial) -> None:
    trial.child(world.references).end()
    for day in range(world.N_DAYS):
        # A refresh that is killed is run again, as Dagster does.
        for _ in range(N_KILLS_A_REFRESH):
            trial.killed(world.refresh, day)
        trial.child(world.refresh, day).end()
        trial.killed(world.alert, most=MOST_OF_ALERTS)
        trial.killed(world.daemon_tick, most=MOST_OF_A_TICK)
        for _ in range(5):
            if trial.child(world.daemon_tick).end() == 0:
                break
        else:
            pytest.fail("the daemon asks for ever")
    in_peace(trial, is_live=True)


@pytest.mark.parametrize("trial", SEEDS[:3], indirect=True)
def test_two_and_more_at_once_follow_each_other(trial: Trial) -> None:
    trial.raced(*[world.references] * trial.dice.choice([2, 4]))
    for day in range(world.N_DAYS):
        n_runs = trial.dice.choice([2, 3])
        trial.raced(*[world.refresh] * n_runs, arguments=(day,))
        trial.child(world.daemon_tick).end()
    trial.child(world.replay).end()
    in_peace(trial, is_live=True)
