"""`driftline init`: a new project, from templates."""
