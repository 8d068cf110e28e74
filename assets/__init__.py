"""Room assets."""
