"""A person moves a version: promoted, archived, rolled back; each a row of the ledger, and the aliases after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.materialization import StageRun
from assets.model.asset import materialize_model
from declaration.model import GateSpec
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import GATE, Decision, aliases_after, read_ledger, trusted_sha256
from resources.model_registry.moves import MoveError, Mover
from resources.model_registry.registry import ModelRegistryError
from resources.model_registry.stages import archived_versions, stages_after
from tests.fixtures.training_world import World, training_table

NOW = datetime(2024, 3, 5, tzinfo=UTC)
Move = Callable[..., Mover]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two versions, of which the second serves."""
    made = World(str(tmp_path))
    pipeline = made.pipeline("flights", gate=GateSpec())
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
def mover(world: World) -> Move:
    def of(
        *, pipeline: str = "flights", actor: str = "eva", reason: str = "June was wrong", at: datetime = NOW
    ) -> Mover:
        return Mover(world.lake, world.registry, pipeline, actor=actor, reason=reason, clock=at)

    return of


def judge(world: World, version: int, **report: object) -> None:
    """Let the gate keep the champion, with some words, about a version of before."""

    def decide(before: Sequence[Decision]) -> Decision:
        champion = aliases_after(before)["champion"]
        return Decision(
            instant=NOW, partition="2024-02-01", actor=GATE, action="kept", version=version,
            champion_before=champion, champion_after=champion, reason="schedule", gate_report=json.dumps(report),
            run_id="", artifact_sha256=trusted_sha256(before, version), decision_key=f"test/{version}/{report}",
        )  # fmt: skip

    enact(world.lake, world.registry, "flights", decide, commit={})


def never_served(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """Tell the same story, with a first version that the gate kept out."""
    kept = replace(decisions[0], action="kept", champion_after=None)
    return (kept, replace(decisions[1], champion_before=None))


def test_the_champion_before_serves_and_the_ledger_says_who_and_why(world: World, mover: Move) -> None:
    decision = mover().roll_back()
    assert (decision.champion_before, decision.champion_after) == (2, 1)
    newest = read_ledger(world.lake, "flights")[-1]
    assert (newest.actor, newest.action, newest.reason) == ("eva", "rolled back", "June was wrong")
    assert newest.instant == NOW
    assert world.registry.aliases("flights") == {"champion": 1, "previous": 2}
    # And back again, by its number, or by promoting it: it has served.
    assert mover().roll_back(2).champion_after == 2
    assert mover().promote(1).action == "promoted"
    assert world.registry.aliases("flights") == {"champion": 1, "previous": 2}


def test_what_cannot_be_is_said_with_its_repair(world: World, mover: Move) -> None:
    for move in (mover().roll_back, mover().promote):
        with pytest.raises(MoveError, match="version 2 of 'flights' serves already"):
            move(2)
        with pytest.raises(MoveError, match=r"version 9 .* never judged.*knows: 1, 2"):
            move(9)
    with pytest.raises(MoveError, match=r"version 2 of 'flights' serves\. Let another one serve first"):
        mover().archive(2)
    with pytest.raises(MoveError, match=r"'flights' has no challenger that waits\. Name a version: 1, 2\."):
        mover().promote()
    nobody = mover(pipeline="nobody")
    for move in (nobody.roll_back, lambda: nobody.archive(1), lambda: nobody.promote(1)):
        with pytest.raises(MoveError, match="'nobody' has no ledger"):
            move()
    with pytest.raises(MoveError, match=r"'nobody' has no challenger that waits\. It has no model yet"):
        nobody.promote()
    assert [one.action for one in read_ledger(world.lake, "flights")] == ["promoted", "promoted"]


def test_nobody_moves_without_a_reason_or_under_the_name_of_the_gate(mover: Move) -> None:
    with pytest.raises(MoveError, match="a reason is needed: the ledger of 'flights'"):
        mover(reason="  ")
    with pytest.raises(MoveError, match="the name of a person is needed"):
        mover(actor="")
    for name in ("gate", "probation"):
        with pytest.raises(MoveError, match=f"'{name}' is no person"):
            mover(actor=name)


def test_a_version_whose_file_was_changed_does_not_serve(world: World, mover: Move, tmp_path: Path) -> None:
    file = min((tmp_path / "models").rglob("model.zip"), key=lambda path: path.stat().st_mtime_ns)
    file.write_bytes(file.read_bytes() + b"x")
    for move in (mover().roll_back, lambda: mover().promote(1)):
        with pytest.raises(ModelRegistryError, match="is not loaded"):
            move()
    assert world.registry.aliases("flights")["champion"] == 2


def test_an_archived_version_has_no_alias_and_serves_by_force_alone(world: World, mover: Move) -> None:
    decision = mover(reason="leaked").archive(1)
    assert (decision.action, decision.champion_before, decision.champion_after) == ("archived", 2, 2)
    assert world.registry.aliases("flights") == {"champion": 2}
    assert stages_after(read_ledger(world.lake, "flights"), NOW) == {1: "archived", 2: "production"}
    with pytest.raises(MoveError, match="archived already"):
        mover().archive(1)
    with pytest.raises(MoveError, match=r"no champion before version 2, or it is archived.*--to: 1, 2"):
        mover().roll_back()
    with pytest.raises(MoveError, match=r"is archived\. `driftline model promote flights 1 --force`"):
        mover().roll_back(1)
    with pytest.raises(MoveError, match=r"version 1 of 'flights' is archived\. Repeat with --force"):
        mover().promote(1)
    forced = mover(reason="the leak is none").promote(1, is_forced=True)
    assert json.loads(forced.gate_report)["explanation"] == "the leak is none (forced: it is archived)"
    assert archived_versions(read_ledger(world.lake, "flights")) == frozenset()


@pytest.mark.parametrize(
    ("report", "late", "obstacle"),
    [
        ({"outcome": "inconclusive"}, False, None),
        ({"outcome": "waits for approval", "approve_until": "2024-03-06T00:00:00+00:00"}, False, None),
        (
            {"outcome": "waits for approval", "approve_until": "2024-03-06T00:00:00+00:00"},
            True,
            r"waited for approval until 2024-03-06 00:00 UTC, and that is past",
        ),
        ({"outcome": "worse"}, False, r"was turned down by the gate \(worse\)"),
        ({"outcome": "below floor"}, False, r"was turned down by the gate \(below floor\)"),
    ],
)
def test_what_the_gate_turned_down_or_waited_for_too_long_needs_force(
    world: World,
    mover: Move,
    monkeypatch: pytest.MonkeyPatch,
    report: dict[str, object],
    late: bool,
    obstacle: str | None,
) -> None:
    # Version 1 must not have served: what did may serve again.
    judge(world, 1, **report)
    real = Mover._obstacle
    monkeypatch.setattr(
        Mover,
        "_obstacle",
        lambda self, decisions, number: real(self, (*never_served(decisions[:2]), *decisions[2:]), number),
    )
    moving = mover(at=NOW + timedelta(days=2) if late else NOW)
    assert aliases_after(read_ledger(world.lake, "flights"))["challenger"] == 1
    if obstacle is not None:
        with pytest.raises(MoveError, match=f"version 1 of 'flights' {obstacle}"):
            moving.promote()
    decision = moving.promote(is_forced=obstacle is not None)
    assert (decision.version, decision.champion_after, decision.actor) == (1, 1, "eva")
    assert ("forced" in json.loads(decision.gate_report)["explanation"]) == (obstacle is not None)


def test_a_rebuilt_version_is_noted_and_nothing_else_changes(world: World, mover: Move) -> None:
    before = world.registry.aliases("flights")
    decision = mover().note_rebuilt(1, "same bytes", {"differences": []})
    assert (decision.action, decision.champion_before, decision.champion_after) == ("reproduced", 2, 2)
    assert json.loads(decision.gate_report)["outcome"] == "same bytes"
    assert world.registry.aliases("flights") == before
