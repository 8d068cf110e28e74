"""`driftline run`: one partition, in this process."""
