"""Room feature_repo."""
