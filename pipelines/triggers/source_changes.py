"""Changes of sources since the last look: which datasets are not what they were, and in which partitions."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.text import one_line
from sources.arrival import MOST_SHOWN
from sources.files import SourceError
from sources.source_type import WHOLE, Asked, Look
from sources.stores import Stores
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
    is_made_elsewhere
        Whether another pipeline or code location makes its partitions.
    """

    before: Marks | None
    now: Marks
    late: Sequence[Window] = ()
    is_made_elsewhere: bool = False

    @property
    def partitions(self) -> frozenset[str]:
        """Partitions whose own marks changed since the last look; none where that is not known of single ones."""
        before = self.before
        if WHOLE in self.now or WHOLE in (before or {}):
            return frozenset()
        if before is None:
            # The newest that ended may not be made yet: the newest that is there. Older ones are a replay's.
            return frozenset([max(self.now)] if self.is_made_elsewhere and self.now else [])
        return frozenset(key for key, mark in self.now.items() if before.get(key) != mark)

    @property
    def is_of_all(self) -> bool:
        """Tell whether no single partitions are known to have changed: the newest that ended is read again then."""
        return not self.partitions and (WHOLE in self.now or not self.is_made_elsewhere)

    def text(self) -> str:
        """Return the marks as part of the key by which Dagster knows a run again."""
        return json.dumps(self.now, sort_keys=True)

    def remembered(self, done: frozenset[str]) -> Marks:
        """Return the marks for the next look: of partitions that are left for it, the former ones stay."""
        left, before = self.partitions - done, self.before or {}
        kept = {key: mark for key, mark in self.now.items() if key not in left}
        return kept | {key: before[key] for key in left if key in before}


def asked_of(
    pipeline: Pipeline, now: datetime, scratch: Path, stores: Stores | None = None
) -> Mapping[str, Asked]:
    """Return for what the source of each dataset is looked at."""
    return {
        name: Asked(
            Path(pipeline.folder),
            scratch,
            dataset=dataset,
            timezone=pipeline.spec.partitions.timezone,
            upstream=pipeline.upstream.get(name),
            stores=stores,
            clock=now,
        )
        for name, dataset in pipeline.spec.datasets.items()
    }


def look_at(asked: Mapping[str, Asked], *, tell: Callable[[str, SourceError], object]) -> Mapping[str, Look]:
    """Look at the source of each dataset.

    Parameters
    ----------
    asked
        For what, by dataset.
    tell
        Is told of sources that cannot be looked at; they are left out.
    """
    looks: dict[str, Look] = {}
    for name, one in asked.items():
        assert one.dataset is not None
        source, kind = one.dataset.source, type_of(one.dataset.source)
        try:
            hours = kind.contents(source, one) if kind.contents is not None else None
            if hours is not None:
                looks[name] = Look({}, hours=hours)
            elif kind.look is not None:
                looks[name] = kind.look(source, one)
            else:
                looks[name] = Look(kind.marks(source, one))
        except SourceError as error:
            tell(name, error)
    return looks


def told_unread(pipeline: str, looks: Mapping[str, Look]) -> Iterator[str]:
    """Say which files of a pipeline's datasets wait, and for what."""
    for name, look in looks.items():
        waiting = list(look.waiting.items())
        if waiting:
            files = "; ".join(
                f"{one_line(PurePosixPath(file).name)}: {reason}" for file, reason in waiting[:MOST_SHOWN]
            )
            more = f"; and {len(waiting) - MOST_SHOWN:,} more" if len(waiting) > MOST_SHOWN else ""
            yield f"{pipeline}/{name} waits for {len(waiting):,} files: {files}{more}."


def changed_datasets(
    pipeline: Pipeline,
    looks: Mapping[str, Look],
    asked: Mapping[str, Asked],
    cursor: Mapping[str, Any],
    now: datetime,
    *,
    tell: Callable[[str, SourceError], object],
) -> dict[str, Change]:
    """Return the datasets whose source is not what the cursor remembers.

    Parameters
    ----------
    pipeline
        The pipeline.
    looks, asked
        What was seen of its sources, and for what they were looked at.
    cursor
        Marks of the last look, by pipeline and dataset.
    now
        The instant of this look.
    tell
        Is told of sources that cannot say where they changed; they are left out.
    """
    changes: dict[str, Change] = {}
    for name, look in looks.items():
        dataset = pipeline.spec.datasets[name]
        seen = cursor.get(f"{pipeline.name}/{name}")
        # An older cursor holds one text for all.
        before = seen if isinstance(seen, dict) else None
        marks = _marks(pipeline, dataset, look, before, now)
        if seen == marks or (not before and look.unsettled and not marks):
            continue
        try:
            late = _told_late(pipeline, asked[name], (before or {}).get(WHOLE), now)
        except SourceError as error:
            # The next look sees the change again.
            tell(name, error)
            continue
        changes[name] = Change(before, marks, late, dataset.source.is_made_elsewhere)
    return changes


def late_partitions(pipeline: Pipeline, changes: Mapping[str, Change], now: datetime) -> list[Window]:
    """Return the partitions that have ended and whose own marks changed, or of which the source tells, oldest first."""
    keys = frozenset[str]().union(*(change.partitions for change in changes.values()))
    windows = partitioning(pipeline.spec.partitions).windows(until=now) if keys else ()
    own = [window for window in windows if window.key in keys][:MOST_PARTITIONS]
    told = {window.key: window for change in changes.values() for window in change.late}
    return sorted({**told, **{window.key: window for window in own}}.values(), key=lambda w: w.start)


def _marks(
    pipeline: Pipeline, dataset: DatasetSpec, look: Look, before: Marks | None, now: datetime
) -> Marks:
    """Return the marks of a source: what its partitions hold, where it is compared in that way, else what its type watches."""
    if look.hours is None:
        # While files of it are being written, a partition, or the whole, is what it was at the last look.
        marks = {key: mark for key, mark in look.marks.items() if key not in look.unsettled}
        return marks | {key: before[key] for key in look.unsettled if before and key in before}
    hours = look.hours
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
    known = None if before is None or WHOLE in before else before
    # Each look remembers the newest that had ended: a former one without any was before the first end.
    last = max(known or {}, default="")
    ended_since = () if known is None else (window.key for window in ended if window.key > last)
    empty = {*(known or {}), *(window.key for window in ended[-1:]), *ended_since}
    return dict.fromkeys(empty, "") | {key: _hash(texts) for key, texts in held.items()}


def _told_late(pipeline: Pipeline, asked: Asked, since: str | None, now: datetime) -> Sequence[Window]:
    """Return the partitions that have ended, and in which rows came or changed since a mark of the whole."""
    dataset, form = asked.dataset, partitioning(pipeline.spec.partitions)
    if dataset is None or since is None or not dataset.is_partitioned or not form.ends_by_clock:
        return ()
    changes = type_of(dataset.source).changes
    hours = () if changes is None else changes(dataset.source, asked, since)
    windows = {w.key: w for hour in hours for w in form.overlapping(hour, hour + timedelta(hours=1))}
    return [window for _, window in sorted(windows.items()) if window.end <= now]


def _hash(texts: Iterable[str]) -> str:
    return sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]
