"""Room resources."""
