"""Benchmarks: each runs the product beside its peer and its floor in one go, and prints ratios."""
