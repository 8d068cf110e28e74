"""Drift of all columns together: a classifier that tells the current window from the reference, and its verdict."""
