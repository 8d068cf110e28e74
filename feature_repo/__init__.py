"""Feast's feature repository: an offline store, online stores and the objects of a pipeline."""
