"""TODO room driftline/dev."""
