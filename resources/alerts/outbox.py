"""Outbox of alerts: what is to be sent where, what was tried, what arrived; append-only rows in the lake.

An alert is queued before the incident that it tells of is recorded, and is recorded as sent after the
channel took it. So none is lost, and the only way to send one twice is to die between the two: then
its identity is the same, which webhooks and mail programs recognise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import pyarrow as pa

from declaration.lake_table import LakeTable
from resources.alerts.message import Alert, alert_from_json, alert_to_json
from resources.lake.lake import MAX_FILES, Lake

Step = Literal["queued", "failed", "refused", "sent", "given up"]

MAX_FAILURES = 100
"""Tries of a channel that is down, before an alert is given up: with the waits below, a day."""

MAX_REFUSALS = 3
"""Tries of an alert that its channel will not have."""

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
"""Between tries: the first at the sensor's next tick, each after twice as long."""

ALERTS = LakeTable(
    "alerts",
    pa.schema(
        [
            ("sequence", pa.int64()),
            ("instant", pa.timestamp("us", tz="UTC")),
            ("alert_id", pa.string()),
            ("channel", pa.string()),
            ("step", pa.string()),
            ("n_failed", pa.int32()),
            ("n_refused", pa.int32()),
            ("problem", pa.string()),
            ("alert", pa.string()),
        ]
    ),
)
"""A row per step of a delivery; `alert`, as JSON, stands where it is queued."""


@dataclass(frozen=True)
class Delivery:
    """One alert on its way to one channel.

    Attributes
    ----------
    alert, channel
        What goes where; the channel by its name.
    step
        What happened last.
    tried_at
        When that was.
    n_failed, n_refused
        Tries in vain: the channel was down, or would not have it.
    problem
        What went wrong the last time.
    """

    alert: Alert
    channel: str
    step: Step
    tried_at: datetime
    n_failed: int = 0
    n_refused: int = 0
    problem: str = ""

    @property
    def is_waiting(self) -> bool:
        """True while it is still to be sent."""
        return self.step in ("queued", "failed", "refused")

    def due_at(self) -> datetime:
        """Return when it is to be tried again: at once, and after each failure later."""
        n_tries = self.n_failed + self.n_refused
        if n_tries == 0:
            return self.tried_at
        # Beyond 2**6 the longest wait is reached.
        doubled = FIRST_WAIT * (1 << min(n_tries - 1, 6))
        return self.tried_at + min(LONGEST_WAIT, doubled)

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is to be tried now: also where the clock was set back behind the last try."""
        return now >= self.due_at() or now < self.tried_at

    def after(self, step: Step, problem: str, now: datetime) -> Delivery:
        """Return it after a try; one failure or refusal too many gives it up."""
        tried = replace(
            self,
            step=step,
            problem=problem,
            tried_at=now,
            n_failed=self.n_failed + (step == "failed"),
            n_refused=self.n_refused + (step == "refused"),
        )
        is_hopeless = tried.n_failed >= MAX_FAILURES or tried.n_refused >= MAX_REFUSALS
        return replace(tried, step="given up") if is_hopeless and tried.is_waiting else tried


def read_outbox(lake: Lake, pipeline: str) -> tuple[Delivery, ...]:
    """Return all deliveries of a pipeline, in the order in which they were queued."""
    table = ALERTS.of(pipeline)
    if not lake.has(table):
        return ()
    deliveries: dict[tuple[str, str], Delivery] = {}
    for row in lake.read(table).sort_by("sequence").to_pylist():
        key = row["alert_id"], row["channel"]
        alert = alert_from_json(row["alert"]) if row["step"] == "queued" else deliveries[key].alert
        deliveries[key] = Delivery(
            alert,
            row["channel"],
            row["step"],
            row["instant"],
            row["n_failed"],
            row["n_refused"],
            row["problem"],
        )
    return tuple(deliveries.values())


def queue(
    lake: Lake, pipeline: str, alerts: Iterable[tuple[Alert, Sequence[str]]], *, now: datetime
) -> tuple[Delivery, ...]:
    """Queue alerts for channels, in one commit; what is queued already stays as it is."""
    queued = {(delivery.alert.identity, delivery.channel) for delivery in read_outbox(lake, pipeline)}
    new = tuple(
        Delivery(alert, channel, "queued", now)
        for alert, channels in alerts
        for channel in channels
        if (alert.identity, channel) not in queued
    )
    if new:
        _append(lake, pipeline, new, now=now)
    return new


def record(lake: Lake, pipeline: str, deliveries: Sequence[Delivery], *, now: datetime) -> None:
    """Record what happened to deliveries, in one commit."""
    _append(lake, pipeline, deliveries, now=now)


def _append(lake: Lake, pipeline: str, deliveries: Sequence[Delivery], *, now: datetime) -> None:
    table = ALERTS.of(pipeline)
    first = lake.snapshot(table).n_rows if lake.has(table) else 0
    rows = [
        {
            "sequence": first + number,
            "instant": now,
            "alert_id": delivery.alert.identity,
            "channel": delivery.channel,
            "step": delivery.step,
            "n_failed": delivery.n_failed,
            "n_refused": delivery.n_refused,
            "problem": delivery.problem,
            "alert": alert_to_json(delivery.alert) if delivery.step == "queued" else None,
        }
        for number, delivery in enumerate(deliveries)
    ]
    lake.append(table, ALERTS.rows(rows), commit={"pipeline": pipeline})
    lake.compact(table, above=MAX_FILES)
