"""Features: the rows of each feature view, checked for keys and lookahead, and loaded into the online store."""
