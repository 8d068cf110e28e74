"""Extrapolation: rows of a window outside what a model learned from; `outside` judges counts, `scan` makes them."""
