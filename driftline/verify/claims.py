"""Claims of Dagster: the version of each table that the newest materialization of each partition wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord

from pipelines.triggers.events import metadata_of

EVENTS_AT_ONCE = 500
"""Events of one query: each holds its pages and pictures."""

MATERIALIZED = DagsterEventType.ASSET_MATERIALIZATION


@dataclass(frozen=True)
class Claim:
    """One materialization, the newest of its asset and partition.

    Attributes
    ----------
    asset, partition
        Key of the asset; partition key, None where it has none.
    run_id, told_at
        The run, and when it told Dagster (seconds since 1970).
    versions
        Delta version by table, as written.
    ledger
        Rows and head of the ledger as the model's materialization had them; None of others.
    model_version
        The version that the model's materialization judged.
    """

    asset: tuple[str, ...]
    partition: str | None
    run_id: str
    told_at: float
    versions: Mapping[str, int]
    ledger: tuple[int, str] | None = None
    model_version: int | None = None


STAGES = (
    "raw", "profiled", "features", "labels", "training_set", "model", "predictions", "drift_report",
)  # fmt: skip
"""The stages in the order in which they read each other."""


def claims_of(instance: DagsterInstance, pipeline: str) -> Sequence[Claim]:
    """List what Dagster was told of a pipeline, in the order in which it would be made again."""
    keys = [key for key in instance.get_asset_keys() if key.path[0] == pipeline and len(key.path) > 1]
    claims = [claim for key in keys for record in _newest(instance, key) for claim in _claim(record)]
    return sorted(claims, key=_order)


def _order(claim: Claim) -> tuple[str, int, tuple[str, ...]]:
    stage = claim.asset[1]
    return claim.partition or "", STAGES.index(stage) if stage in STAGES else len(STAGES), claim.asset


def makers(claims: Sequence[Claim]) -> Mapping[str, tuple[str, ...]]:
    """Return which asset writes each table."""
    return {table: claim.asset for claim in claims for table in claim.versions}


def _newest(instance: DagsterInstance, key: dg.AssetKey) -> Iterator[EventLogRecord]:
    """Give the newest materialization of each partition; of an asset without partitions, the newest."""
    storage = instance.event_log_storage
    ids = sorted(storage.get_latest_storage_id_by_partition(key, MATERIALIZED).values())
    if not ids:
        yield from storage.get_event_records(dg.EventRecordsFilter(MATERIALIZED, asset_key=key), limit=1)
    for start in range(0, len(ids), EVENTS_AT_ONCE):
        some = ids[start : start + EVENTS_AT_ONCE]
        yield from storage.get_event_records(
            dg.EventRecordsFilter(MATERIALIZED, asset_key=key, storage_ids=some), ascending=True
        )


def _claim(record: EventLogRecord) -> Iterator[Claim]:
    if record.asset_key is None:
        return
    metadata = metadata_of(record)
    versions = {}
    for written in str(metadata.get("writes") or "").split(", "):
        table, at, version = written.rpartition("@")
        if at and version.isdecimal():
            versions[table] = int(version)
    rows, sha256, model = (
        metadata.get("ledger_rows"),
        metadata.get("ledger_sha256"),
        metadata.get("model_version"),
    )
    yield Claim(
        asset=tuple(record.asset_key.path),
        partition=record.partition_key,
        run_id=record.run_id,
        told_at=record.timestamp,
        versions=versions,
        ledger=(rows, str(sha256)) if isinstance(rows, int) else None,
        model_version=model if isinstance(model, int) else None,
    )
