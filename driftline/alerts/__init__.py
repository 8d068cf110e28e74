"""`driftline alerts`: channels that are tried, incidents that are open, and silences."""
