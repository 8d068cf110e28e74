"""The table of incidents gives back what was recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from resources.alerts.incident_log import (
    INCIDENTS,
    EventRead,
    Incident,
    IncidentLog,
    Incidents,
    append_incidents,
    read_incidents,
)
from resources.lake.lake import Lake

NOW = datetime(2024, 2, 1, tzinfo=UTC)
WIND = Incident(
    "feature_drift", "wind", "warning", "firing", NOW, "w1", ("w1",), ("w1",), "KS distance 0.31", True, "known"
)  # fmt: skip
BROKEN = Incident("broken_data", "", "critical", "pending", NOW, "w1", ("w1",), ("w1",), "quality 0.2")


def read(event: str, position: str) -> EventRead:
    return EventRead(event, position, frozenset({"feature_drift", "broken_data"}))


def test_a_pipeline_without_incidents_has_an_empty_log(tmp_path: Path) -> None:
    assert read_incidents(Lake(root=str(tmp_path)), "p") == IncidentLog(Incidents(), frozenset())


def test_the_state_is_that_of_the_newest_event(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    first = Incidents({WIND.key: WIND, BROKEN.key: BROKEN})
    append_incidents(lake, "p", read("e1", "w1"), Incidents(), first, now=NOW)
    ended = replace(WIND, state="resolved", judged=("w2",), seen=())
    second = Incidents({WIND.key: ended, BROKEN.key: BROKEN})
    append_incidents(lake, "p", read("e2", "w2"), first, second, now=NOW)
    log = read_incidents(lake, "p")
    assert log.events == {"e1", "e2"}
    assert log.incidents.by_key == {BROKEN.key: BROKEN}
    assert log.incidents.windows == {"feature_drift": ("w1", "w2"), "broken_data": ("w1", "w2")}


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    state = Incidents({WIND.key: WIND})
    append_incidents(lake, "p", read("e1", "w1"), Incidents(), state, now=NOW)
    append_incidents(lake, "p", read("e2", "w2"), state, state, now=NOW)
    # A row for each event, one for the incident.
    assert lake.snapshot(INCIDENTS.of("p")).n_rows == 3
