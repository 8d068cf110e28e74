"""Drift: what moved between a reference window and a current window, what it costs, and whether to retrain.

Pure functions and values: sketches of windows, tests of single columns and of all columns together,
realised and estimated performance, and the decision to retrain. Reads no lake, registry or clock.
"""
