"""Inputs that once went wrong, kept beside the project."""
