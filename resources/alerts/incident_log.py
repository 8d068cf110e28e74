"""Incident log: what is wrong with a pipeline at present, and since when; append-only rows in the lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

import pyarrow as pa

from declaration.alerts import IncidentKind
from declaration.lake_table import LakeTable
from declaration.types import Severity
from resources.lake.lake import MAX_FILES, Lake

IncidentState = Literal["pending", "firing", "resolved"]
IncidentKey = tuple[IncidentKind, str]
"""Kind and feature; the feature is '' for kinds that have none."""

MAX_WINDOWS = 100
"""Windows that `alerts.of_last` may look back upon."""

INSTANT = pa.timestamp("us", tz="UTC")

INCIDENTS = LakeTable(
    "incidents",
    pa.schema(
        [
            ("sequence", pa.int64()),
            ("instant", INSTANT),
            ("event", pa.string()),
            ("position", pa.string()),
            ("judges", pa.list_(pa.string())),
            ("kind", pa.string()),
            ("feature", pa.string()),
            ("severity", pa.string()),
            ("state", pa.string()),
            ("opened_at", INSTANT),
            ("opened_in", pa.string()),
            ("judged", pa.list_(pa.string())),
            ("seen", pa.list_(pa.string())),
            ("text", pa.string()),
            ("is_told", pa.bool_()),
            ("silence", pa.string()),
        ]
    ),
)
"""Each event that was read has a row without a kind, which says
what it `judges`, and a row for every incident that it changed, as it is then."""


@dataclass(frozen=True)
class Incident:
    """One thing that is or was wrong.

    Attributes
    ----------
    kind, feature
        What; the feature is '' for kinds that have none.
    severity
        How much a person should care.
    state
        `pending` until it was seen in enough windows, `firing` until it is in none of the newest ones.
    opened_at, opened_in
        When it was first read, and the window in which it was first seen.
    judged, seen
        The newest windows that tell, in order, and those of them in which it is.
    text
        What was found the last time, by how much.
    is_told
        An alert was made of its firing.
    silence
        Reason of the silence that holds for it; '' when none does.
    """

    kind: IncidentKind
    feature: str
    severity: Severity
    state: IncidentState
    opened_at: datetime
    opened_in: str
    judged: tuple[str, ...]
    seen: tuple[str, ...]
    text: str
    is_told: bool = False
    silence: str = ""

    @property
    def key(self) -> IncidentKey:
        """Kind and feature."""
        return self.kind, self.feature


@dataclass(frozen=True)
class Incidents:
    """The incidents of one pipeline after some event.

    Attributes
    ----------
    by_key
        Those that are pending or firing, and those that the event resolved.
    windows
        Positions of the newest events that judged a kind, in order, at most `MAX_WINDOWS`.
    """

    by_key: Mapping[IncidentKey, Incident] = field(default_factory=dict)
    windows: Mapping[IncidentKind, tuple[str, ...]] = field(default_factory=dict)

    @property
    def firing(self) -> tuple[Incident, ...]:
        """Incidents that are firing, in order of their keys."""
        return tuple(incident for _, incident in sorted(self.by_key.items()) if incident.state == "firing")


@dataclass(frozen=True)
class IncidentLog:
    """Content of the incident table: the state, and the events that were read."""

    incidents: Incidents
    events: frozenset[str]


@dataclass(frozen=True)
class EventRead:
    """The event that led from one state to the next.

    Attributes
    ----------
    event
        Its identity.
    position
        Where it stands among its like: the window, or the instant of a run.
    judges
        Kinds of incidents that it tells about.
    """

    event: str
    position: str
    judges: frozenset[IncidentKind]


def counted_windows(positions: Iterable[str]) -> tuple[str, ...]:
    """Return the newest positions in order, as many as may count."""
    return tuple(sorted(positions)[-MAX_WINDOWS:])


def read_incidents(lake: Lake, pipeline: str) -> IncidentLog:
    """Return a pipeline's incidents as its newest event left them."""
    table = INCIDENTS.of(pipeline)
    if not lake.has(table):
        return IncidentLog(Incidents(), frozenset())
    by_key: dict[IncidentKey, Incident] = {}
    windows: dict[IncidentKind, set[str]] = defaultdict(set)
    events = set()
    for row in lake.read(table).sort_by("sequence").to_pylist():
        if row["kind"] is not None:
            by_key[row["kind"], row["feature"]] = _incident(row)
            continue
        events.add(row["event"])
        for kind in row["judges"]:
            windows[kind].add(row["position"])
    unresolved = {key: incident for key, incident in by_key.items() if incident.state != "resolved"}
    counted = {kind: counted_windows(positions) for kind, positions in windows.items()}
    return IncidentLog(Incidents(unresolved, counted), frozenset(events))


def append_incidents(
    lake: Lake, pipeline: str, read: EventRead, before: Incidents, after: Incidents, *, now: datetime
) -> None:
    """Record an event and the incidents it changed, in one commit; earlier rows are never changed."""
    table = INCIDENTS.of(pipeline)
    first = lake.snapshot(table).n_rows if lake.has(table) else 0
    changed = [
        incident for key, incident in sorted(after.by_key.items()) if before.by_key.get(key) != incident
    ]
    plain = {"instant": now, "event": read.event, "position": read.position}
    rows = [
        {**plain, "judges": sorted(read.judges)},
        *({**plain, **asdict(incident)} for incident in changed),
    ]
    numbered = [{"sequence": first + number, **row} for number, row in enumerate(rows)]
    lake.append(
        table,
        INCIDENTS.rows(numbered),
        commit={"pipeline": pipeline, "event": read.event},
    )
    lake.compact(table, above=MAX_FILES)


def _incident(row: Mapping[str, object]) -> Incident:
    fields = {name: row[name] for name in Incident.__dataclass_fields__}
    return Incident(
        **{**fields, "judged": tuple(row["judged"]), "seen": tuple(row["seen"])}  # type: ignore[arg-type]  # As the schema says.
    )
