"""Room assets/profiled."""
