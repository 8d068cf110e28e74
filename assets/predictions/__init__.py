"""Room assets/predictions."""
