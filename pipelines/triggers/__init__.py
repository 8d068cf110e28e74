"""Triggers: schedules and sensors that start refreshes, retrains and reference reads for all pipelines."""
