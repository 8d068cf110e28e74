"""Kills and races at seeded places, counted against the source: `make chaos`."""
