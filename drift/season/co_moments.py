"""Co-moments of windows: mean products of scores and calendar terms, in one pass over the rows.

They add up over partitions, hold no row, and are all that a regression of each column on the others needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.sql import quote_identifier
from drift.season.scores import NumericScore, Score
from drift.sketch.bins import value_expression
from drift.sketch.scan import NO_PART, WHOLE

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

YEAR_S = 365.2425 * 86_400
"""Mean length of a year in seconds."""

N_CALENDAR = 4
"""Calendar terms: cosine and sine of the year and of the half year."""

N_FIXED = 1 + N_CALENDAR
"""Terms before the scores: the constant and the calendar."""

VALUES_PER_BATCH = 1_600_000
"""Terms of rows in memory at once: 13 MB."""

DECIMALS = 10
"""Decimals kept of a mean product: the last bits depend on the order of the rows."""


@dataclass(frozen=True)
class CoMoments:
    """Mean products of one set of rows.

    Attributes
    ----------
    n_rows
        Rows.
    products
        Mean of d dᵀ, where d is 1, the calendar terms and the scores. Shape (n_terms, n_terms).
    first, last
        Instants of the first and the last row, in seconds since 1970; None where rows have no instant.
    n_outside
        Rows outside of the reference's widened range, by score; 0 for categories. Shape (n_scores,).
    """

    n_rows: int
    products: Matrix
    first: float | None
    last: float | None
    n_outside: NDArray[np.int64]

    @property
    def means(self) -> Vector:
        """Means of all terms. Shape (n_terms,)."""
        return self.products[:, 0]


def merge_co_moments(windows: Sequence[CoMoments]) -> CoMoments:
    """Add one or more windows that were scored alike."""
    n_rows = sum(window.n_rows for window in windows)
    products = sum(
        (window.n_rows * window.products for window in windows), np.zeros_like(windows[0].products)
    )
    return CoMoments(
        n_rows,
        products / n_rows,
        min((window.first for window in windows if window.first is not None), default=None),
        max((window.last for window in windows if window.last is not None), default=None),
        np.sum([window.n_outside for window in windows], axis=0),
    )


def co_moments(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    scores: Sequence[Score],
    *,
    time_column: str = "",
    part_column: str = "",
) -> dict[str, CoMoments]:
    """Compute the co-moments of a relation, whole or by part.

    Parameters
    ----------
    connection
        Where `relation` can be read.
    relation
        SQL table expression of the rows.
    scores
        Scores of the reference.
    time_column
        Column of the rows' instants; '' where time is only an order, which leaves the calendar terms at 0.
    part_column
        Column that names a row's partition; '' keeps the window whole.

    Returns
    -------
    dict of str to CoMoments
        By part in its order; nothing for a relation without rows.
    """
    readers = {score.column: value_expression(score.bins, score.column) for score in scores}
    part = (
        f"coalesce(CAST({quote_identifier(part_column)} AS VARCHAR), '{NO_PART}')"
        if part_column
        else f"'{WHOLE}'"
    )
    instant = (
        f"CAST(epoch({quote_identifier(time_column)}) AS DOUBLE)" if time_column else "CAST(NULL AS DOUBLE)"
    )
    values = "".join(f", {reader} AS v{index}" for index, reader in enumerate(readers.values()))
    batches = connection.sql(
        f"SELECT {part} AS part, {instant} AS instant{values} FROM {relation}"
    ).to_arrow_reader(max(1, VALUES_PER_BATCH // (N_FIXED + len(scores))))
    places = {column: index + 2 for index, column in enumerate(readers)}
    sums: dict[str, _Sums] = {}
    for batch in batches:
        if batch.num_rows:
            _add(sums, batch, scores, places)
    return {name: sums[name].co_moments() for name in sorted(sums)}


@dataclass
class _Sums:
    """Sums of products of one part, while batches come."""

    n_terms: int
    n_rows: int = 0
    first: float = np.inf
    last: float = -np.inf
    products: Matrix = field(init=False)
    n_outside: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.products = np.zeros((self.n_terms, self.n_terms))
        self.n_outside = np.zeros(self.n_terms - N_FIXED, dtype=np.int64)

    def co_moments(self) -> CoMoments:
        """Divide by the rows."""
        return CoMoments(
            self.n_rows,
            np.round(self.products / self.n_rows, DECIMALS),
            self.first if np.isfinite(self.first) else None,
            self.last if np.isfinite(self.last) else None,
            self.n_outside,
        )


def _add(
    sums: dict[str, _Sums], batch: pa.RecordBatch, scores: Sequence[Score], places: dict[str, int]
) -> None:
    """Add a batch of rows to the sums of their parts."""
    names = batch.column(0).dictionary_encode()
    codes = names.indices.to_numpy(zero_copy_only=False)
    instants = batch.column(1).to_numpy(zero_copy_only=False)
    terms = np.empty((N_FIXED + len(scores), batch.num_rows))
    terms[0] = 1.0
    terms[1:N_FIXED] = calendar_terms(instants)
    outside = np.zeros((len(scores), batch.num_rows), dtype=bool)
    for row, score in enumerate(scores):
        values = batch.column(places[score.column])
        if isinstance(score, NumericScore):
            numbers = values.to_numpy(zero_copy_only=False)
            terms[N_FIXED + row] = score.of(numbers)
            outside[row] = (numbers < score.low) | (numbers > score.high)
        else:
            terms[N_FIXED + row] = score.of(values)
    for code, name in enumerate(names.dictionary.to_pylist()):
        is_own = codes == code
        own = terms if is_own.all() else terms[:, is_own]
        entry = sums.setdefault(name, _Sums(len(terms)))
        entry.n_rows += own.shape[1]
        entry.products += own @ own.T
        entry.n_outside += outside[:, is_own].sum(axis=1)
        own_instants = instants[is_own & np.isfinite(instants)]
        if len(own_instants):
            entry.first, entry.last = (
                min(entry.first, float(own_instants.min())),
                max(entry.last, float(own_instants.max())),
            )


def calendar_terms(instants: Vector) -> Matrix:
    """Return cosine and sine of the year and the half year; 0 where there is no instant.

    Parameters
    ----------
    instants
        Seconds since 1970. Shape (n_rows,).

    Returns
    -------
    Matrix
        Shape (4, n_rows).
    """
    angle = instants * (2 * np.pi / YEAR_S)
    cosine, sine = np.cos(angle), np.sin(angle)
    terms = np.stack([cosine, sine, cosine**2 - sine**2, 2 * sine * cosine])
    return np.asarray(np.nan_to_num(terms, nan=0.0))
