"""Validation by Great Expectations, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from declaration.datasets import DatasetSpec
from expectations import ExpectationResult, evaluate

if TYPE_CHECKING:
    import duckdb


class Validation(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Great Expectations over the engine's tables; nothing is stored or sent anywhere."""

    n_examples: int = Field(default=20, ge=0, le=1000)
    """Unexpected values to report per rule; 0 keeps values out of metadata and logs."""

    def validate_rows(
        self, connection: duckdb.DuckDBPyConnection, relation: str, dataset: DatasetSpec
    ) -> tuple[ExpectationResult, ...]:
        """Evaluate a dataset's expectations on all rows of a relation, in declared order.

        Raises
        ------
        ExpectationError
            If the relation cannot be read.
        """
        return evaluate(connection, relation, dataset.expectations, n_examples=self.n_examples)
