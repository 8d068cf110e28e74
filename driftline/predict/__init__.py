"""TODO room driftline/predict."""
