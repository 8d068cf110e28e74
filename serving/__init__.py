"""Asking a model: rows of the target's dataset in, the features of training and the champion's prediction out."""

from serving.predictor import Answer, ServedFeatures, Serving, open_serving

__all__ = ["Answer", "ServedFeatures", "Serving", "open_serving"]
