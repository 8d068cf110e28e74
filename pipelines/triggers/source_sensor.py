"""The source sensor: a refresh when a source changed, of the partitions that it changed in."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from declaration.pipeline import Pipeline
from pipelines.graph.stores import DagsterStores
from pipelines.triggers.due import due_windows
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.inbox import take_in
from pipelines.triggers.run_requests import reference_request, refresh_request
from pipelines.triggers.served import served
from pipelines.triggers.source_changes import (
    Change,
    asked_of,
    changed_datasets,
    late_partitions,
    look_at,
    told_unread,
)
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.files import SourceError
from sources.source_type import WHOLE

LOOKS = "looks"
"""Key of the cursor that counts looks which saw a change: a source that is again as it once was is a change, and needs a run that is not that one."""


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
        looks = cursor.get(LOOKS, 0) + 1
        for pipeline in pipelines:
            # First: what it puts in place is a change of the source.
            waiting |= take_in(pipeline, cursor, lake, engine, now)
            asked = asked_of(
                pipeline, now, Path(engine.spill_directory), DagsterStores(lake, lambda: context.instance)
            )
            looks_at = look_at(asked, tell=partial(_could_not_look, context.log, pipeline.name))
            unread += told_unread(pipeline.name, looks_at)
            changed = changed_datasets(pipeline, looks_at, asked, cursor, now)
            key = f"source:{pipeline.name}:{looks}"
            requests += _reference_requests(pipeline, changed, key)
            late = late_partitions(pipeline, changed, now)
            requests += [
                refresh_request(pipeline, window, run_key=f"{key}:{window.key}:{_texts(changed, window.key)}")
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
                    refresh_request(pipeline, w, run_key=f"{key}:{w.key}:{texts}")
                    for w in partitions
                    if w not in late
                ]
            done = frozenset(window.key for window in late)
            for name, change in changed.items():
                cursor[f"{pipeline.name}/{name}"] = change.remembered(done)
                cursor[LOOKS] = looks
        sources = {key: marks for key, marks in cursor.items() if not key.startswith("/")}
        for text in unread:
            context.log.info(text)
        return dg.SensorResult(
            run_requests=requests,
            cursor=json.dumps({**sources, **waiting}, sort_keys=True),
            skip_reason=" ".join(unread) if unread and not requests else None,
        )

    return sense


def _could_not_look(log: logging.Logger, pipeline: str, name: str, error: SourceError) -> None:
    """Say that a source could not be looked at: the run that needs it will say so again."""
    log.warning(f"{pipeline}: the source of '{name}' could not be looked at: {error}")


def _texts(changes: Mapping[str, Change], key: str) -> str:
    return "|".join(change.now.get(key, change.now.get(WHOLE, "")) for change in changes.values())


def _reference_requests(
    pipeline: Pipeline, changed: Mapping[str, Change], key: str
) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        texts = "|".join(changed[name].text() for name in reference)
        yield reference_request(pipeline, reference, run_key=f"{key}:{texts}")
