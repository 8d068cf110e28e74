"""Room assets/labels."""
