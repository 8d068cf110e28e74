"""Moves of a model version by a person: promoted, archived, rolled back or rebuilt; each is one more row of the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from declaration.errors import DriftlineError
from resources.lake.lake import Lake
from resources.model_registry.approval import WAITS_FOR_APPROVAL, approve_until
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import (
    ACTORS,
    GATE,
    Action,
    Decision,
    aliases_after,
    read_ledger,
    trusted_sha256,
)
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.stages import archived_versions

OPEN_OUTCOMES = frozenset({"inconclusive", WAITS_FOR_APPROVAL})
"""What the gate leaves to a person: promoting another challenger, which it has turned down, needs force."""


class MoveError(DriftlineError):
    """A model version cannot be moved as asked."""


@dataclass(frozen=True)
class Mover:
    """A person who moves versions of one pipeline.

    Attributes
    ----------
    lake, registry
        Where the ledger and the model files are.
    pipeline
        Its name.
    actor, reason
        Who, and why.
    clock
        When (UTC).
    run_id
        Dagster's run; '' of a command.
    """

    lake: Lake
    registry: ModelRegistry
    pipeline: str
    actor: str
    reason: str
    clock: datetime
    run_id: str = ""

    def __post_init__(self) -> None:
        """Refuse a move that nobody answers for.

        Raises
        ------
        MoveError
            If name or reason is empty, or the name is one of `ACTORS`.
        """
        for name, value in (("a reason", self.reason), ("the name of a person", self.actor)):
            if not value.strip():
                raise MoveError(
                    f"{name} is needed: the ledger of '{self.pipeline}' says who decided, and why."
                )
        if self.actor in ACTORS:
            raise MoveError(
                f"'{self.actor}' is no person: the ledger of '{self.pipeline}' knows a part of Driftline by that name. "
                "Give your own name."
            )

    def promote(self, version: int | None = None, *, is_forced: bool = False) -> Decision:
        """Let a version serve: the challenger, or one that is named.

        Parameters
        ----------
        version
            The version that shall serve; None takes the challenger.
        is_forced
            Also where the gate turned it down, its approval is too late, or it is archived.

        Raises
        ------
        MoveError
            If there is no such version in the ledger, it serves already, or force is needed.
        """

        def decide(decisions: Sequence[Decision]) -> Decision:
            number = version if version is not None else self._challenger(decisions)
            self._check_may_serve(decisions, number)
            obstacle = self._obstacle(decisions, number)
            if obstacle and not is_forced:
                raise MoveError(
                    f"version {number} of '{self.pipeline}' {obstacle}. Repeat with --force (in the launchpad, force: true) "
                    "and a reason that says why it shall serve all the same."
                )
            explanation = f"{self.reason} (forced: it {obstacle})" if obstacle else self.reason
            return self._row(decisions, "promoted", number, explanation, serves=number)

        return self._enact(decide)

    def roll_back(self, version: int | None = None) -> Decision:
        """Let an earlier version serve again: the champion before, or one that is named.

        Raises
        ------
        MoveError
            If there is no such version in the ledger, it serves already, or it is archived.
        """
        # Who asks for the champion before names it by what serves now, also where others decide meanwhile.
        number = (
            version if version is not None else self._champion_before(read_ledger(self.lake, self.pipeline))
        )

        def decide(decisions: Sequence[Decision]) -> Decision:
            self._check_may_serve(decisions, number)
            if number in archived_versions(decisions):
                raise MoveError(
                    f"version {number} of '{self.pipeline}' is archived. `driftline model promote {self.pipeline} {number} "
                    "--force` lets it serve all the same."
                )
            return self._row(decisions, "rolled back", number, self.reason, serves=number)

        return self._enact(decide)

    def archive(self, version: int) -> Decision:
        """Take a version out: it has no alias, and does not serve unless it is forced to.

        Raises
        ------
        MoveError
            If there is no such version in the ledger, it serves, or it is archived already.
        """

        def decide(decisions: Sequence[Decision]) -> Decision:
            self._check_judged(decisions, version)
            if version == aliases_after(decisions)["champion"]:
                raise MoveError(
                    f"version {version} of '{self.pipeline}' serves. Let another one serve first: `driftline model promote` "
                    "or `rollback`."
                )
            if version in archived_versions(decisions):
                raise MoveError(f"version {version} of '{self.pipeline}' is archived already.")
            return self._row(decisions, "archived", version, self.reason)

        return self._enact(decide)

    def note_rebuilt(self, version: int, outcome: str, findings: Mapping[str, object]) -> Decision:
        """Write down what came of rebuilding a version."""

        def decide(decisions: Sequence[Decision]) -> Decision:
            self._check_judged(decisions, version)
            return self._row(
                decisions, "reproduced", version, self.reason, outcome=outcome, findings=findings
            )

        return self._enact(decide)

    def _enact(self, decide: Callable[[Sequence[Decision]], Decision]) -> Decision:
        commit = {"actor": self.actor, **({"run_id": self.run_id} if self.run_id else {})}
        decision = enact(self.lake, self.registry, self.pipeline, decide, commit=commit).decision
        assert decision is not None
        return decision

    def _row(
        self,
        decisions: Sequence[Decision],
        action: Action,
        version: int,
        explanation: str,
        *,
        serves: int | None = None,
        outcome: str = "",
        findings: Mapping[str, object] | None = None,
    ) -> Decision:
        champion = aliases_after(decisions)["champion"]
        report = {
            "outcome": outcome or action,
            "explanation": explanation,
            "is_promoted": serves is not None,
            **(findings or {}),
        }
        return Decision(
            instant=self.clock,
            partition=decisions[-1].partition,
            actor=self.actor,
            action=action,
            version=version,
            champion_before=champion,
            champion_after=champion if serves is None else serves,
            reason=self.reason,
            gate_report=json.dumps(report, sort_keys=True),
            run_id=self.run_id,
            artifact_sha256=trusted_sha256(decisions, version),
            decision_key=f"person/{action}/{version}/{self.clock.isoformat()}",
        )

    def _check_judged(self, decisions: Sequence[Decision], version: int) -> None:
        judged = _judged(decisions)
        if not judged:
            raise MoveError(
                f"pipeline '{self.pipeline}' has no ledger in this lake: no model has served. "
                "Check the name and DRIFTLINE_HOME."
            )
        if version not in judged:
            raise MoveError(
                f"version {version} of '{self.pipeline}' was never judged, so that its file cannot be trusted. "
                f"The ledger knows: {', '.join(map(str, judged))}."
            )

    def _check_may_serve(self, decisions: Sequence[Decision], version: int) -> None:
        self._check_judged(decisions, version)
        if version == aliases_after(decisions)["champion"]:
            raise MoveError(f"version {version} of '{self.pipeline}' serves already.")
        # Read before it is written down: a version whose file is gone cannot serve.
        self.registry.model_file(self.pipeline, version, sha256=trusted_sha256(decisions, version))

    def _obstacle(self, decisions: Sequence[Decision], version: int) -> str:
        """Say what stands against a version, as the end of a sentence about it; '' where nothing does."""
        if version in archived_versions(decisions):
            return "is archived"
        if any(decision.champion_after == version for decision in decisions):
            return ""
        judged = [
            decision for decision in decisions if decision.version == version and decision.actor == GATE
        ]
        if not judged:
            return ""
        until, outcome = approve_until(judged[-1]), judged[-1].outcome
        if until is not None and self.clock > until:
            return f"waited for approval until {until:%Y-%m-%d %H:%M} UTC, and that is past"
        return "" if outcome in OPEN_OUTCOMES else f"was turned down by the gate ({outcome})"

    def _challenger(self, decisions: Sequence[Decision]) -> int:
        challenger = aliases_after(decisions)["challenger"] if decisions else None
        if challenger is None:
            judged = _judged(decisions)
            known = f"Name a version: {', '.join(map(str, judged))}." if judged else "It has no model yet."
            raise MoveError(f"'{self.pipeline}' has no challenger that waits. {known}")
        return challenger

    def _champion_before(self, decisions: Sequence[Decision]) -> int:
        aliases = aliases_after(decisions)
        if aliases["previous"] is None:
            judged = _judged(decisions)
            # Without any the ledger itself is missing, which is told.
            if not judged:
                self._check_judged(decisions, 0)
            raise MoveError(
                f"'{self.pipeline}' has no champion before version {aliases['champion']}, or it is archived. "
                f"Name one of its versions with --to: {', '.join(map(str, judged))}."
            )
        return aliases["previous"]


def _judged(decisions: Sequence[Decision]) -> Sequence[int]:
    return sorted({decision.version for decision in decisions})
