"""Differences: a model learns the label's change against a known value, and its answers are values again.

What is compared with is a feature, so that training, batch and online scoring read it alike. Every score that leaves a model is in
the label's own unit: metrics, intervals, the gate and reports know nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from declaration.errors import DriftlineError
from declaration.forecast import BEFORE, BEFORE_COLUMN, DifferenceKind, DifferenceSpec
from learning.algorithms.rows import FitRows
from learning.encode import FeatureEncoding
from learning.metrics import Floats


class DifferenceError(DriftlineError):
    """No change can be learned from the rows as they are."""


@dataclass(frozen=True)
class Difference:
    """Change that a model learns.

    Attributes
    ----------
    column
        Place of the value before among the encoded features.
    by
        How the change is measured.
    otherwise
        What stands for a value that is not known, or that is no divisor: the mean of the labels learned from.
    """

    column: int
    by: DifferenceKind
    otherwise: float

    def values_before(self, matrix: Floats) -> Floats:
        """Return what each row is compared with. Shape (n,)."""
        values = matrix[:, self.column]
        is_known = values > 0 if self.by == "ratio" else ~np.isnan(values)
        return np.where(is_known, values, self.otherwise)

    def undone(self, changes: Floats, matrix: Floats) -> Floats:
        """Return values from changes.

        Examples
        --------
        >>> before = np.array([[10.0], [np.nan]])
        >>> Difference(0, "subtraction", 4.0).undone(np.array([1.0, 1.0]), before).tolist()
        [11.0, 5.0]
        >>> Difference(0, "ratio", 4.0).undone(np.array([1.5, 1.5]), before).tolist()
        [15.0, 6.0]
        """
        before = self.values_before(matrix)
        return changes * before if self.by == "ratio" else changes + before

    def to_plain(self) -> Mapping[str, Any]:
        """Return the difference as JSON values."""
        return {"column": self.column, "by": self.by, "otherwise": self.otherwise}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Difference:
        """Read what `to_plain` gives."""
        return Difference(int(plain["column"]), plain["by"], float(plain["otherwise"]))


def difference_column(encoding: FeatureEncoding) -> int:
    """Return the place of the value before among the encoded features.

    Raises
    ------
    DifferenceError
        If the rows have none, or it was read as something else than a number.
    """
    for column, place in zip(encoding.columns, encoding.slices, strict=True):
        if column.name == BEFORE_COLUMN and column.kind == "number":
            return int(place.start)
    raise DifferenceError(
        f"the training set has no numeric column {BEFORE_COLUMN}, which target.difference is taken to. "
        f"Materialize features/{BEFORE} and the training set again, and leave the column out of `preprocess`."
    )


def changes_of(rows: FitRows, declared: DifferenceSpec) -> tuple[FitRows, Difference]:
    """Return rows with changes for labels, and how values come of changes again.

    Parameters
    ----------
    rows
        With their values, each with a known value before it: a training set has no others.
    declared
        The change.
    """
    difference = Difference(difference_column(rows.encoding), declared.by, float(rows.labels.mean()))
    before = difference.values_before(rows.matrix)
    labels = rows.labels / before if declared.by == "ratio" else rows.labels - before
    return replace(rows, labels=labels), difference
