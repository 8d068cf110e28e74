"""Imports of everything that a run imports late, so that a forked child has it already; nothing is used before the fork."""

from importlib import import_module

LATE = (
    "alembic.migration",
    "deltalake",
    "duckdb",
    "feast.infra.online_stores.sqlite",
    "feast.infra.registry.sql",
    "feast.repo_operations",
    "feature_repo.asof_store",
    "feature_repo.online_sqlite",
    "fsspec",
    "great_expectations",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "pyarrow.acero",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "skops.io",
    "sqlglot.optimizer",
    "upath",
)


def warm() -> None:
    """Import them."""
    for name in LATE:
        import_module(name)
