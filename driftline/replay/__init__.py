"""`driftline replay`: a pipeline's past partitions in order, with the decisions that sensors would have taken."""
