"""Fixtures of the contracts: quick candidates, and a connection of the engine."""

from tests.fixtures.reading import connection
from tests.fixtures.training_world import few_trees

__all__ = ["connection", "few_trees"]
