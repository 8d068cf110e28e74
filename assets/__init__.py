"""Stages of a pipeline, a folder each: raw, profiled, features, labels, training set, model, predictions, drift report."""
