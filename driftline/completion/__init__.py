"""`driftline completion`: commands, options, pipelines and partitions, completed by the shell."""
