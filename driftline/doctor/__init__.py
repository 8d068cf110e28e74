"""`driftline doctor`: whether this machine, its settings and its servers let Driftline work, and the repair."""
