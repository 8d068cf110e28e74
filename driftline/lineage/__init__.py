"""`driftline lineage`: what a column is made of and what is made of it, printed or as a page."""
