"""The engine: DuckDB sessions with bounded memory that reach the lake and a source alone."""
