"""Learning: candidates trained on a training set, compared on the newest rows, judged by the gate.

Pure functions and values over Arrow and NumPy: encoding, splits, metrics, leaks, importances and
safe model files. Reads no lake or registry; the stage `model` does that.
"""
