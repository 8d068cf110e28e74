"""A person lets an earlier model serve again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from assets.materialization import StageRun
from assets.model.asset import materialize_model
from driftline.cli import FAULT, main
from driftline.model.restore import RollbackError, roll_back_to
from resources.connections import Connections
from resources.model_registry.ledger import Decision, read_ledger
from tests.fixtures.training_world import World, training_table

NOW = datetime(2024, 3, 5, tzinfo=UTC)
Roll = Callable[..., Decision]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two versions, of which the second serves."""
    made = World(str(tmp_path))
    pipeline = made.pipeline("flights")
    rows = []
    for key, month in (("2024-01-01", 1), ("2024-02-01", 2)):
        # In January the signal said the opposite.
        strength = 2.0 if month == 2 else -2.0
        start = datetime(2024, month, 1, tzinfo=UTC)
        rows.append(training_table(900, days=28, start=start, seed=month, strength=strength))
        made.write_training_set(pipeline, key, pa.concat_tables(rows))
        scope = made.scope(pipeline, key)
        materialize_model(StageRun(pipeline, scope, made.lake, made.engine), registry=made.registry)
    assert made.registry.aliases("flights")["champion"] == 2
    return made


@pytest.fixture
def roll(world: World) -> Roll:
    def to(version: int | None = None, *, pipeline: str = "flights") -> Decision:
        return roll_back_to(
            pipeline,
            cast(Connections, world),
            version=version,
            reason="June was wrong",
            actor="eva",
            clock=NOW,
        )

    return to


def test_the_champion_before_serves_and_the_ledger_says_who_and_why(world: World, roll: Roll) -> None:
    decision = roll()
    assert (decision.champion_before, decision.champion_after) == (2, 1)
    newest = read_ledger(world.lake, "flights")[-1]
    assert (newest.actor, newest.action, newest.reason) == ("eva", "rolled back", "June was wrong")
    assert newest.instant == NOW
    assert world.registry.aliases("flights") == {"champion": 1, "previous": 2}
    # And back again, by its number.
    assert roll(2).champion_after == 2
    assert world.registry.aliases("flights")["champion"] == 2


def test_what_cannot_be_is_said_with_its_repair(world: World, roll: Roll) -> None:
    with pytest.raises(RollbackError, match="version 2 of 'flights' serves already"):
        roll(2)
    with pytest.raises(RollbackError, match=r"version 9 .* never judged.*knows: 1, 2"):
        roll(9)
    with pytest.raises(RollbackError, match="'nobody' has no ledger"):
        roll(pipeline="nobody")
    assert [one.action for one in read_ledger(world.lake, "flights")] == ["promoted", "promoted"]


def test_a_version_whose_file_was_changed_does_not_serve(world: World, roll: Roll, tmp_path: Path) -> None:
    file = min((tmp_path / "models").rglob("model.zip"), key=lambda path: path.stat().st_mtime_ns)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(Exception, match="is not loaded"):
        roll()
    assert world.registry.aliases("flights")["champion"] == 2


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    assert main(["model", "rollback", "flights", "--reason", "a try"]) == FAULT
    assert "has no ledger" in capsys.readouterr().err
