"""Room assets/features."""
