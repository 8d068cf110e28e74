"""Training on more rows than memory holds: encoded once to a file, read in batches, judged on the newest rows."""
