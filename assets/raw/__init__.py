"""Room assets/raw."""
