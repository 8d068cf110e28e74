"""Statistics of one column that merge across partitions."""

from __future__ import annotations

import math
from dataclasses import dataclass

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_BINS = 32
MANTISSA_BITS = 50
"""Bins are never narrower than what a float can tell apart at the column's magnitude."""


@dataclass(frozen=True)
class Moments:
    """Count, mean and power sums about the mean of the finite values: sum (x - mean)^k for k = 2, 3, 4."""

    n: int
    mean: float
    sums: tuple[float, float, float]

    @property
    def standard_deviation(self) -> float | None:
        """Sample standard deviation; None for fewer than two values."""
        return math.sqrt(self.sums[0] / (self.n - 1)) if self.n > 1 else None


@dataclass(frozen=True)
class Histogram:
    """Counts over bins whose edges are whole multiples of a power of two.

    Edges do not depend on the data but for the power, so two histograms always share the wider
    one's edges: they merge exactly. Bin i covers [(first + i) * width, (first + i + 1) * width).
    """

    width: float
    first: int
    counts: tuple[int, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """Edges of the bins, one more than counts."""
        return tuple((self.first + i) * self.width for i in range(len(self.counts) + 1))


@dataclass(frozen=True)
class ColumnProfile:
    """Statistics of one column.

    Attributes
    ----------
    name, type
        The column, and its type in the engine.
    n_rows, n_null, n_nan, n_infinite
        Rows, and how many hold no value, not a number, or an infinity.
    n_distinct, is_distinct_exact
        Distinct values other than NULL and NaN; an estimate where not exact.
    minimum, maximum
        Extremes as text; instants in UTC.
    moments, histogram
        Of finite numbers, and of instants in seconds since 1970 (histogram only).
    quantiles
        Values at `QUANTILES`; of numbers.
    top_values
        Most frequent values with their counts; of texts and booleans.
    min_length, max_length
        Characters; of texts.
    """

    name: str
    type: str
    n_rows: int
    n_null: int
    n_nan: int
    n_infinite: int
    n_distinct: int | None
    is_distinct_exact: bool
    minimum: str | None
    maximum: str | None
    moments: Moments | None = None
    histogram: Histogram | None = None
    quantiles: tuple[float, ...] = ()
    top_values: tuple[tuple[str, int], ...] = ()
    min_length: int | None = None
    max_length: int | None = None

    @property
    def is_unique(self) -> bool | None:
        """Tell whether no value repeats; None where that is not known exactly or there are no values."""
        n_values = self.n_rows - self.n_null - self.n_nan
        if self.n_distinct is None or n_values == 0:
            return None
        return self.n_distinct == n_values if self.is_distinct_exact else False


def bin_width(low: float, high: float) -> float:
    """Return the power of two that cuts [low, high] into at most `MOST_BINS` bins and one more.

    Examples
    --------
    >>> bin_width(0.0, 100.0)
    4.0
    >>> bin_width(7.0, 7.0)
    1.0
    """
    if high == low:
        return 1.0 if abs(low) < 2**MANTISSA_BITS else _power_above(abs(low) / 2**MANTISSA_BITS)
    magnitude = max(abs(low), abs(high))
    # Divided first: the span itself may lie beyond the largest number.
    return _power_above(max(high / MOST_BINS - low / MOST_BINS, magnitude / 2**MANTISSA_BITS))


def _power_above(value: float) -> float:
    mantissa, exponent = math.frexp(value)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)
