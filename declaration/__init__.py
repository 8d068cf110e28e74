"""Values of a declaration: what a `defs.yaml` may say, as frozen typed values, a file a block.

Errors, names, types, partitions and windows, and the SQL that follows from a declaration alone
stand here too. Nothing in this room reads a file, knows Dagster or speaks to a vendor.
"""
