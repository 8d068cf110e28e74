"""Rows that are learned from in batches, out of a file of encoded features: memory holds labels and positions alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.algorithms.rows import FitRows
from learning.encode import FeatureEncoding
from learning.metrics import Floats

ROWS_AT_ONCE = 100_000
"""Rows of a batch: 20 features of them are 16 MB."""

SAMPLED_ROWS = 200_000
"""Rows that scales are learned from, evenly spaced in time: as many as LightGBM takes for its bins."""


@dataclass(frozen=True)
class EncodedFile:
    """A file of encoded rows: 64-bit floats, row after row. It is read, not mapped: mapped pages count as memory."""

    path: Path
    n_columns: int

    def read(self, start: int, stop: int) -> Floats:
        """Read rows from one place up to another. Shape (stop - start, n_columns)."""
        values = np.fromfile(
            self.path, np.float64, (stop - start) * self.n_columns, offset=start * self.n_columns * 8
        )
        return values.reshape(-1, self.n_columns)


@dataclass(frozen=True)
class BatchedRows:
    """Encoded rows to learn from.

    Attributes
    ----------
    file
        Features of all rows.
    places
        Rows of the file to learn from, ascending. Shape (n,).
    labels
        Their class indices or values. Shape (n,).
    encoding, problem, n_classes
        As of `FitRows`.
    """

    file: EncodedFile
    places: NDArray[np.int32]
    labels: Floats
    encoding: FeatureEncoding
    problem: ProblemType
    n_classes: int

    def __len__(self) -> int:
        return int(self.places.size)

    def matrix(self, start: int, stop: int) -> Floats:
        """Read the features of the rows between two of these places; what lies between in the file is passed over."""
        places = self.places[start:stop]
        if not places.size:
            return np.empty((0, self.file.n_columns))
        first = int(places[0])
        return self.file.read(first, int(places[-1]) + 1)[places - first]

    def batches(self, order: Sequence[int] | None = None) -> Iterator[FitRows]:
        """Read the rows in batches, in the order of the file or another one of the batches."""
        for number in range(self.n_batches) if order is None else order:
            start = number * ROWS_AT_ONCE
            stop = min(start + ROWS_AT_ONCE, len(self))
            yield self._rows(self.matrix(start, stop), self.labels[start:stop])

    @property
    def n_batches(self) -> int:
        """Batches of all rows."""
        return -(-len(self) // ROWS_AT_ONCE)

    def without_features(self) -> FitRows:
        """Return the rows as parameters depend on them: how many, and of how many columns."""
        return self._rows(np.broadcast_to(np.float64(0), (len(self), self.file.n_columns)), self.labels)

    def sample(self) -> FitRows:
        """Read some rows, evenly spaced."""
        positions = np.linspace(0, len(self) - 1, min(len(self), SAMPLED_ROWS)).round().astype(np.int64)
        parts = []
        for start in range(0, len(self), ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, len(self))
            chosen = positions[np.searchsorted(positions, start) : np.searchsorted(positions, stop)] - start
            parts.append(self.matrix(start, stop)[chosen])
        return self._rows(np.concatenate(parts), self.labels[positions])

    def _rows(self, matrix: Floats, labels: Floats) -> FitRows:
        return FitRows(matrix, labels, self.encoding, self.problem, self.n_classes)
