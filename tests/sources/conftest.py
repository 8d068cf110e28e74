"""Fixtures of the room `sources`: a connection of the engine."""

from tests.fixtures.reading import connection

__all__ = ["connection"]
