"""Alerting: incidents found in runs and reports, and the sensor that tells each once."""
