"""Incidents and the alerts of their changes: one pure step per event.

An incident is one thing that is wrong: of a kind, and of a feature where the kind has them. It is
pending until it was seen in k of the last n windows that could tell, then it fires, and it is
resolved when none of the last n has it. A window that could not tell (too few rows, no labels yet)
is no sign of health: it changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from declaration.alerts import IncidentKind, Signal
from declaration.spec import PipelineSpec
from declaration.types import Severity
from resources.alerts.incident_log import Incident, IncidentKey, Incidents, counted_windows
from resources.alerts.message import Alert, AlertState

SEVERITIES: Mapping[IncidentKind, Severity] = {
    "broken_data": "critical",
    "performance": "critical",
    "estimated_performance": "warning",
    "feature_drift": "warning",
    "prediction_drift": "warning",
    "label_drift": "warning",
    "rolled_back": "critical",
    "stale_features": "warning",
    "refresh_failed": "critical",
    "training_failed": "critical",
    "approval_waits": "warning",
    "approval_ends": "warning",
    "new_source_columns": "warning",
}
"""Certain loss and data that cannot be used are critical; what may lead there is a warning."""

TITLES: Mapping[IncidentKind, str] = {
    "broken_data": "Broken data",
    "performance": "Performance lost",
    "estimated_performance": "Performance is estimated to be lost",
    "feature_drift": "Features drifted",
    "prediction_drift": "The model's output drifted",
    "label_drift": "The label drifted",
    "rolled_back": "The champion was rolled back",
    "stale_features": "Features are stale",
    "refresh_failed": "A refresh failed",
    "training_failed": "A training failed",
    "approval_waits": "A model waits for a person's approval",
    "approval_ends": "The time to approve of a model ends soon",
    "new_source_columns": "Columns came to a source",
}

RUN_KINDS: tuple[IncidentKind, ...] = ("refresh_failed", "training_failed")
"""Kinds that runs tell about."""

LOOKED_UP_KINDS: tuple[IncidentKind, ...] = (
    "stale_features", "approval_waits", "approval_ends", "new_source_columns",
)  # fmt: skip
"""Kinds that are looked up at an instant, in what has arrived or been decided until then."""

REMINDERS: tuple[IncidentKind, ...] = ("approval_ends",)
"""Kinds that remind of another incident, whose end tells theirs."""

FACT_KINDS: tuple[IncidentKind, ...] = (*RUN_KINDS, *LOOKED_UP_KINDS)
"""Kinds that are facts, not measurements, such as a run that failed: one is enough."""


@dataclass(frozen=True)
class Facts:
    """Facts of one event.

    Attributes
    ----------
    pipeline, partition
        Where; a run may have no window.
    event
        Its identity.
    position
        Where it stands among its like: sorts as windows, or as the events of runs do.
    occurred_at
        When, with zone.
    found
        What is wrong.
    judges
        Kinds that the event tells about: what is not `found` of these is sound.
    unknown
        Features of which it cannot tell.
    action
        What Driftline does about it.
    link
        Address of the report or the run; None where the web UI's is not known.
    ended
        What became of a feature that is not `found` any more, where more is known than that.
    is_past
        It is about the past: what begins with it is told to nobody, until an event of the present still finds it.
    """

    pipeline: str
    event: str
    position: str
    occurred_at: datetime
    found: tuple[Signal, ...]
    judges: frozenset[IncidentKind]
    unknown: frozenset[str] = frozenset()
    action: str = ""
    partition: str | None = None
    link: str | None = None
    ended: Mapping[str, str] = field(default_factory=dict)
    is_past: bool = False


@dataclass(frozen=True)
class Silence:
    """A silence of incidents until an instant; None silences every kind, or every feature."""

    kind: IncidentKind | None
    feature: str | None
    until: datetime
    reason: str

    def holds_for(self, incident: Incident, now: datetime) -> bool:
        """Tell whether it silences an incident now."""
        is_meant = self.kind in (None, incident.kind) and self.feature in (None, incident.feature)
        return is_meant and now < self.until


@dataclass(frozen=True)
class AlertPolicy:
    """Policy of alerts: an incident fires if seen in `seen_in` of the newest `of_last` windows and not silenced."""

    seen_in: int = 1
    of_last: int = 1
    silences: tuple[Silence, ...] = ()

    def counts(self, kind: IncidentKind) -> tuple[int, int]:
        """Return how many windows of how many newest ones count for a kind."""
        return (1, 1) if kind in FACT_KINDS else (self.seen_in, self.of_last)


def alert_policy(spec: PipelineSpec) -> AlertPolicy:
    """Read the policy of a declaration."""
    zone = ZoneInfo(spec.partitions.timezone)
    silences = tuple(
        Silence(silence.kind, silence.feature, silence.until.replace(tzinfo=zone), silence.reason)
        for silence in spec.alerts.silences
    )
    return AlertPolicy(spec.alerts.seen_in, spec.alerts.of_last, silences)


def advance(
    incidents: Incidents, facts: Facts, policy: AlertPolicy, now: datetime
) -> tuple[Incidents, tuple[Alert, ...]]:
    """Take one event into account.

    Parameters
    ----------
    incidents
        As the event before left them.
    facts
        What the event says. A window that was run again is counted anew; one that is older than the
        windows that count changes nothing.
    policy
        How often something must be seen, and what is silent.
    now
        Decides which silences hold.

    Returns
    -------
    tuple[Incidents, tuple[Alert, ...]]
        The incidents now, with those that were just resolved, and the alerts that are due: one for all
        incidents of a kind that began with this event, one for all that ended. An incident is told
        once when it fires and, if it was, once when it is resolved.

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2024, 1, 2, tzinfo=UTC)
    >>> broken = Facts(
    ...     "p",
    ...     "e1",
    ...     "2024-01-01",
    ...     now,
    ...     (Signal("broken_data", "quality is 0.2"),),
    ...     frozenset({"broken_data"}),
    ... )
    >>> after, (alert,) = advance(Incidents(), broken, AlertPolicy(), now)
    >>> alert.state, alert.title
    ('firing', 'Broken data')
    >>> advance(after, replace(broken, event="e2"), AlertPolicy(), now)[1]
    ()
    """
    signals = {(signal.kind, signal.feature): signal for signal in facts.found if signal.kind in facts.judges}
    by_key = {key: incident for key, incident in incidents.by_key.items() if incident.state != "resolved"}
    due: dict[tuple[IncidentKind, AlertState], list[Incident]] = defaultdict(list)
    # In the order of the report, which knows what matters most.
    for key in [*signals, *sorted(by_key.keys() - signals.keys())]:
        if not _is_judged(key, facts):
            continue
        before = by_key.get(key) or _opened(key, facts, incidents.windows.get(key[0], ()), now)
        is_news = key in signals and not facts.is_past
        after, alert_state = _told(
            _judged(before, signals.get(key), facts, policy), policy, now, is_news=is_news
        )
        if after.state == "resolved" and key not in by_key:
            continue  # Too old to count.
        by_key[key] = after
        if alert_state is not None:
            due[after.kind, alert_state].append(after)
    windows = {
        kind: counted_windows({*incidents.windows.get(kind, ()), facts.position}) for kind in facts.judges
    }
    alerts = tuple(_alert(state, group, facts, policy) for (_, state), group in sorted(due.items()))
    return Incidents(by_key, {**incidents.windows, **windows}), alerts


def _is_judged(key: IncidentKey, facts: Facts) -> bool:
    return key[0] in facts.judges and key[1] not in facts.unknown


def _opened(key: IncidentKey, facts: Facts, windows: Sequence[str], now: datetime) -> Incident:
    """Open an incident; it is in none of the windows that were judged before."""
    kind, feature = key
    since = facts.partition if facts.position == facts.partition else None
    opened_in = since or facts.occurred_at.isoformat(timespec="seconds")
    return Incident(kind, feature, SEVERITIES[kind], "pending", now, opened_in, tuple(windows), (), "")


def _judged(incident: Incident, signal: Signal | None, facts: Facts, policy: AlertPolicy) -> Incident:
    """Count the event's window, or count it anew, and set the state that follows."""
    least, length = policy.counts(incident.kind)
    position = facts.position
    judged = tuple(sorted({*incident.judged, position}))[-length:]
    seen = {*incident.seen, position} if signal else {*incident.seen} - {position}
    counted = tuple(window for window in judged if window in seen)
    state = incident.state
    if not counted:
        state = "resolved"
    elif len(counted) >= least:
        state = "firing"
    text = signal.text if signal and (position == judged[-1] or not incident.text) else incident.text
    return replace(incident, judged=judged, seen=counted, state=state, text=text)


def _told(
    incident: Incident, policy: AlertPolicy, now: datetime, *, is_news: bool
) -> tuple[Incident, AlertState | None]:
    """Say which alert is due of an incident, and remember it."""
    silence = next((silence.reason for silence in policy.silences if silence.holds_for(incident, now)), "")
    incident = replace(incident, silence=silence)
    if silence:
        return incident, None
    if incident.state == "firing" and is_news and not incident.is_told:
        return replace(incident, is_told=True), "firing"
    if incident.state == "resolved" and incident.is_told and incident.kind not in REMINDERS:
        return incident, "resolved"
    return incident, None


def _alert(state: AlertState, group: Sequence[Incident], facts: Facts, policy: AlertPolicy) -> Alert:
    kind = group[0].kind
    is_firing = state == "firing"
    return Alert(
        state=state,
        severity=SEVERITIES[kind],
        kind=kind,
        pipeline=facts.pipeline,
        partition=facts.partition,
        title=TITLES[kind] if is_firing else f"Resolved: {TITLES[kind][0].lower()}{TITLES[kind][1:]}",
        findings=tuple(_line(incident, facts, policy, is_firing=is_firing) for incident in group),
        action=facts.action if is_firing else "",
        link=facts.link,
        occurred_at=facts.occurred_at,
        event=facts.event,
    )


def _line(incident: Incident, facts: Facts, policy: AlertPolicy, *, is_firing: bool) -> str:
    subject = f"{incident.feature}: " if incident.feature else ""
    if is_firing:
        # It began in the past, or under a silence, and nobody was told.
        is_old = policy.counts(incident.kind) == (1, 1) and incident.opened_in < (facts.partition or "")
        since = f". It has been so since {incident.opened_in}." if is_old else ""
        return f"{subject}{incident.text.rstrip('.') if is_old else incident.text}{since}"
    if incident.feature in facts.ended:
        return f"{subject}{facts.ended[incident.feature]}"
    n_windows = policy.counts(incident.kind)[1]
    if incident.kind in RUN_KINDS:
        return f"{subject}the newest run succeeded; since {incident.opened_at:%Y-%m-%d %H:%M %Z}."
    if incident.kind == "stale_features":
        return f"{subject}fresh again; it was not since {incident.opened_at:%Y-%m-%d %H:%M %Z}."
    seen = "the newest window" if n_windows == 1 else f"any of the {n_windows} newest windows"
    return f"{subject}not seen in {seen}; it began in {incident.opened_in}."
