"""Datasets of other pipelines as a pipeline reads them: how they are cut there, and which of their partitions it needs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from declaration.datasets import DatasetSpec
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec

ACCEPTED = "profiled"
"""Stage whose table holds the rows that met the expectations."""

_LONGEST = timedelta(days=31)
"""Length of the longest partition of time."""


@dataclass(frozen=True)
class UpstreamDataset:
    """The dataset of another pipeline that a dataset reads.

    Attributes
    ----------
    pipeline, dataset
        Its pipeline's name and its own.
    partitions
        How that pipeline is cut.
    event_time
        The column that says which partition a row belongs to there; None of a reference table.
    own
        How the reading pipeline is cut.
    has_same_clock
        Whether the reading dataset has the same event time: a row's instant is the same in both then.
    """

    pipeline: str
    dataset: str
    partitions: PartitionsSpec
    event_time: str | None
    own: PartitionsSpec
    has_same_clock: bool

    @property
    def table(self) -> str:
        """The lake's table of its accepted rows."""
        return f"{self.pipeline}/{ACCEPTED}/{self.dataset}"

    @property
    def path(self) -> tuple[str, str]:
        """Path of the asset of its accepted rows in its pipeline."""
        return ACCEPTED, self.dataset

    @property
    def is_aligned(self) -> bool:
        """Tell whether a partition holds the rows of the partition of the same key there, and no others."""
        own, theirs = self.own, self.partitions
        return self.has_same_clock and (own.every, own.timezone) == (theirs.every, theirs.timezone)

    def needed(self, key: str | None) -> Sequence[str] | None:
        """Return the partitions there in which rows of a partition can be; None where any may hold them."""
        if key is None or not self.has_same_clock:
            return None
        window = partitioning(self.own).window(key)
        return [w.key for w in partitioning(self.partitions).overlapping(window.start, window.end)]

    def readable(self, accepted: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return the partitions all of whose rows are there, each with those of the other pipeline that hold them.

        Parameters
        ----------
        accepted
            Partitions of the other pipeline that are there; both must have the same clock.
        """
        if self.is_aligned:
            return {key: [key] for key in sorted(accepted)}
        theirs, own = partitioning(self.partitions), partitioning(self.own)
        last = max((theirs.window(key).end for key in accepted), default=None)
        if last is None:
            return {}
        windows = theirs.windows(until=last + _LONGEST)
        starts, ends = [window.start for window in windows], [window.end for window in windows]
        found = {}
        for window in own.windows(until=last):
            overlapping = slice(bisect_right(ends, window.start), bisect_left(starts, window.end))
            needed = [w.key for w in windows[overlapping]]
            if needed and all(key in accepted for key in needed):
                found[window.key] = needed
        return found


def upstream_dataset(
    dataset: DatasetSpec,
    own: PartitionsSpec,
    *,
    pipeline: str,
    name: str,
    spec: DatasetSpec,
    cut: PartitionsSpec,
) -> UpstreamDataset:
    """Hold a reading dataset against the one that it reads.

    Parameters
    ----------
    dataset, own
        The reading one, and how its pipeline is cut.
    pipeline, name, spec, cut
        The other pipeline, its dataset with what is declared of it, and how that pipeline is cut.
    """
    return UpstreamDataset(
        pipeline, name, cut, spec.event_time, own, _has_same_clock(dataset, own, spec, cut)
    )


def _has_same_clock(
    dataset: DatasetSpec, own: PartitionsSpec, spec: DatasetSpec, cut: PartitionsSpec
) -> bool:
    """Tell whether a row's instant, by which it is cut, is the same in both pipelines."""
    if dataset.event_time is None or spec.event_time is None:
        return False
    if not (partitioning(own).ends_by_clock and partitioning(cut).ends_by_clock):
        return False
    column = dataset.column(dataset.event_time)
    is_read = column.sql is None and (column.source or dataset.event_time) == spec.event_time
    # A wall clock, or a day, is another instant in another zone.
    return is_read and (column.type == "timestamp_tz" or own.timezone == cut.timezone)
