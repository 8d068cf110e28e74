"""Room assets/model."""
