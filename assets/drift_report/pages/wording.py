"""Headlines of decisions, and the tags that show how grave they are."""

from __future__ import annotations

from collections.abc import Mapping

from drift.retraining.policy import Reason
from drift.wording import without_headline

HEADLINES: Mapping[Reason, str] = {
    "no_champion": "Train the first model",
    "performance": "Retrain: the champion has surely lost performance",
    "drift": "Retrain: the inputs have surely drifted",
    "schedule": "Retrain: the champion has reached its age",
    "none": "Nothing asks for training",
    "rolled_back": "Rolled back: the champion before serves again",
    "broken_data": "Blocked: the data is broken",
    "cooldown": "Waiting: a training was asked for, and cooldown holds it back",
    "watched": "Nothing has surely moved",
    "watched_drift": "Drift: the data has surely moved",
    "watched_likely": "Drift is likely: the data has moved, perhaps not by as much as counts",
    "few_labels": "Waiting: a training was asked for, and labels are too few",
    "approval": "Waiting: a person decides whether the first model serves",
}

TAGS: Mapping[str, str] = {
    "critical": "bad",
    "warning": "wait",
    "drifted": "bad",
    "likely": "wait",
    "cannot be judged": "mute",
    "insufficient data": "mute",
    "ignored": "mute",
    "not judged": "mute",
    "kept": "mute",
    "rolled back": "bad",
    "archived": "mute",
    "reproduced": "mute",
    "not readable": "bad",
}
"""Colour of a tag by its word; any other is calm."""


def headline_of(reason: str) -> str:
    """Return a decision's reason in words; one that another version of the software wrote stays as it is."""
    return next((text for key, text in HEADLINES.items() if key == reason), reason)


def lead_of(headline: str, reason: str) -> str:
    """Return the headline that a report leads with; reports of earlier releases have none, and lead with the reason."""
    return headline or f"{headline_of(reason)}."


def verdict_text(headline: str, reason: str, explanation: str) -> str:
    """Return a decision as sentences: its headline, and why."""
    lead = lead_of(headline, reason)
    return f"{lead} {without_headline(explanation, lead)}".strip()


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "window"), counted(1200, "window")
    ('1 window', '1,200 windows')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
