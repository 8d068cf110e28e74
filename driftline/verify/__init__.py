"""`driftline verify`: whether an installation is whole: what Dagster, lake, ledger, registry and online store say of each other."""
