"""Drift under season: a column judged by its regression on the other columns and the calendar."""
