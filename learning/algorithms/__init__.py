"""Algorithms: one table of what can learn, a module a family of them, and the check of a declaration's parameters."""
