"""From a file to a declaration: what `dg scaffold defs pipelines.MLPipeline` writes."""
