"""Changes of sources since the last look: which datasets are not what they were, and in which partitions."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from sources.files import SourceError
from sources.source_type import WHOLE, Asked
from sources.types import type_of

MOST_PARTITIONS = 20
"""Partitions whose files changed that one look refreshes, the oldest first; the next looks go on."""

Marks = Mapping[str, str]
"""Marks of a source, by partition or under `WHOLE`."""


@dataclass(frozen=True)
class Change:
    """A dataset whose source is not what the cursor remembers.

    Attributes
    ----------
    before, now
        Its marks at the last look, None at the first, and those of this one.
    late
        Partitions in which rows came or changed, where the source can tell by a mark of the whole.
    """

    before: Marks | None
    now: Marks
    late: Sequence[Window] = ()

    @property
    def partitions(self) -> frozenset[str]:
        """Partitions whose own marks changed since the last look; none where that is not known of single ones."""
        before = self.before
        if before is None or WHOLE in self.now or WHOLE in before:
            return frozenset()
        return frozenset(key for key, mark in self.now.items() if before.get(key) != mark)

    def text(self) -> str:
        """Return the marks as part of the key by which Dagster knows a run again."""
        return json.dumps(self.now, sort_keys=True)

    def remembered(self, done: frozenset[str]) -> Marks:
        """Return the marks for the next look: of partitions that are left for it, the former ones stay."""
        left, before = self.partitions - done, self.before or {}
        kept = {key: mark for key, mark in self.now.items() if key not in left}
        return kept | {key: before[key] for key in left if key in before}


def changed_datasets(
    pipeline: Pipeline,
    cursor: Mapping[str, Any],
    now: datetime,
    scratch: Path,
    *,
    tell: Callable[[str], object],
) -> dict[str, Change]:
    """Return the datasets whose source is not what the cursor remembers.

    Parameters
    ----------
    pipeline
        The pipeline.
    cursor
        Marks of the last look, by pipeline and dataset.
    now
        The instant of this look.
    scratch
        Where files are made.
    tell
        Is told of sources that cannot be looked at.
    """
    changes: dict[str, Change] = {}
    for name, dataset in pipeline.spec.datasets.items():
        seen = cursor.get(f"{pipeline.name}/{name}")
        # An older cursor holds one text for all.
        before = seen if isinstance(seen, dict) else None
        try:
            marks = _marks(pipeline, dataset, before, now, scratch)
            if seen != marks:
                late = _told_late(pipeline, dataset, (before or {}).get(WHOLE), now, scratch)
                changes[name] = Change(before, marks, late)
        except SourceError as error:
            # The run that needs it will say so again; what is not there yet is no change.
            tell(f"{pipeline.name}: the source of '{name}' could not be looked at: {error}")
    return changes


def late_partitions(pipeline: Pipeline, changes: Mapping[str, Change], now: datetime) -> list[Window]:
    """Return the partitions that have ended and whose own marks changed, or of which the source tells, oldest first."""
    keys = frozenset[str]().union(*(change.partitions for change in changes.values()))
    windows = partitioning(pipeline.spec.partitions).windows(until=now) if keys else ()
    own = [window for window in windows if window.key in keys][:MOST_PARTITIONS]
    told = {window.key: window for change in changes.values() for window in change.late}
    return sorted({**told, **{window.key: window for window in own}}.values(), key=lambda w: w.start)


def _marks(
    pipeline: Pipeline, dataset: DatasetSpec, before: Marks | None, now: datetime, scratch: Path
) -> Marks:
    """Return the marks of a source: what its partitions hold, where it is compared in that way, else what its type watches."""
    kind = type_of(dataset.source)
    hours = kind.contents(dataset.source, _asked(pipeline, dataset, scratch)) if kind.contents else None
    if hours is None:
        return kind.marks(dataset.source, Path(pipeline.folder))
    form = partitioning(pipeline.spec.partitions)
    if not dataset.is_partitioned or not form.ends_by_clock:
        return {WHOLE: _hash(f"{hour} {text}" for hour, text in hours.items())}
    ended = [window for window in form.windows(until=now) if window.end <= now]
    held: dict[str, list[str]] = defaultdict(list)
    for hour, text in hours.items():
        # Rows of no partition are read with the first.
        windows = form.overlapping(hour, hour + timedelta(hours=1)) if hour else ended[:1]
        for window in windows:
            # One that has not ended is read when it has, and looked at then for the first time.
            if window.end <= now:
                held[window.key].append(f"{hour} {text}")
    # A partition that held rows and holds none has changed, too; one that ended since the last look may have held some.
    known = {} if before is None or WHOLE in before else before
    # Each look remembers the newest that had ended: a former one without any was before the first end.
    is_first = before is None or WHOLE in before
    last = max(known, default="")
    ended_since = () if is_first else (window.key for window in ended if window.key > last)
    empty = {*known, *(window.key for window in ended[-1:]), *ended_since}
    return dict.fromkeys(empty, "") | {key: _hash(texts) for key, texts in held.items()}


def _told_late(
    pipeline: Pipeline, dataset: DatasetSpec, since: str | None, now: datetime, scratch: Path
) -> Sequence[Window]:
    """Return the partitions that have ended, and in which rows came or changed since a mark of the whole."""
    form = partitioning(pipeline.spec.partitions)
    changes = type_of(dataset.source).changes
    if changes is None or since is None or not dataset.is_partitioned or not form.ends_by_clock:
        return ()
    hours = changes(dataset.source, _asked(pipeline, dataset, scratch), since)
    windows = {w.key: w for hour in hours for w in form.overlapping(hour, hour + timedelta(hours=1))}
    return [window for _, window in sorted(windows.items()) if window.end <= now]


def _asked(pipeline: Pipeline, dataset: DatasetSpec, scratch: Path) -> Asked:
    return Asked(Path(pipeline.folder), scratch, dataset=dataset, timezone=pipeline.spec.partitions.timezone)


def _hash(texts: Iterable[str]) -> str:
    return sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]
