"""One suite over every implementation of a kind, whose parameters are the product's own table: what is added is tested."""
