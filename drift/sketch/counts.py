"""Sketches: the counts that remain of a window after one scan, enough for every statistic of drift.

Counts are exact and add up (`merge`). Nothing here is approximate but the position of a value
inside its bin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from drift.sketch.bins import Bins, CategoricalBins, NumericBins, SketchError

MAX_UNLISTED = 100
"""Categories outside the reference that a window names, most frequent first."""


@dataclass(frozen=True)
class NumericCounts:
    """One window of a numeric column, counted on fixed edges.

    Attributes
    ----------
    counts
        Finite values per bin. Shape (n_cuts + 1,).
    n_rows, n_null, n_nan
        Rows, NULLs, NaNs.
    n_below, n_above
        Negative and positive infinities.
    mean, squared_deviations
        Of the finite values: mean and sum of (value - mean)²; None without values.
    minimum, maximum
        Of the finite values.
    """

    counts: tuple[int, ...]
    n_rows: int
    n_null: int = 0
    n_nan: int = 0
    n_below: int = 0
    n_above: int = 0
    mean: float | None = None
    squared_deviations: float | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def n_missing(self) -> int:
        """Rows without a value: NULL or NaN."""
        return self.n_null + self.n_nan

    @property
    def n_present(self) -> int:
        """Rows with a value, infinities among them."""
        return self.n_rows - self.n_missing

    @property
    def n_finite(self) -> int:
        """Rows with a finite value."""
        return self.n_present - self.n_below - self.n_above


@dataclass(frozen=True)
class CategoricalCounts:
    """One window of a text or boolean column, counted on the reference's categories.

    Attributes
    ----------
    counts
        Rows per listed category. Shape (n_categories,).
    n_rows, n_null
        Rows, NULLs.
    n_unlisted
        Rows of categories that the reference does not list.
    unlisted
        The most frequent of those, with rows; at most `MAX_UNLISTED`.
    """

    counts: tuple[int, ...]
    n_rows: int
    n_null: int = 0
    n_unlisted: int = 0
    unlisted: tuple[tuple[str, int], ...] = ()

    @property
    def n_missing(self) -> int:
        """Rows without a value."""
        return self.n_null

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_null


Counts = NumericCounts | CategoricalCounts
WindowSketch = Mapping[str, Counts]
"""A window by column."""


@dataclass(frozen=True)
class ColumnReference:
    """What the champion learned from, for one column: edges, totals, and the same by partition."""

    bins: Bins
    total: Counts
    parts: Mapping[str, Counts]


ReferenceSketch = Mapping[str, ColumnReference]
"""A reference window by column."""


def merge(first: Counts, second: Counts) -> Counts:
    """Add two windows of the same column that were counted on the same edges.

    Raises
    ------
    SketchError
        If the edges differ.
    """
    if type(first) is not type(second) or len(first.counts) != len(second.counts):
        raise SketchError(
            f"sketches of {len(first.counts)} and {len(second.counts)} bins do not add up. "
            "Count both windows on the edges of the same model version."
        )
    counts = tuple(map(sum, zip(first.counts, second.counts, strict=True)))
    if isinstance(first, NumericCounts) and isinstance(second, NumericCounts):
        return _merge_numeric(first, second, counts)
    if not (isinstance(first, CategoricalCounts) and isinstance(second, CategoricalCounts)):
        raise SketchError("a numeric and a categorical sketch do not add up.")
    unlisted = Counter(dict(first.unlisted)) + Counter(dict(second.unlisted))
    return CategoricalCounts(
        counts=counts,
        n_rows=first.n_rows + second.n_rows,
        n_null=first.n_null + second.n_null,
        n_unlisted=first.n_unlisted + second.n_unlisted,
        unlisted=tuple(sorted(unlisted.items(), key=lambda item: (-item[1], item[0]))[:MAX_UNLISTED]),
    )


def merge_all(windows: Sequence[Counts]) -> Counts:
    """Add one or more windows of a column."""
    return reduce(merge, windows)


def _merge_numeric(first: NumericCounts, second: NumericCounts, counts: tuple[int, ...]) -> NumericCounts:
    mean, squared = _merged_moments(first, second)
    return NumericCounts(
        counts=counts,
        n_rows=first.n_rows + second.n_rows,
        n_null=first.n_null + second.n_null,
        n_nan=first.n_nan + second.n_nan,
        n_below=first.n_below + second.n_below,
        n_above=first.n_above + second.n_above,
        mean=mean,
        squared_deviations=squared,
        minimum=min((v for v in (first.minimum, second.minimum) if v is not None), default=None),
        maximum=max((v for v in (first.maximum, second.maximum) if v is not None), default=None),
    )


def _merged_moments(first: NumericCounts, second: NumericCounts) -> tuple[float | None, float | None]:
    """Add means and squared deviations (Chan, Golub, LeVeque 1979)."""
    if first.mean is None or first.squared_deviations is None:
        return second.mean, second.squared_deviations
    if second.mean is None or second.squared_deviations is None:
        return first.mean, first.squared_deviations
    n_first, n_second = first.n_finite, second.n_finite
    gap, n = second.mean - first.mean, n_first + n_second
    mean = first.mean + gap * n_second / n
    return mean, first.squared_deviations + second.squared_deviations + gap**2 * n_first * n_second / n


def bins_to_json(bins: Bins) -> dict[str, Any]:
    """Return bins as plain values that JSON can hold."""
    return {"kind": "numeric" if isinstance(bins, NumericBins) else "categorical", **asdict(bins)}


def bins_from_json(values: Mapping[str, Any]) -> Bins:
    """Read what `bins_to_json` wrote."""
    if values["kind"] == "numeric":
        return NumericBins(tuple(values["cuts"]), values["is_time"])
    return CategoricalBins(tuple(values["categories"]), values["n_distinct"], values["n_once"])


def counts_to_json(counts: Counts) -> dict[str, Any]:
    """Return a window as plain values that JSON can hold."""
    return {"kind": "numeric" if isinstance(counts, NumericCounts) else "categorical", **asdict(counts)}


def counts_from_json(values: Mapping[str, Any]) -> Counts:
    """Read what `counts_to_json` wrote."""
    fields = {key: value for key, value in values.items() if key != "kind"}
    fields["counts"] = tuple(fields["counts"])
    if values["kind"] == "numeric":
        return NumericCounts(**fields)
    fields["unlisted"] = tuple((name, n) for name, n in fields["unlisted"])
    return CategoricalCounts(**fields)
