"""Errors of places that scores are written to."""

from __future__ import annotations

from declaration.errors import DriftlineError


class ScoreTargetError(DriftlineError):
    """Scores cannot be written to a declared place."""
