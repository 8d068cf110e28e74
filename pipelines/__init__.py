"""What runs: declarations, the compiler that turns them into a lineage graph, and automation."""
