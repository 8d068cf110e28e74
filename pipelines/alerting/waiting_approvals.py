"""Waiting approvals: a challenger that a person may promote, told when its waiting begins, shortly before its time ends, and when it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from declaration.alerts import IncidentKind, Signal
from pipelines.alerting.incidents import Facts
from resources.model_registry.approval import approve_until
from resources.model_registry.ledger import Decision
from resources.model_registry.open_approval import OpenApproval, open_approval, promotion_command

WAITS: IncidentKind = "approval_waits"
ENDS: IncidentKind = "approval_ends"

LAST_TIME = timedelta(days=1)
"""Time before the end in which it is told again: a working day …"""

LAST_SHARE = 4
"""… and one part of so many of the time there was, where that is shorter."""


def approval_facts(
    pipeline: str,
    decisions: Sequence[Decision],
    *,
    now: datetime,
    silences: Sequence[str] = (),
    link: str | None = None,
) -> Facts:
    """Say which challenger of a pipeline (by name) waits for a person at an instant, and what became of those that waited.

    Parameters
    ----------
    pipeline, decisions
        Whose challenger, and its ledger, oldest first.
    now
        Instant (UTC).
    silences
        Reasons of the silences that hold now: when one ends, what it hid is looked at again.
    link
        Where the pipeline is seen.

    Returns
    -------
    Facts
        One event for as long as the same is true: its identity holds the ledger's length, what waits, and whether its
        time ends soon.
    """
    approval = open_approval(decisions, now)
    found = () if approval is None else _found(approval, pipeline, now)
    state = (len(decisions), [(signal.kind, signal.feature) for signal in found], sorted(silences))
    return Facts(
        pipeline=pipeline,
        event=f"approval {sha256(repr(state).encode()).hexdigest()[:16]}",
        position=now.isoformat(timespec="microseconds"),
        occurred_at=now,
        found=found,
        judges=frozenset({WAITS, ENDS}),
        action="" if approval is None else _action(decisions[-1].champion_after),
        link=link,
        ended=_ended(decisions, approval),
    )


def ends_soon(approval: OpenApproval, now: datetime) -> bool:
    """Tell whether the time of an approval is nearly over.

    Examples
    --------
    >>> from datetime import UTC
    >>> monday = datetime(2024, 1, 1, tzinfo=UTC)
    >>> waits = OpenApproval(3, "2023-12-31", since=monday, until=monday + timedelta(hours=8))
    >>> ends_soon(waits, monday + timedelta(hours=5)), ends_soon(waits, monday + timedelta(hours=6))
    (False, True)
    """
    last = min(LAST_TIME, (approval.until - approval.since) / LAST_SHARE)
    return now >= approval.until - last


def _found(approval: OpenApproval, pipeline: str, now: datetime) -> tuple[Signal, ...]:
    name = _name(approval.version)
    waits = Signal(WAITS, f"trained as of {approval.partition}. {approval.explanation}", name)
    if not ends_soon(approval, now):
        return (waits,)
    hours = (approval.until - now) / timedelta(hours=1)
    left = f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    text = f"trained as of {approval.partition}. {left} are left, until {approval.until:%Y-%m-%d %H:%M} UTC: "
    return waits, Signal(ENDS, text + promotion_command(approval, pipeline), name)


def _name(version: int) -> str:
    return f"version {version}"


def _action(champion: int | None) -> str:
    serving = "nothing serves" if champion is None else f"version {champion} serves"
    return f"Until a person promotes it, by that command or the job promote_model of the web UI, {serving}; after that time it is not promoted."


def _ended(decisions: Sequence[Decision], approval: OpenApproval | None) -> dict[str, str]:
    """Say of each version that has waited what became of it."""
    newest = {decision.version: decision for decision in decisions if decision.action != "reproduced"}
    waited = {decision.version: until for decision in decisions if (until := approve_until(decision))}
    return {
        _name(version): _end(newest[version], until, approval)
        for version, until in waited.items()
        if approval is None or version != approval.version
    }


def _end(newest: Decision, until: datetime, approval: OpenApproval | None) -> str:
    if approve_until(newest) is None:
        verb = "let it serve" if newest.champion_after == newest.version else f"{newest.action} it"
        return f"{newest.actor} {verb}: {newest.reason}."
    if approval is not None and approval.version > newest.version:
        return f"version {approval.version} waits in its place."
    return f"nobody promoted it by {until:%Y-%m-%d %H:%M} UTC."
