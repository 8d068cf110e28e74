"""Incidents begin, are told once, and end by themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.alerts import IncidentKind, Signal
from declaration.spec import PipelineSpec
from pipelines.alerting.incidents import AlertPolicy, Facts, Silence, advance, alert_policy
from resources.alerts.incident_log import Incidents
from resources.alerts.message import Alert

NOW = datetime(2024, 3, 1, tzinfo=UTC)
DRIFT: frozenset[IncidentKind] = frozenset({"feature_drift"})


def window(number: int, *features: str, event: str = "", judges: frozenset[IncidentKind] = DRIFT) -> Facts:
    """Return the report of the n-th window, in which some features drifted."""
    return Facts(
        pipeline="p",
        event=event or f"report {number}",
        position=f"w{number:03}",
        partition=f"w{number:03}",
        occurred_at=NOW + timedelta(days=number),
        found=tuple(Signal("feature_drift", f"KS distance 0.3{number}", feature) for feature in features),
        judges=judges,
        action="Nothing is trained.",
    )


def told(policy: AlertPolicy, *events: Facts, now: datetime = NOW) -> tuple[Incidents, list[Alert]]:
    """Take events into account one after the other."""
    state, alerts = Incidents(), list[Alert]()
    for facts in events:
        state, more = advance(state, facts, policy, now)
        alerts += more
    return state, alerts


def states(alerts: list[Alert]) -> list[tuple[str, str | None]]:
    return [(alert.state, alert.partition) for alert in alerts]


def test_an_incident_is_told_once_and_its_end_once() -> None:
    _, alerts = told(AlertPolicy(), window(1, "wind"), window(2, "wind"), window(3), window(4))
    assert states(alerts) == [("firing", "w001"), ("resolved", "w003")]
    assert alerts[0].findings == ("wind: KS distance 0.31",)
    assert alerts[1].findings == ("wind: not seen in the newest window; it began in w001.",)


def test_an_incident_that_comes_back_is_a_new_one() -> None:
    _, alerts = told(AlertPolicy(), window(1, "wind"), window(2), window(3, "wind"))
    assert states(alerts) == [("firing", "w001"), ("resolved", "w002"), ("firing", "w003")]
    assert len({alert.identity for alert in alerts}) == 3


def test_incidents_of_a_kind_that_begin_together_are_one_alert() -> None:
    _, alerts = told(AlertPolicy(), window(1, "wind", "rain"), window(2, "wind", "snow"))
    assert [alert.findings for alert in alerts] == [
        ("wind: KS distance 0.31", "rain: KS distance 0.31"),
        ("snow: KS distance 0.32",),
        ("rain: not seen in the newest window; it began in w001.",),
    ]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("x", []),
        ("x.x", [("firing", "w003")]),
        ("x..x", []),
        ("xx", [("firing", "w002")]),
        # In w003 and w004 one of the last three has it still; in w005 none.
        ("xx...", [("firing", "w002"), ("resolved", "w005")]),
        ("x...xx", [("firing", "w006")]),
    ],
)
def test_two_of_the_last_three_windows(seen: str, expected: list[tuple[str, str]]) -> None:
    events = [window(n, *(["wind"] if mark == "x" else [])) for n, mark in enumerate(seen, start=1)]
    assert states(told(AlertPolicy(2, 3), *events)[1]) == expected


def test_before_it_fires_an_incident_is_pending() -> None:
    state, _ = told(AlertPolicy(2, 3), window(1, "wind"))
    assert state.by_key["feature_drift", "wind"].state == "pending"


def test_a_window_that_cannot_tell_is_no_sign_of_health() -> None:
    blind = window(2, judges=frozenset())
    state, alerts = told(AlertPolicy(), window(1, "wind"), blind, replace(blind, position="w003"))
    assert states(alerts) == [("firing", "w001")]
    assert state.by_key["feature_drift", "wind"].state == "firing"


def test_a_feature_that_cannot_be_judged_stays_as_it_is() -> None:
    unknown = replace(window(2), unknown=frozenset({"wind"}))
    _, alerts = told(AlertPolicy(), window(1, "wind", "rain"), unknown)
    assert [alert.findings for alert in alerts[1:]] == [
        ("rain: not seen in the newest window; it began in w001.",)
    ]


def test_a_window_that_is_repaired_and_run_again_resolves_its_incident() -> None:
    _, alerts = told(AlertPolicy(), window(1, "wind"), window(1, event="report again"))
    assert states(alerts) == [("firing", "w001"), ("resolved", "w001")]


def test_an_old_window_that_is_run_again_says_nothing_of_the_present() -> None:
    old = window(1, "wind", event="backfill")
    state, alerts = told(AlertPolicy(), window(1), window(2), old)
    assert not alerts
    assert not state.by_key
    # It is one of the last two: there it counts.
    assert states(told(AlertPolicy(1, 2), window(1), window(2), old)[1]) == [("firing", "w001")]


def test_what_is_silenced_is_recorded_and_not_told() -> None:
    silence = Silence("feature_drift", "wind", NOW + timedelta(days=1), "new sensors")
    policy = AlertPolicy(silences=(silence,))
    state, alerts = told(policy, window(1, "wind", "rain"))
    assert [alert.findings for alert in alerts] == [("rain: KS distance 0.31",)]
    incident = state.by_key["feature_drift", "wind"]
    assert (incident.state, incident.silence, incident.is_told) == ("firing", "new sensors", False)


def test_an_incident_that_outlasts_its_silence_is_told() -> None:
    policy = AlertPolicy(silences=(Silence(None, None, NOW + timedelta(days=1), "maintenance"),))
    state, alerts = told(policy, window(1, "wind"))
    assert not alerts
    _, late = advance(state, window(2, "wind"), policy, NOW + timedelta(days=2))
    assert states(list(late)) == [("firing", "w002")]


def test_a_failed_run_fires_at_once_and_is_resolved_by_the_next_that_succeeds() -> None:
    kinds: frozenset[IncidentKind] = frozenset({"refresh_failed"})
    failed = Facts("p", "run a", "2024-01-01T00", NOW, (Signal("refresh_failed", "disk full"),), kinds)
    again = replace(failed, event="run b", position="2024-01-02T00")
    earlier = replace(failed, event="run 0", position="2023-12-31T00", found=())
    sound = replace(failed, event="run c", position="2024-01-03T00", found=())
    _, alerts = told(AlertPolicy(3, 5), failed, again, earlier, sound)
    assert [(alert.state, alert.severity) for alert in alerts] == [
        ("firing", "critical"),
        ("resolved", "critical"),
    ]


def test_silences_end_by_the_pipelines_clock() -> None:
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"start": "2024-01-01", "timezone": "America/New_York"},
            "datasets": {"d": {"source": {"type": "csv", "path": "d.csv"}, "columns": {"a": "int"}}},
            "alerts": {"silences": [{"kind": "performance", "until": "2024-06-01", "reason": "known"}]},
        }
    )
    (silence,) = alert_policy(spec).silences
    assert silence.until == datetime(2024, 6, 1, 4, tzinfo=UTC)


FEATURES = ("a", "b")
histories = st.lists(
    st.tuples(st.integers(1, 12), st.sets(st.sampled_from(FEATURES)), st.booleans()), min_size=1, max_size=25
)
"""Reports in any order, windows run again included, some of which cannot tell."""
policies = st.integers(1, 4).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n)))


def reports(history: list[tuple[int, set[str], bool]]) -> list[Facts]:
    return [
        window(number, *sorted(features), event=f"e{at}", judges=DRIFT if tells else frozenset())
        for at, (number, features, tells) in enumerate(history)
    ]


@given(histories, policies)
def test_firing_and_resolved_take_turns(
    history: list[tuple[int, set[str], bool]], counts: tuple[int, int]
) -> None:
    _, alerts = told(AlertPolicy(*counts), *reports(history))
    for feature in FEATURES:
        mine = [a.state for a in alerts if any(line.startswith(f"{feature}:") for line in a.findings)]
        assert mine == (["firing", "resolved"] * len(mine))[: len(mine)]
    assert len({alert.identity for alert in alerts}) == len(alerts)


@given(histories, policies)
def test_n_sound_windows_resolve_everything(
    history: list[tuple[int, set[str], bool]], counts: tuple[int, int]
) -> None:
    sound = [window(100 + number) for number in range(counts[1])]
    state, alerts = told(AlertPolicy(*counts), *reports(history), *sound)
    assert all(one.state == "resolved" for one in state.by_key.values())
    n_firing, n_resolved = (
        sum(len(alert.findings) for alert in alerts if alert.state == name) for name in ("firing", "resolved")
    )
    assert n_firing == n_resolved


@given(histories, policies)
def test_silence_tells_nothing_and_records_the_same(
    history: list[tuple[int, set[str], bool]], counts: tuple[int, int]
) -> None:
    silence = Silence("feature_drift", None, NOW + timedelta(days=1), "known")
    silent, alerts = told(AlertPolicy(*counts, silences=(silence,)), *reports(history))
    loud, _ = told(AlertPolicy(*counts), *reports(history))
    assert not alerts
    assert {key: one.state for key, one in silent.by_key.items()} == {
        key: one.state for key, one in loud.by_key.items()
    }


@given(st.lists(st.booleans(), min_size=1, max_size=20), policies)
def test_in_order_the_states_are_those_of_counting(marks: list[bool], counts: tuple[int, int]) -> None:
    wanted, length = counts
    state, is_firing = Incidents(), False
    for number, is_bad in enumerate(marks):
        state, _ = advance(state, window(number, *(["a"] if is_bad else [])), AlertPolicy(*counts), NOW)
        n_seen = sum(marks[max(0, number + 1 - length) : number + 1])
        is_firing = n_seen >= wanted or (is_firing and n_seen > 0)
        assert [one.feature for one in state.firing] == (["a"] if is_firing else [])
