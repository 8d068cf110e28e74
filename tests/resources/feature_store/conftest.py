"""Fixtures of the feature store: a view on each kind of online store."""

from tests.fixtures.served_world import world

__all__ = ["world"]
