"""Fixtures of drift reports: six months to learn from, then months that may be moved."""

from tests.fixtures.drift_world import world

__all__ = ["world"]
