"""The source sensor: a refresh when a source changed, of the partitions that it changed in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import dagster as dg

from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.text import one_line
from pipelines.graph.stores import DagsterStores
from pipelines.triggers.due import due_windows
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.inbox import take_in
from pipelines.triggers.run_requests import reference_request, refresh_request
from pipelines.triggers.served import served
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
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
class _Change:
    """A dataset whose source is not what the cursor remembers.

    Attributes
    ----------
    before, now
        Its marks at the last look, none at the first, and those of this one.
    late
        Partitions in which rows came or changed, where the source can tell by a mark of the whole.
    is_made_elsewhere
        Whether another pipeline or code location makes its partitions.
    """

    before: Marks
    now: Marks
    late: Sequence[Window] = ()
    is_made_elsewhere: bool = False

    @property
    def partitions(self) -> frozenset[str]:
        """Partitions whose own files changed since the last look; none where that is not known of single ones."""
        if WHOLE in self.now or WHOLE in self.before:
            return frozenset()
        if not self.before:
            # The newest that ended may not be made yet: the newest that is there. Older ones are a replay's.
            return frozenset([max(self.now)] if self.is_made_elsewhere and self.now else [])
        return frozenset(key for key, mark in self.now.items() if self.before.get(key) != mark)

    @property
    def is_of_all(self) -> bool:
        """Tell whether no single partitions are known to have changed: the newest that ended is read again then."""
        return not self.partitions and (WHOLE in self.now or not self.is_made_elsewhere)

    def text(self) -> str:
        """Return the marks as part of the key by which Dagster knows a run again."""
        return json.dumps(self.now, sort_keys=True)


def source_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that starts a refresh when a source's files changed.

    The cursor holds the marks of every source, and of files in inboxes, by their path.
    """

    @dg.sensor(
        name="refresh_where_sources_changed",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Takes in the files of inboxes. Reads a source again when its files changed: reference tables wholly, partitions "
        "with files of their own each, others the newest partition, or those that arrived. Files that are still being written wait. "
        + served(pipelines),
    )
    def sense(context: dg.SensorEvaluationContext, lake: Lake, engine: Engine) -> dg.SensorResult:
        cursor: dict[str, Any] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        requests: list[dg.RunRequest] = []
        waiting: dict[str, str] = {}
        unread: list[str] = []
        for pipeline in pipelines:
            # First: what it puts in place is a change of the source.
            waiting |= take_in(pipeline, cursor, lake, engine, now)
            stores = DagsterStores(lake, lambda: context.instance)
            asked = _asked(pipeline, now, Path(engine.spill_directory), stores)
            looks = _looks(asked)
            unread += [text for name, look in looks.items() for text in _told_unread(pipeline, name, look)]
            changed = _changed_datasets(pipeline, looks, asked, cursor, now)
            requests += _reference_requests(pipeline, changed)
            late = _late_partitions(pipeline, changed, now)
            requests += [
                refresh_request(
                    pipeline,
                    window,
                    run_key=f"source:{pipeline.name}:{window.key}:{_texts(changed, window.key)}",
                )
                for window in late
            ]
            if any(
                pipeline.spec.datasets[name].is_partitioned and change.is_of_all
                for name, change in changed.items()
            ):
                partitions, _ = due_windows(pipeline, context.instance, now, lake, engine)
                make_known(pipeline, partitions, context.instance)
                texts = "|".join(change.text() for change in changed.values())
                requests += [
                    refresh_request(pipeline, w, run_key=f"source:{pipeline.name}:{w.key}:{texts}")
                    for w in partitions
                    if w not in late
                ]
            done = {window.key for window in late}
            for name, change in changed.items():
                # Of what is left for the next look the former mark stays.
                cursor[f"{pipeline.name}/{name}"] = {
                    key: mark
                    for key, mark in change.now.items()
                    if key not in change.partitions or key in done
                } | {key: change.before[key] for key in change.partitions - done if key in change.before}
        sources = {key: marks for key, marks in cursor.items() if not key.startswith("/")}
        for text in unread:
            context.log.info(text)
        return dg.SensorResult(
            run_requests=requests,
            cursor=json.dumps({**sources, **waiting}, sort_keys=True),
            skip_reason=" ".join(unread) if unread and not requests else None,
        )

    return sense


def _looks(asked: Mapping[str, Asked]) -> dict[str, Look]:
    """Look at the source of each dataset; those that are not there yet are left out."""
    looks: dict[str, Look] = {}
    for name, one in asked.items():
        assert one.dataset is not None
        source, kind = one.dataset.source, type_of(one.dataset.source)
        try:
            looks[name] = Look(kind.marks(source, one)) if kind.look is None else kind.look(source, one)
        except SourceError:
            continue  # Not there yet: the run that needs it will say so.
    return looks


def _told_unread(pipeline: Pipeline, name: str, look: Look) -> Iterator[str]:
    """Say which files of a dataset wait, and for what."""
    waiting = list(look.waiting.items())
    if waiting:
        files = "; ".join(
            f"{one_line(PurePosixPath(file).name)}: {reason}" for file, reason in waiting[:MOST_SHOWN]
        )
        more = f"; and {len(waiting) - MOST_SHOWN:,} more" if len(waiting) > MOST_SHOWN else ""
        yield f"{pipeline.name}/{name} waits for {len(waiting):,} files: {files}{more}."


def _changed_datasets(
    pipeline: Pipeline,
    looks: Mapping[str, Look],
    asked: Mapping[str, Asked],
    cursor: Mapping[str, Any],
    now: datetime,
) -> dict[str, _Change]:
    """Return the datasets whose source is not what the cursor remembers."""
    changes: dict[str, _Change] = {}
    for name, look in looks.items():
        seen = cursor.get(f"{pipeline.name}/{name}")
        # An older cursor holds one text for all.
        before = seen if isinstance(seen, dict) else {}
        # While files of it are being written, a partition, or the whole, is what it was at the last look.
        marks = {key: mark for key, mark in look.marks.items() if key not in look.unsettled}
        marks |= {key: before[key] for key in look.unsettled if key in before}
        if seen == marks or (not before and look.unsettled and not marks):
            continue
        try:
            late = _told_late(pipeline, asked[name], before.get(WHOLE), now)
        except SourceError:
            continue
        is_made_elsewhere = pipeline.spec.datasets[name].source.is_made_elsewhere
        changes[name] = _Change(before, marks, late, is_made_elsewhere)
    return changes


def _asked(pipeline: Pipeline, now: datetime, scratch: Path, stores: Stores) -> dict[str, Asked]:
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


def _told_late(pipeline: Pipeline, asked: Asked, since: str | None, now: datetime) -> Sequence[Window]:
    """Return the partitions that have ended, and in which rows came or changed since a mark of the whole."""
    dataset, form = asked.dataset, partitioning(pipeline.spec.partitions)
    if dataset is None or since is None or not dataset.is_partitioned or not form.ends_by_clock:
        return ()
    changes = type_of(dataset.source).changes
    if changes is None:
        return ()
    hours = changes(dataset.source, asked, since)
    windows = {w.key: w for hour in hours for w in form.overlapping(hour, hour + timedelta(hours=1))}
    return [window for _, window in sorted(windows.items()) if window.end <= now]


def _late_partitions(pipeline: Pipeline, changes: Mapping[str, _Change], now: datetime) -> list[Window]:
    """Return the partitions that have ended and whose own files changed, or of which the source tells, oldest first."""
    keys = frozenset[str]().union(*(change.partitions for change in changes.values()))
    windows = partitioning(pipeline.spec.partitions).windows(until=now) if keys else ()
    own = [window for window in windows if window.key in keys][:MOST_PARTITIONS]
    told = {window.key: window for change in changes.values() for window in change.late}
    return sorted({**told, **{window.key: window for window in own}}.values(), key=lambda w: w.start)


def _texts(changes: Mapping[str, _Change], key: str) -> str:
    return "|".join(change.now.get(key, change.now.get(WHOLE, "")) for change in changes.values())


def _reference_requests(pipeline: Pipeline, changed: Mapping[str, _Change]) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        texts = "|".join(changed[name].text() for name in reference)
        yield reference_request(pipeline, reference, run_key=f"source:{pipeline.name}:{texts}")
