"""Serving: rows of the target's dataset in, the features of training and the champion's prediction out."""

from serving.predictor import Prediction, ServedFeatures, Serving, open_serving

__all__ = ["Prediction", "ServedFeatures", "Serving", "open_serving"]
