"""Conditions on a verdict: they keep challengers out, and never let one in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from declaration.limits import BaselineRule
from learning.gate import GateVerdict
from learning.gate_conditions import with_approval, with_baselines, with_limits
from learning.limits.cost import judge_size

PASSED = GateVerdict(True, "ahead", "log loss lower by 0.1")
KEPT = GateVerdict(False, "behind", "log loss higher by 0.1: no better than the champion")


def test_a_limit_that_is_kept_changes_nothing_but_the_evidence() -> None:
    found = with_limits(PASSED, [judge_size(1_000, 1.0)])
    assert (found.is_promoted, found.outcome, found.explanation) == (True, "ahead", PASSED.explanation)
    assert [finding.is_broken for finding in found.limits] == [False]


def test_a_broken_limit_keeps_the_challenger_out() -> None:
    found = with_limits(PASSED, [judge_size(2_000_000, 1.0)])
    assert (found.is_promoted, found.outcome) == (False, "beyond a limit")
    assert found.explanation == (
        "log loss lower by 0.1, but size of the model file in MB is 2, model.gate.max_size_mb asks for at most 1"
    )


def test_what_was_kept_out_already_keeps_its_reason() -> None:
    found = with_limits(KEPT, [judge_size(2_000_000, 1.0)])
    assert (found.outcome, found.explanation) == ("behind", KEPT.explanation)
    assert found.limits[0].is_broken


@pytest.mark.parametrize(
    ("rule", "beats", "champion_beats", "is_promoted"),
    [
        ("if_champion_does", False, True, False),
        ("if_champion_does", False, False, True),
        # The first model: nothing else serves.
        ("if_champion_does", False, None, True),
        ("if_champion_does", True, True, True),
        ("always", False, None, False),
        ("always", False, False, False),
        ("always", True, None, True),
        ("never", False, True, True),
    ],
)
def test_who_must_beat_the_naive_forecasts(
    rule: BaselineRule, *, beats: bool, champion_beats: bool | None, is_promoted: bool
) -> None:
    found = with_baselines(PASSED, rule, beats=beats, champion_beats=champion_beats)
    assert found.is_promoted == is_promoted
    assert found.outcome == ("ahead" if is_promoted else "no better than naive")


def test_the_reason_says_how_the_champion_does() -> None:
    found = with_baselines(PASSED, "if_champion_does", beats=False, champion_beats=True)
    assert found.explanation.endswith("but not surely better than a naive forecast, as the champion is")


def approved(verdict: GateVerdict, within: timedelta | None = timedelta(days=3)) -> GateVerdict:
    clock = datetime(2024, 2, 1, 12, tzinfo=UTC)
    return with_approval(verdict, pipeline="returns", version=4, clock=clock, within=within)


def test_what_passes_waits_for_a_person_until_an_instant() -> None:
    found = approved(PASSED)
    assert (found.is_promoted, found.outcome) == (False, "waits for approval")
    assert found.approve_until == "2024-02-04T12:00:00+00:00"
    assert found.explanation == (
        "log loss lower by 0.1; waits until 2024-02-04 12:00 UTC for a person: driftline model promote returns 4 --reason …"
    )
    assert approved(PASSED, None).approve_until == "2024-02-08T12:00:00+00:00"


def test_what_does_not_pass_asks_nobody() -> None:
    assert approved(KEPT) == KEPT
