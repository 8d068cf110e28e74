"""`driftline features`: what a declaration changes of the registered features, shown or applied."""
