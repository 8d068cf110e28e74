"""`driftline model`: the versions of a pipeline's models, and which of them serves."""
