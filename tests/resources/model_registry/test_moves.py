"""A person moves a version: promoted, archived, rolled back; each a row of the ledger, and the aliases after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.model_registry.enactment import enact
from resources.model_registry.ledger import GATE, Decision, aliases_after, read_ledger, trusted_sha256
from resources.model_registry.moves import MoveError, Mover
from resources.model_registry.registry import ModelRegistryError
from resources.model_registry.stages import archived_versions, stages_after
from tests.fixtures.training_world import World
from tests.fixtures.versions import copied_versions

NOW = datetime(2024, 3, 5, tzinfo=UTC)
Move = Callable[..., Mover]


@pytest.fixture
def world(versions_root: Path, tmp_path: Path) -> World:
    """Three versions, of which the last serves."""
    return copied_versions(versions_root, tmp_path / "world")[0]


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
    assert (decision.champion_before, decision.champion_after) == (3, 2)
    newest = read_ledger(world.lake, "flights")[-1]
    assert (newest.actor, newest.action, newest.reason) == ("eva", "rolled back", "June was wrong")
    assert newest.instant == NOW
    assert world.registry.aliases("flights") == {"champion": 2, "previous": 3}
    # And back again, by its number, or by promoting it: it has served.
    assert mover().roll_back(3).champion_after == 3
    assert mover().promote(2).action == "promoted"
    assert world.registry.aliases("flights") == {"champion": 2, "previous": 3}


def test_what_cannot_be_is_said_with_its_repair(world: World, mover: Move) -> None:
    for move in (mover().roll_back, mover().promote):
        with pytest.raises(MoveError, match="version 3 of 'flights' serves already"):
            move(3)
        with pytest.raises(MoveError, match=r"version 9 .* never judged.*knows: 1, 2, 3"):
            move(9)
    with pytest.raises(MoveError, match=r"version 3 of 'flights' serves\. Let another one serve first"):
        mover().archive(3)
    with pytest.raises(
        MoveError, match=r"'flights' has no challenger that waits\. Name a version: 1, 2, 3\."
    ):
        mover().promote()
    nobody = mover(pipeline="nobody")
    for move in (nobody.roll_back, lambda: nobody.archive(1), lambda: nobody.promote(1)):
        with pytest.raises(MoveError, match="'nobody' has no ledger"):
            move()
    with pytest.raises(MoveError, match=r"'nobody' has no challenger that waits\. It has no model yet"):
        nobody.promote()
    assert [one.action for one in read_ledger(world.lake, "flights")] == ["promoted"] * 3


def test_nobody_moves_without_a_reason_or_under_the_name_of_the_gate(mover: Move) -> None:
    with pytest.raises(MoveError, match="a reason is needed: the ledger of 'flights'"):
        mover(reason="  ")
    with pytest.raises(MoveError, match="the name of a person is needed"):
        mover(actor="")
    for name in ("gate", "probation"):
        with pytest.raises(MoveError, match=f"'{name}' is no person"):
            mover(actor=name)


def test_a_version_whose_file_was_changed_does_not_serve(world: World, mover: Move) -> None:
    run = world.registry.training_run("flights", 2)
    assert run is not None
    file = Path(run.model_file.removeprefix("file://"))
    content = file.read_bytes()
    file.write_bytes(content + b"x")
    try:
        for move in (mover().roll_back, lambda: mover().promote(2)):
            with pytest.raises(ModelRegistryError, match="is not loaded"):
                move()
    finally:
        # Other copies of the registry name the same file.
        file.write_bytes(content)
    assert world.registry.aliases("flights")["champion"] == 3


def test_an_archived_version_has_no_alias_and_serves_by_force_alone(world: World, mover: Move) -> None:
    decision = mover(reason="leaked").archive(2)
    assert (decision.action, decision.champion_before, decision.champion_after) == ("archived", 3, 3)
    assert world.registry.aliases("flights") == {"champion": 3}
    assert stages_after(read_ledger(world.lake, "flights"), NOW) == {
        1: "archived",
        2: "archived",
        3: "production",
    }
    with pytest.raises(MoveError, match="archived already"):
        mover().archive(2)
    with pytest.raises(MoveError, match=r"no champion before version 3, or it is archived.*--to: 1, 2, 3"):
        mover().roll_back()
    with pytest.raises(MoveError, match=r"is archived\. `driftline model promote flights 2 --force`"):
        mover().roll_back(2)
    with pytest.raises(MoveError, match=r"version 2 of 'flights' is archived\. Repeat with --force"):
        mover().promote(2)
    forced = mover(reason="the leak is none").promote(2, is_forced=True)
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
    assert (decision.action, decision.champion_before, decision.champion_after) == ("reproduced", 3, 3)
    assert json.loads(decision.gate_report)["outcome"] == "same bytes"
    assert world.registry.aliases("flights") == before
