"""The largest contributions to each row's raw score, as columns of names and values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from learning.explain.contributions import contributions
from learning.explain.raw_score import ExplanationError
from learning.fitted import FittedModel
from learning.metrics import Floats


def contribution_fields(n_parts: int) -> list[pa.Field]:
    """Return the columns of the largest contributions: the feature of each, and by how much it moved the raw score.

    Examples
    --------
    >>> [field.name for field in contribution_fields(2)]
    ['contribution_1_feature', 'contribution_1', 'contribution_2_feature', 'contribution_2']
    """
    fields = []
    for place in range(1, n_parts + 1):
        fields.append(pa.field(f"contribution_{place}_feature", pa.string()))
        fields.append(pa.field(f"contribution_{place}", pa.float64()))
    return fields


def contribution_columns(
    model: FittedModel,
    matrix: Floats,
    n_parts: int,
    *,
    centres: Floats | None,
    background: Floats | None = None,
) -> Mapping[str, pa.Array]:
    """Take each row's raw score apart, of many classes that of the likeliest, and keep the parts that moved it most.

    Parameters
    ----------
    model, matrix
        As for `contributions`; here there may be no rows.
    n_parts
        Parts to keep; those beyond the features are null.
    centres, background
        As for `contributions`.
    """
    n, fields = matrix.shape[0], contribution_fields(n_parts)
    if n == 0:
        return {field.name: pa.nulls(0, field.type) for field in fields}
    found = contributions(model, matrix, centres=centres, background=background)
    parts = found.parts[np.arange(n), :, found.raw.argmax(axis=1)]
    largest = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :n_parts]
    values, names = np.take_along_axis(parts, largest, axis=1), pa.array(found.names, pa.string())
    columns: list[pa.Array] = []
    for place in range(largest.shape[1]):
        columns += [names.take(pa.array(largest[:, place])), pa.array(values[:, place], pa.float64())]
    columns += [pa.nulls(n, field.type) for field in fields[len(columns) :]]
    return {field.name: column for field, column in zip(fields, columns, strict=True)}


def explanation_obstacle(model: FittedModel, background: Floats | None) -> str:
    """Say why a model's answers cannot be taken apart without estimates; '' where they can."""
    try:
        contributions(model, np.full((1, sum(model.encoding.widths)), np.nan), background=background)
    except ExplanationError as error:
        return str(error)
    return ""
