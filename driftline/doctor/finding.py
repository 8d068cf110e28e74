"""Findings of `driftline doctor`: one line each, with the repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True)
class Diagnosis:
    """Result of one check.

    Attributes
    ----------
    check
        What was looked at: stable.
    verdict
        A warning does not stop the work; a fault does.
    text
        What was found.
    repair
        What to do; empty where it is ok.
    """

    check: str
    verdict: Verdict
    text: str
    repair: str = ""


def ok(check: str, text: str) -> Diagnosis:
    """Return that nothing is wrong."""
    return Diagnosis(check, "ok", text)


def warning(check: str, text: str, repair: str) -> Diagnosis:
    """Return what may become a fault."""
    return Diagnosis(check, "warning", text, repair)


def fault(check: str, text: str, repair: str) -> Diagnosis:
    """Return what stops the work."""
    return Diagnosis(check, "fault", text, repair)
