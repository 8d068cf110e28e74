"""Check of `known_at`: its expression must be computable from the dataset's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind
from declaration.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb


def known_at_fault(connection: duckdb.DuckDBPyConnection, pipeline: Pipeline, view: str) -> str | None:
    """Find a `known_at` behind a view that fails on the rows as they are; None where all can be computed.

    Parameters
    ----------
    connection
        Where the datasets behind the view are temporary tables or views of their names.
    pipeline, view
        Whose datasets.
    """
    import duckdb

    spec = pipeline.spec
    for name in datasets_behind(pipeline, pipeline.sql[spec.features[view].sql]):
        dataset = spec.datasets[name]
        for column in dataset.columns:
            known_at = dataset.column(column).known_at
            if known_at is None:
                continue
            try:
                connection.sql(
                    f"SELECT max({known_at}) FROM temp.main.{quote_identifier(name)} AS {quote_identifier(name)}"
                ).fetchall()
            except duckdb.Error as error:
                message = " ".join(str(error).split())
                return f"datasets.{name}.columns.{column}.known_at fails on the dataset's rows: {message}"
    return None
