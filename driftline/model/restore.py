"""An earlier model version made to serve again: one more row of the ledger, written by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from declaration.errors import DriftlineError
from resources.connections import Connections
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import Decision, aliases_after, read_ledger, trusted_sha256

_NO_LEDGER = (
    "pipeline '{}' has no ledger in this lake: no model has served. Check the name and DRIFTLINE_HOME."
)


class RollbackError(DriftlineError):
    """The version that shall serve is not known, or serves already."""


def roll_back_to(
    pipeline: str, connections: Connections, *, version: int | None, reason: str, actor: str, clock: datetime
) -> Decision:
    """Write the decision that a version serves from now on, and point the aliases.

    Parameters
    ----------
    pipeline
        Name of the pipeline.
    connections
        Lake and registry.
    version
        The version that shall serve; None takes the champion before the present one.
    reason, actor, clock
        Why, who and when (UTC); recorded.

    Raises
    ------
    RollbackError
        If there is no such version in the ledger, or it serves already.
    """
    # Who asks for the champion before names it by what serves now, also where others decide meanwhile.
    number = (
        version
        if version is not None
        else _champion_before(read_ledger(connections.lake, pipeline), pipeline)
    )

    def decide(decisions: Sequence[Decision]) -> Decision:
        champion = aliases_after(decisions)["champion"]
        judged = sorted({decision.version for decision in decisions})
        if not judged:
            raise RollbackError(_NO_LEDGER.format(pipeline))
        if number not in judged:
            raise RollbackError(
                f"version {number} of '{pipeline}' was never judged, so that its file cannot be trusted. "
                f"The ledger knows: {', '.join(map(str, judged))}."
            )
        if number == champion:
            raise RollbackError(f"version {number} of '{pipeline}' serves already.")
        # Read before it is written down: a version whose file is gone cannot serve.
        connections.registry.model_file(pipeline, number, sha256=trusted_sha256(decisions, number))
        return Decision(
            instant=clock,
            partition=decisions[-1].partition,
            actor=actor,
            action="rolled back",
            version=number,
            champion_before=champion,
            champion_after=number,
            reason=reason,
            gate_report=json.dumps({"outcome": "rolled back", "explanation": reason, "is_promoted": True}),
            run_id="",
            artifact_sha256=trusted_sha256(decisions, number),
            decision_key=f"person/{number}/{clock.isoformat()}",
        )

    decision = enact(
        connections.lake, connections.registry, pipeline, decide, commit={"actor": actor}
    ).decision
    assert decision is not None
    return decision


def _champion_before(decisions: Sequence[Decision], pipeline: str) -> int:
    if not decisions:
        raise RollbackError(_NO_LEDGER.format(pipeline))
    aliases = aliases_after(decisions)
    previous = aliases["previous"]
    if previous is None:
        judged = sorted({decision.version for decision in decisions})
        raise RollbackError(
            f"'{pipeline}' had no champion before version {aliases['champion']}. Name one of its versions with --to: "
            f"{', '.join(map(str, judged))}."
        )
    return previous
