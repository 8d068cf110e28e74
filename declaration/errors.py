"""Root of every error that Driftline raises."""

from __future__ import annotations


class DriftlineError(Exception):
    """Root of every error we raise: says what happened, where, and how to repair it."""
