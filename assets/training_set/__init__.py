"""Room assets/training_set."""
