"""Search for settings: ranges, the trials that are kept, and the choice of the best on rows that do not judge."""
