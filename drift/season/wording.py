"""Findings of relations and of the plain tests in words."""

from __future__ import annotations

import math

from drift.columns.findings import Finding


def relation_text(finding: Finding) -> str:
    """Describe a finding about a column's relations; '' for one of another kind.

    Examples
    --------
    >>> relation_text(Finding("level", 1.4, 1.4, 0.6, None, 0.6, value=-1.4))
    'lies 1.40 standard deviations below what the other columns and the calendar say; allowed 0.60'
    >>> relation_text(Finding("stuck", 40.0, 40.0, 3.0, None, 3.0))
    'stuck: 40 times narrower than the narrowest partition of the reference; allowed 3'
    """
    value, about = finding.value or 0.0, f"the share of '{finding.about}' " if finding.about else ""
    if finding.kind == "level":
        side = "above" if value > 0 else "below"
        return (
            f"{about}lies {finding.effect:.2f} standard deviations {side} what the other columns and the calendar "
            f"say; allowed {finding.threshold:.2f}"
        )
    if finding.kind == "slope":
        return (
            f"moves by {value:.2f} where the other columns and the calendar say 1; it may differ from what is usual "
            f"by {finding.threshold:.2f}, and does by {finding.effect:.2f}"
        )
    if finding.kind == "noise":
        ratio, allowed = math.exp(finding.effect), math.exp(finding.threshold)
        way = "more" if value > 0 else "less"
        return f"what the others do not explain scatters {ratio:.2f} times {way} than usual; allowed {allowed:.2f}"
    return _plain_text(finding)


def _plain_text(finding: Finding) -> str:
    if finding.kind == "stuck":
        return (
            f"stuck: {finding.effect:.3g} times narrower than the narrowest partition of the reference; "
            f"allowed {finding.threshold:.3g}"
        )
    if finding.kind == "too wide":
        return (
            f"{finding.effect:.3g} times wider than the widest partition of the reference; "
            f"allowed {finding.threshold:.3g}"
        )
    if finding.kind == "out of range":
        return (
            f"{finding.effect:.0%} of the rows lie outside of the reference's whole range; "
            f"allowed {finding.threshold:.0%}"
        )
    return ""


def short_relation_text(finding: Finding) -> str:
    """Describe such a finding in a few words; '' for one of another kind.

    Examples
    --------
    >>> short_relation_text(Finding("noise", math.log(2), math.log(2), math.log(1.5), None, 0.4, value=0.7))
    'unexplained scatter × 2'
    """
    value = finding.value or 0.0
    if finding.kind == "level":
        return f"{value:+.1f} sd from what the others say"
    if finding.kind == "slope":
        return f"follows the others by {value:.1f}"
    if finding.kind == "noise":
        return f"unexplained scatter × {math.exp(math.copysign(finding.effect, value)):.2g}"
    if finding.kind == "stuck":
        return "stuck"
    if finding.kind == "too wide":
        return f"{finding.effect:.2g} times wider"
    return "out of range" if finding.kind == "out of range" else ""
