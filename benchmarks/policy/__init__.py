"""Retraining policies on streams with known changes: ours beside the plain ones, judged by the same rows."""
