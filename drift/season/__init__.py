"""Drift under season: a column judged by what the other columns and the calendar say of it."""
