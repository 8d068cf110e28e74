"""The lake: Delta tables of an installation, written by one commit a partition and read at pinned versions."""
