"""The model registry: MLflow's versions and aliases, and the ledger of decisions that they follow."""
