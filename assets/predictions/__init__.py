"""Predictions: the champion's score of every row of a partition, beside the features it was computed from."""
