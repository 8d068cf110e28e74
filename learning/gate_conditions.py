"""Conditions on a verdict of the gate: limits, naive baselines, and a person's approval, in this order.

They only ever keep a challenger that would serve from serving; none promotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from declaration.limits import BaselineRule
from learning.gate import GateVerdict
from learning.limits.finding import LimitFinding

DEFAULT_APPROVAL = timedelta(days=7)
"""Time in which a person decides, where `approve_within` does not say: a working week and a weekend."""


def with_limits(verdict: GateVerdict, findings: Sequence[LimitFinding]) -> GateVerdict:
    """Keep out a challenger that is beyond a limit; the findings stand in the verdict either way."""
    limited = replace(verdict, limits=tuple(findings))
    broken = [finding.text for finding in findings if finding.is_broken]
    if not (broken and verdict.is_promoted):
        return limited
    return replace(
        limited,
        is_promoted=False,
        outcome="beyond a limit",
        explanation=f"{verdict.explanation}, but {'; '.join(broken)}",
    )


def with_baselines(
    verdict: GateVerdict, rule: BaselineRule, *, beats: bool, champion_beats: bool | None
) -> GateVerdict:
    """Keep out a challenger that does not surely beat the naive baselines, where the rule asks for that.

    Parameters
    ----------
    verdict
        So far.
    rule
        As declared. By default only a champion that beats them is kept from being replaced: of two models that do
        not, the better one serves.
    beats
        The challenger surely beats them, or is one that serves.
    champion_beats
        The champion does; None where none was compared.
    """
    is_asked = rule == "always" or (rule == "if_champion_does" and champion_beats is True)
    if beats or not is_asked or not verdict.is_promoted:
        return verdict
    than = ", as the champion is" if champion_beats else ""
    return replace(
        verdict,
        is_promoted=False,
        outcome="no better than naive",
        explanation=f"{verdict.explanation}, but not surely better than a naive forecast{than}",
    )


def with_approval(
    verdict: GateVerdict, *, pipeline: str, version: int, clock: datetime, within: timedelta | None
) -> GateVerdict:
    """Let a challenger that would serve wait for a person.

    Parameters
    ----------
    verdict
        Of all that needs no person.
    pipeline, version
        What a person promotes.
    clock
        Instant of the decision (UTC).
    within
        Time to decide; None for the default.
    """
    if not verdict.is_promoted:
        return verdict
    until = clock + (within or DEFAULT_APPROVAL)
    return replace(
        verdict,
        is_promoted=False,
        outcome="waits for approval",
        approve_until=until.isoformat(),
        explanation=f"{verdict.explanation}; waits until {until:%Y-%m-%d %H:%M} UTC for a person: "
        f"driftline model promote {pipeline} {version} --reason …",
    )
