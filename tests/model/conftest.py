"""Fixtures of the stage `model`: a training world and quick candidates."""

from tests.fixtures.training_world import few_trees, make_training_table, world

__all__ = ["few_trees", "make_training_table", "world"]
