"""Decision ledger: who was champion when, and why; append-only rows in the lake."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.lake_table import LakeTable
from resources.lake.commits import Overtaken
from resources.lake.lake import Lake, Snapshot
from resources.model_registry.ledger_chain import (
    BEGINNING,
    OWN,
    PREVIOUS,
    Head,
    chained,
    first_break,
    row_sha256,
)

MAX_DECISIONS = 50
"""Times that a decision is made anew because others were written down meanwhile."""

CONFIRMED_LOSS = "performance"
"""Reasons that begin so were given because the champion's loss of performance is certain."""

GATE = "gate"
"""Actor that judges trainings: promotes and keeps. Other actors are the probation and people."""

PROBATION_ACTOR = "probation"
"""Actor that rolls a new champion back which does worse than the one before."""

ACTORS = (GATE, PROBATION_ACTOR)
"""Actors that are no people: nobody may decide under their name."""

Action = Literal["promoted", "kept", "rolled back", "archived", "reproduced"]

LEDGER = LakeTable(
    "ledger",
    pa.schema(
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
            (PREVIOUS, pa.string()),
            (OWN, pa.string()),
        ]
    ),
)
"""A row per decision; the last two columns are null in rows that are older than the chain."""


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
        `GATE`, the probation, or the person who decided.
    action
        What happened to `version`; "archived" and "reproduced" change neither champion nor training.
    version
        The version that was judged, returned to, archived or rebuilt.
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

    @property
    def report(self) -> Mapping[str, Any]:
        """Gate report as it was written; a person's words alone are its explanation."""
        try:
            report = json.loads(self.gate_report)
        except json.JSONDecodeError:
            return {"explanation": self.gate_report}
        return report if isinstance(report, dict) else {}

    @property
    def outcome(self) -> str:
        """Outcome in the gate's word; the action where nothing was judged."""
        return str(self.report.get("outcome") or self.action)

    @property
    def explanation(self) -> str:
        """Reason of the decision, in sentences; '' where nothing was written."""
        return str(self.report.get("explanation") or "")


@dataclass(frozen=True)
class Ledger:
    """A pipeline's decisions as they were at one version of the table.

    Attributes
    ----------
    pipeline
        Its name.
    version
        Delta version that was read; None where there is no table.
    decisions
        Oldest first.
    hashes
        Of each row, which cover those before.
    n_before_chain
        Rows at the beginning that are older than the chain.
    """

    pipeline: str
    version: int | None
    decisions: tuple[Decision, ...]
    hashes: tuple[str, ...]
    n_before_chain: int = 0

    @property
    def champion(self) -> int | None:
        """The version that serves; None before the first promotion."""
        return self.decisions[-1].champion_after if self.decisions else None

    @property
    def head(self) -> Head:
        """Head of the ledger: the number of rows, and the hash of the last."""
        return Head(len(self.hashes), self.hashes[-1] if self.hashes else BEGINNING)

    def row(self, place: int) -> Mapping[str, Any]:
        """Return a row as the table holds it."""
        previous = self.hashes[place - 1] if place else BEGINNING
        link = {PREVIOUS: previous, OWN: self.hashes[place]}
        return {"sequence": place, **asdict(self.decisions[place]), **link}


def open_ledger(lake: Lake, pipeline: str) -> Ledger:
    """Read all decisions about a pipeline's models, and the version they were read at.

    Raises
    ------
    LedgerError
        If a row was changed, is missing or is there twice.
    """
    table = LEDGER.of(pipeline)
    if not lake.has(table):
        return Ledger(pipeline, None, (), ())
    version = lake.snapshot(table).version
    rows = stored_rows(lake, table, version)
    hashes = chained(rows)
    broken = first_break(rows, hashes)
    if broken is not None:
        raise LedgerError(
            f"ledger of '{pipeline}', table '{table}' version {version} in {lake.root}: row {broken.place} {broken.what}. "
            f"Nothing is served or decided from it. `driftline verify {pipeline} --repair` takes the rows anew "
            "that the model registry has noted; else restore the table from a backup."
        )
    names = [field.name for field in fields(Decision)]
    decisions = tuple(Decision(**{name: row[name] for name in names}) for row in rows)
    return Ledger(pipeline, version, decisions, tuple(hashes), sum(row[OWN] is None for row in rows))


def stored_rows(lake: Lake, table: str, version: int) -> Sequence[Mapping[str, Any]]:
    """Read a ledger's rows in order, believing nothing of them."""
    # Files of a table have no order of their own, and clocks may stand still or step back.
    # Of before the chain there may be rows of one number: they too need one order.
    order = [(name, "ascending") for name in ("sequence", "instant", "version", "decision_key")]
    ordered = lake.read(table, version=version).sort_by(order)
    return as_rows(ordered)


def as_rows(table: pa.Table) -> list[Mapping[str, Any]]:
    """Return rows with all of the ledger's columns; those that a table does not have are null."""
    return [{name: row.get(name) for name in LEDGER.schema.names} for row in table.to_pylist()]


def read_ledger(lake: Lake, pipeline: str) -> tuple[Decision, ...]:
    """Return all decisions about a pipeline's models, oldest first.

    Raises
    ------
    LedgerError
        If a row was changed, is missing or is there twice.
    """
    return open_ledger(lake, pipeline).decisions


def write_decision(
    lake: Lake,
    pipeline: str,
    decide: Callable[[Sequence[Decision]], Decision | None],
    *,
    commit: Mapping[str, str],
) -> tuple[Ledger, Snapshot | None]:
    """Decide from the ledger and add the decision, if no other was added meanwhile; else decide anew.

    Earlier rows are never changed.

    Parameters
    ----------
    lake, pipeline
        Where the ledger is, and whose.
    decide
        Gives the decision that follows from those until now, or None where there is none to write down.
        It is asked again, with the longer ledger, where another process was faster.
    commit
        What the lake notes of the commit.

    Returns
    -------
    tuple
        The ledger as it is now, and the table with the new row; None where no row was added.

    Raises
    ------
    LedgerError
        If a decision starts from another champion than the ledger's, or others were faster `MAX_DECISIONS` times.
    """
    table = LEDGER.of(pipeline)
    for _ in range(MAX_DECISIONS):
        ledger = open_ledger(lake, pipeline)
        decision = decide(ledger.decisions)
        if decision is None:
            return ledger, None
        longer = _with_decision(ledger, decision)
        rows = LEDGER.rows([longer.row(len(longer.decisions) - 1)])
        try:
            written = lake.append_at(table, rows, version=ledger.version, commit=commit)
        except Overtaken:
            continue
        return replace(longer, version=written.version), written
    raise LedgerError(
        f"ledger of '{pipeline}', table '{table}' in {lake.root}: other processes wrote decisions {MAX_DECISIONS} times "
        "while this one was made. Materialize again when they have finished."
    )


def _with_decision(ledger: Ledger, decision: Decision) -> Ledger:
    if decision.champion_before != ledger.champion:
        raise LedgerError(
            f"a decision about version {decision.version} of '{ledger.pipeline}' starts from champion "
            f"{decision.champion_before}, but version {ledger.champion} serves. Decide anew."
        )
    content = {"sequence": ledger.head.count, **asdict(decision)}
    hashes = (*ledger.hashes, row_sha256(ledger.head.sha256, content))
    return replace(ledger, decisions=(*ledger.decisions, decision), hashes=hashes)


def aliases_after(decisions: Sequence[Decision]) -> Mapping[str, int | None]:
    """Return which version each alias should name: champion, challenger and previous.

    `challenger` is the newest version that was judged and does not serve; `previous` is
    the champion before the present one. An archived version has neither.
    """
    champion = previous = challenger = None
    for decision in decisions:
        if decision.action == "reproduced":
            continue
        if decision.action == "archived":
            previous = None if previous == decision.version else previous
            challenger = None if challenger == decision.version else challenger
            continue
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
        count = "no decision" if not hashes else f"{len(hashes)} different hashes"
        raise LedgerError(
            f"the ledger holds {count} for model version {version}: its file cannot be trusted. "
            "Materialize the model asset again to train a version whose origin is known."
        )
    return hashes.pop()
