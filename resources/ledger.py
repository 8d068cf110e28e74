"""The decision ledger: who was champion when, and why; append-only rows in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from pipelines.spec import DriftlineError
from resources.lake import Lake, Snapshot

CONFIRMED_LOSS = "performance"
"""Reasons that begin so were given because the champion's loss of performance is certain."""

GATE = "gate"
"""Who promotes and keeps; other actors roll back."""

Action = Literal["promoted", "kept", "rolled back"]

SCHEMA = pa.schema(
    [
        ("sequence", pa.int64()),
        ("instant", pa.timestamp("us", tz="UTC")),
        ("partition", pa.string()),
        ("actor", pa.string()),
        ("action", pa.string()),
        ("version", pa.int32()),
        ("champion_before", pa.int32()),
        ("champion_after", pa.int32()),
        ("reason", pa.string()),
        ("gate_report", pa.string()),
        ("run_id", pa.string()),
        ("artifact_sha256", pa.string()),
        ("decision_key", pa.string()),
    ]
)
"""Columns of `<pipeline>/ledger`."""


class LedgerError(DriftlineError):
    """The ledger contradicts itself, or lacks what is asked of it."""


@dataclass(frozen=True)
class Decision:
    """One row of the ledger.

    Attributes
    ----------
    instant
        When it was decided (UTC).
    partition
        As-of partition of the training that asked, or of the rollback.
    actor
        `GATE`, or who rolled back: the probation or a person.
    action
        What happened to `version`.
    version
        The version that was judged, or returned to.
    champion_before, champion_after
        Who served before and serves after the decision; None when nobody does.
    reason
        Why the decision was asked for.
    gate_report
        The verdict as JSON: outcome, explanation, gain and interval.
    run_id
        Dagster's run.
    artifact_sha256
        Hash of the judged version's model file: the only bytes that may be loaded for it.
    decision_key
        Fingerprint of the training, the gate's settings and the reason: the same question is answered once.
    """

    instant: datetime
    partition: str
    actor: str
    action: Action
    version: int
    champion_before: int | None
    champion_after: int | None
    reason: str
    gate_report: str
    run_id: str
    artifact_sha256: str
    decision_key: str


def ledger_table(pipeline: str) -> str:
    """Name the lake's table of a pipeline's decisions."""
    return f"{pipeline}/ledger"


def read_ledger(lake: Lake, pipeline: str) -> tuple[Decision, ...]:
    """Return all decisions about a pipeline's models, oldest first."""
    table = ledger_table(pipeline)
    if not lake.has(table):
        return ()
    ordered = lake.read(table).sort_by([("sequence", "ascending"), ("instant", "ascending")])
    return tuple(Decision(**row) for row in ordered.select(SCHEMA.names[1:]).to_pylist())


def append_decision(lake: Lake, pipeline: str, decision: Decision, *, commit: Mapping[str, str]) -> Snapshot:
    """Add one decision; earlier rows are never changed."""
    table = ledger_table(pipeline)
    # Files of a table have no order of their own, and clocks may stand still or step back.
    sequence = lake.snapshot(table).n_rows if lake.has(table) else 0
    rows = pa.Table.from_pylist([{"sequence": sequence, **asdict(decision)}], schema=SCHEMA)
    return lake.append(table, rows, commit=commit)


def aliases_after(decisions: Sequence[Decision]) -> Mapping[str, int | None]:
    """Return which version each alias should name: champion, challenger and previous.

    `challenger` is the newest version that was judged and does not serve; `previous` is
    the champion before the present one.
    """
    champion = previous = challenger = None
    for decision in decisions:
        if decision.champion_after != champion:
            previous, champion = champion, decision.champion_after
        challenger = decision.version if decision.version != champion else None
    return {"champion": champion, "challenger": challenger, "previous": previous}


def trusted_sha256(decisions: Sequence[Decision], version: int) -> str:
    """Return the hash that a version's model file must have.

    Raises
    ------
    LedgerError
        If no decision names the version, or decisions disagree about its hash.
    """
    hashes = {decision.artifact_sha256 for decision in decisions if decision.version == version}
    if len(hashes) != 1:
        found = "no decision" if not hashes else f"{len(hashes)} different hashes"
        raise LedgerError(
            f"the ledger holds {found} for model version {version}: its file cannot be trusted. "
            "Materialize the model asset again to train a version whose origin is known."
        )
    return hashes.pop()
