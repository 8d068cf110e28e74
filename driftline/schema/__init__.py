"""`driftline schema`: schemas of datasets planned, applied, looked back at, exported and imported."""
