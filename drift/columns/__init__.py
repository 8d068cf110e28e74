"""Drift of single columns: distances, their bounds under sampling and reference variation, and the verdict of each."""
