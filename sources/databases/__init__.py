"""Databases asked for rows: one module each for Postgres, SQLite, DuckDB files, and what SQLAlchemy speaks to."""
