"""Delivery of alerts: incidents are advanced and recorded, messages queued and sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from declaration.alerts import AlertsSpec, ChannelSpec
from declaration.spec import PipelineSpec
from pipelines.alerting.incidents import FACT_KINDS, LOOKED_UP_KINDS, Facts, advance, alert_policy
from resources.alerts.channels import Channels
from resources.alerts.incident_log import EventRead, Incidents, append_incidents, read_incidents
from resources.alerts.message import AlertError
from resources.alerts.outbox import Delivery, queue, read_outbox, record
from resources.lake.lake import Lake

_LOG = logging.getLogger("driftline.alerts")


def take_in(
    lake: Lake, name: str, spec: PipelineSpec, events: Iterable[Facts], channels: Channels, now: datetime
) -> Incidents | None:
    """Advance a pipeline's incidents by some events, in order; each is taken once, however often it is read.

    Returns
    -------
    Incidents | None
        The state after the newest event that was new; None when there was none.
    """
    log = read_incidents(lake, name)
    state, policy, is_changed = log.incidents, alert_policy(spec), False
    for facts in events:
        if facts.event in log.events:
            continue
        facts = _not_before(state, facts)
        after, alerts = advance(state, facts, policy, now)
        if facts.judges <= set(FACT_KINDS) and after.by_key == state.by_key:
            continue  # A run that succeeded as the one before, a partition in time: nothing to remember.
        addressed = [(a, [c.name for c in channels.wanted(spec.alerts, a.severity)]) for a in alerts]
        # Queued first: an incident that is recorded as told must have its alert on the way.
        if addressed:
            queue(lake, name, addressed, now=now)
        read = EventRead(facts.event, facts.position, facts.judges)
        append_incidents(lake, name, read, state, after, now=now)
        state, is_changed = after, True
    return state if is_changed else None


def _not_before(state: Incidents, facts: Facts) -> Facts:
    """Put what was looked up just now, by a clock that may have been set back, at the newest position known."""
    if not facts.judges <= set(LOOKED_UP_KINDS):
        return facts
    known = (position for kind in facts.judges for position in state.windows.get(kind, ()))
    return replace(facts, position=max(facts.position, *known))


@dataclass(frozen=True)
class Sent:
    """Result of a round of sending."""

    n_sent: int
    n_waiting: int
    problems: tuple[str, ...]


def deliver(
    lake: Lake,
    name: str,
    alerts: AlertsSpec,
    channels: Channels,
    *,
    clock: Callable[[], datetime],
    until: datetime,
    down: set[str],
) -> Sent:
    """Send what is due of a pipeline's alerts, channel by channel, oldest first.

    Parameters
    ----------
    lake, name, alerts, channels
        Whose alerts, and where they go.
    clock
        Gives the time, for what is due and for `until`.
    until
        No sending is begun after it.
    down
        Channels that did not answer in this round: they are left alone, and those that do not answer are added.

    Returns
    -------
    Sent
        What was sent, and what still waits. On one channel nothing overtakes: who is told of an end was
        told of the beginning.
    """
    declared = {channel.name: channel for channel in channels.declared(alerts)}
    waiting: dict[str, list[Delivery]] = {}
    for delivery in read_outbox(lake, name):
        if delivery.is_waiting:
            waiting.setdefault(delivery.channel, []).append(delivery)
    n_sent, n_waiting, problems = 0, 0, []
    for channel, deliveries in waiting.items():
        for position, delivery in enumerate(deliveries):
            now = clock()
            is_due = channel not in declared or delivery.is_due(now)
            if channel in down or not is_due or now > until:
                n_waiting += len(deliveries) - position
                break
            after = _tried(delivery, declared.get(channel), channels, clock)
            record(lake, name, [after], now=after.tried_at)
            n_sent += after.step == "sent"
            if after.problem:
                problems.append(f"{channel}: {after.problem}")
            if after.step == "failed":
                down.add(channel)
            if after.is_waiting:
                n_waiting += len(deliveries) - position
                break
    return Sent(n_sent, n_waiting, tuple(problems))


def _tried(
    delivery: Delivery, channel: ChannelSpec | None, channels: Channels, clock: Callable[[], datetime]
) -> Delivery:
    """Send one alert, and return what became of it."""
    if channel is None:
        return delivery.after("given up", "the channel is not declared any more.", clock())
    try:
        channels.send(delivery.alert, channel)
    except AlertError as error:
        after = delivery.after("refused" if error.is_refusal else "failed", str(error), clock())
        if after.step == "given up":
            n_tries = after.n_failed + after.n_refused
            _LOG.error("given up after %d tries: %s (%s)", n_tries, delivery.alert.subject, error)
        return after
    return delivery.after("sent", "", clock())
