"""Algorithms: one table of them, a module for each family, and the check of a declaration's parameters."""
