"""Labels: prediction instants, entity keys, and the truth once it is known."""
