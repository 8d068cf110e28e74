"""Dagster's instance of an installation: its home, its storage, and the processes of its runs."""
