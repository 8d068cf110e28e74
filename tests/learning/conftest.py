"""Fixtures of the room `learning`: training sets and quick candidates."""

from tests.fixtures.training_world import few_trees, make_training_table

__all__ = ["few_trees", "make_training_table"]
