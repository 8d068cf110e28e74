"""`driftline upload`: files that people put in the place where a dataset looks for them."""
