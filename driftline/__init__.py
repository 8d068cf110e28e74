"""TODO room driftline."""
