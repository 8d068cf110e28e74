"""`driftline dev`: web UI and daemon on one machine, behind a guard."""
