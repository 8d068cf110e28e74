"""The feature store: Feast's registry and offline store behind Driftline's words."""
