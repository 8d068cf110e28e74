"""Training sets: the labels known as of a partition's end, joined with features point in time."""
