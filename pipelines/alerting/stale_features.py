"""Stale features: views past their declared freshness, judged from what has arrived and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from declaration.alerts import IncidentKind, Signal
from pipelines.alerting.incidents import Facts

STALE: IncidentKind = "stale_features"

ACTION = "Nothing is stopped: models read values that are older than the declaration allows. Look at the source and the schedule."


@dataclass(frozen=True)
class NewestPartition:
    """The partition of a view that was made last.

    Attributes
    ----------
    view, freshness
        The view, and what its declaration allows.
    made_at
        When; None where none was ever made.
    partition
        Its key.
    behind
        What its check `freshness` found to be wrong; '' where it passed, or was not evaluated.
    """

    view: str
    freshness: timedelta
    made_at: datetime | None
    partition: str = ""
    behind: str = ""

    def found(self, now: datetime, ends: datetime | None) -> Signal | None:
        """Say what is wrong with it at an instant: that nothing follows it, or that its own events are old."""
        if self.made_at is None:
            return None
        # What was made after the last partition has ended is followed by none.
        is_last = ends is not None and self.made_at >= ends
        if now - self.made_at > self.freshness and not is_last:
            text = (
                f"no partition has arrived for {_told(self.freshness)}: the last, {self.partition or 'without a key'}, "
                f"was made at {self.made_at:%Y-%m-%d %H:%M %Z}."
            )
            return Signal(STALE, text, self.view)
        return (
            Signal(STALE, f"{self.behind} Allowed: {_told(self.freshness)}.", self.view)
            if self.behind
            else None
        )


def freshness_facts(
    pipeline: str,
    newest: Sequence[NewestPartition],
    *,
    now: datetime,
    ends: datetime | None = None,
    silences: Sequence[str] = (),
    link: str | None = None,
) -> Facts:
    """Say which views are stale at an instant.

    Parameters
    ----------
    pipeline
        Whose views.
    newest
        The newest partition of each view with a declared `freshness`.
    now
        With zone.
    ends
        End of the last declared partition; None where they go on.
    silences
        Reasons of the silences that hold now: when one ends, what it hid is looked at again.
    link
        Where the views are seen.

    Returns
    -------
    Facts
        One event for as long as the same is true: its identity holds what was made, and what is stale.
    """
    judged = {partition.view: partition.found(now, ends) for partition in newest}
    state = [(partition.view, partition.made_at, judged[partition.view] is not None) for partition in newest]
    mark = sha256(repr((sorted(state, key=lambda it: it[0]), sorted(silences))).encode()).hexdigest()[:16]
    signals = tuple(signal for signal in judged.values() if signal is not None)
    return Facts(
        pipeline=pipeline,
        event=f"freshness {mark}",
        position=now.isoformat(timespec="microseconds"),
        occurred_at=now,
        found=signals,
        judges=frozenset({STALE}),
        unknown=frozenset(partition.view for partition in newest if partition.made_at is None),
        action=ACTION if signals else "",
        link=link,
    )


def _told(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours / 24:g} days" if hours > 48 else f"{hours:g} h"
