"""Sketches: the counts that remain of a window after one scan, enough for every statistic of drift.

Counts are exact and add up (`merge`). Nothing here is approximate but the position of a value
inside its bin.
"""

from __future__ import annotations

import math
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
    offset, squared_deviations
        Of the finite values: mean less `centre`, and sum of (value - mean)²; None without values, and where squares
        exceed what a double holds (values near 1e154 and beyond).
    minimum, maximum
        Of the finite values.
    centre
        Where offsets are measured from: of values near 2⁵³ a mean alone would keep no digit of their spread.
    """

    counts: tuple[int, ...]
    n_rows: int
    n_null: int = 0
    n_nan: int = 0
    n_below: int = 0
    n_above: int = 0
    offset: float | None = None
    squared_deviations: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    centre: float = 0.0

    @property
    def mean(self) -> float | None:
        """Mean of the finite values; None where it is not known."""
        return None if self.offset is None else self.centre + self.offset

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
    """Reference of one column, from the rows the champion learned from: edges, totals, and the same by partition."""

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
    offset, squared = _merged_moments(first, second)
    return NumericCounts(
        counts=counts,
        n_rows=first.n_rows + second.n_rows,
        n_null=first.n_null + second.n_null,
        n_nan=first.n_nan + second.n_nan,
        n_below=first.n_below + second.n_below,
        n_above=first.n_above + second.n_above,
        offset=offset,
        squared_deviations=squared,
        centre=first.centre if first.n_finite else second.centre,
        minimum=min((v for v in (first.minimum, second.minimum) if v is not None), default=None),
        maximum=max((v for v in (first.maximum, second.maximum) if v is not None), default=None),
    )


def _merged_moments(first: NumericCounts, second: NumericCounts) -> tuple[float | None, float | None]:
    """Add means and squared deviations (Chan, Golub, LeVeque 1979); what a double cannot hold is not known."""
    if not first.n_finite or not second.n_finite:
        counts = first if first.n_finite else second
        return counts.offset, counts.squared_deviations
    gap = mean_difference(first, second)
    if gap is None or first.offset is None:
        return None, None
    if first.squared_deviations is None or second.squared_deviations is None:
        return None, None
    n_first, n_second = first.n_finite, second.n_finite
    share = n_second / (n_first + n_second)
    offset = first.offset + gap * share
    squared = first.squared_deviations + second.squared_deviations + gap * gap * (n_first * share)
    return (offset, squared) if math.isfinite(offset) and math.isfinite(squared) else (None, None)


def mean_difference(first: NumericCounts, second: NumericCounts) -> float | None:
    """Return the second mean less the first, with the digits that the means themselves may have lost."""
    if first.offset is None or second.offset is None:
        return None
    return (second.offset - first.offset) + (second.centre - first.centre)


def bins_to_json(bins: Bins) -> dict[str, Any]:
    """Return bins as plain values that JSON can hold."""
    return {"kind": "numeric" if isinstance(bins, NumericBins) else "categorical", **asdict(bins)}


def bins_from_json(values: Mapping[str, Any]) -> Bins:
    """Read bins from the values of `bins_to_json`."""
    if values["kind"] == "numeric":
        return NumericBins(tuple(values["cuts"]), values["is_time"])
    return CategoricalBins(tuple(values["categories"]), values["n_distinct"], values["n_once"])


def counts_to_json(counts: Counts) -> dict[str, Any]:
    """Return a window as plain values that JSON can hold."""
    return {"kind": "numeric" if isinstance(counts, NumericCounts) else "categorical", **asdict(counts)}


def counts_from_json(values: Mapping[str, Any]) -> Counts:
    """Read a window from the values of `counts_to_json`."""
    fields = {key: value for key, value in values.items() if key != "kind"}
    fields["counts"] = tuple(fields["counts"])
    if "mean" in fields:
        # As an earlier release wrote it: measured from 0.
        fields["offset"] = fields.pop("mean")
    if values["kind"] == "numeric":
        return NumericCounts(**fields)
    fields["unlisted"] = tuple((name, n) for name, n in fields["unlisted"])
    return CategoricalCounts(**fields)
