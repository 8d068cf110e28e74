"""Seasonal series with faults planted in one column: what names the column in its first window."""
