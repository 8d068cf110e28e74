"""Room expectations."""
