"""Postgres: URLs, and connections that wait for a server that is away."""
