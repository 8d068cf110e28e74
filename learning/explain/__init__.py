"""Explanation of a model: what it rests on, how its answers move with a feature, and where it errs."""
