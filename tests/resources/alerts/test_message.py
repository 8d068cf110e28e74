"""What people are told, whatever the channel."""

from dataclasses import replace

import pytest

from declaration.text import MAX_LENGTH
from resources.alerts.message import alert_from_json, alert_to_json, is_at_least
from tests.fixtures.alerts import ALERT


def test_an_alert_is_written_and_read_again() -> None:
    assert alert_from_json(alert_to_json(ALERT)) == ALERT


def test_the_message_says_where_what_how_much_and_what_is_done() -> None:
    assert ALERT.subject == "[critical] flight_delays: Performance lost"
    assert ALERT.place == "flight_delays, window 2013-07-01"
    assert ALERT.lines == (*ALERT.findings, ALERT.action)


def test_beginning_and_end_have_identities_of_their_own() -> None:
    ends = [ALERT, replace(ALERT, state="resolved"), replace(ALERT, event="report 18")]
    assert len({alert.identity for alert in ends}) == 3
    assert replace(ALERT, title="told otherwise").identity == ALERT.identity


def test_many_findings_are_counted() -> None:
    many = replace(ALERT, findings=tuple(f"column_{n}: moved" for n in range(12)))
    assert many.lines[9:] == ("column_9: moved", "… and 2 more", ALERT.action)


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\x00", "\x1b", "\u2028", "\x85", "\ud800"])
def test_untrusted_text_stays_one_line(sign: str) -> None:
    evil = replace(ALERT, title=f"Drift{sign}Bcc: x", findings=(f"wind{sign}rain",), partition=f"a{sign}b")
    for line in (evil.subject, evil.place, *evil.lines):
        assert sign not in line
        line.encode()
    assert evil.lines[0] == "wind rain"


def test_a_long_finding_is_cut() -> None:
    line = replace(ALERT, findings=("x" * 1_000,)).lines[0]
    assert len(line) == MAX_LENGTH
    assert line.endswith("x…")


def test_severities_are_ordered() -> None:
    assert is_at_least("warning", "warning")
    assert not is_at_least("info", "warning")
