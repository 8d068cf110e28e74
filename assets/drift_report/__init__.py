"""Room assets/drift_report."""
