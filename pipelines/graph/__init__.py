"""The lineage graph: Dagster assets, checks and partitions of a pipeline, and the stages that they call."""
