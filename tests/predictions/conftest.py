"""Fixtures of the stage `predictions`: a training world."""

from tests.fixtures.training_world import world

__all__ = ["world"]
