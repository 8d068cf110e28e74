"""Size of a training set in memory: what is beyond the limit is learned from out of core, or refused before it is joined or read."""

from __future__ import annotations

from dataclasses import dataclass

from assets.training_set.selection import TrainingSetError
from declaration.spec import PipelineSpec
from learning.algorithms.table import ALGORITHMS
from learning.out_of_core.eligible import out_of_core_obstacle

MATRIX_BYTES = 8
"""Bytes of a feature's value once it is encoded."""

SAMPLE_SHARE = 0.8
"""Part of the limit that the proposed sample takes: it may grow by a feature."""


@dataclass(frozen=True)
class SetSize:
    """Size of a training set, as columns and as the matrix that estimators read.

    Attributes
    ----------
    n_rows, row_bytes, n_features
        Rows, bytes of the columns of one, and how many of them are features.
    limit_bytes, limit
        Memory that it may take, and as that was written.
    """

    n_rows: int
    row_bytes: int
    n_features: int
    limit_bytes: int
    limit: str

    @property
    def bytes_of_row(self) -> int:
        """Bytes of one row."""
        return self.row_bytes + MATRIX_BYTES * self.n_features

    @property
    def fits(self) -> bool:
        """Tell whether memory may hold it."""
        return self.n_rows * self.bytes_of_row <= self.limit_bytes


def streams(size: SetSize, spec: PipelineSpec) -> bool:
    """Tell whether a set is learned from out of core: where memory may not hold it, and every candidate can.

    Raises
    ------
    TrainingSetError
        If memory may not hold it, and not all can: with the size, the limit and the ways out.
    """
    if size.fits:
        return False
    obstacle = out_of_core_obstacle(spec.model, learns_change=spec.learned.difference is not None)
    if not obstacle:
        return True
    # To three digits, and below: what is proposed fits.
    most = int(size.limit_bytes * SAMPLE_SHARE / size.bytes_of_row)
    most -= most % 10 ** max(0, len(str(most)) - 3)
    able = ", ".join(name for name, algorithm in ALGORITHMS.items() if algorithm.out_of_core is not None)
    raise TrainingSetError(
        f"a training set of {size.n_rows:,} rows with {size.n_features} features takes about "
        f"{size.n_rows * size.bytes_of_row / 1e9:.1f} GB, and DRIFTLINE_MEMORY_LIMIT is {size.limit}. Learn from a sample "
        f"(model.sample: {{rows: {most}}}), from fewer partitions (model.train_window) or fewer features; declare only candidates "
        f"that learn out of core ({able}), which now is not so: {obstacle}; or raise the limit, where the machine has more."
    )
