"""`driftline preview`: what a declaration will do, on a sample, before anything is run."""
