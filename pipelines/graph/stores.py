"""Stores of what other pipelines and code locations made: the lake's accepted rows, and Dagster's materializations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord

from assets.profiled.tables import PROFILES
from declaration.upstream import ACCEPTED
from resources.lake.lake import Lake
from resources.lake.snapshots import Snapshot
from sources.files import SourceError
from sources.stores import AcceptedRows, Materialized


def _no_instance() -> DagsterInstance:
    raise SourceError("an asset of another code location is read beside a Dagster instance alone.")


@dataclass(frozen=True)
class DagsterStores:
    """The lake and the instance of an installation, as sources see them.

    Attributes
    ----------
    lake
        Where all pipelines of the project keep their rows.
    instance
        Gives the instance when it is first asked: only assets of other code locations need it.
    """

    lake: Lake
    instance: Callable[[], DagsterInstance] = _no_instance

    def accepted(self, pipeline: str, dataset: str, version: int | None) -> AcceptedRows | None:
        """Return the accepted rows of a dataset, the newest by default; None where nothing was accepted yet.

        A partition whose rows a blocking expectation refused was never profiled: it is not among the accepted.
        """
        table, profiles = f"{pipeline}/{ACCEPTED}/{dataset}", f"{pipeline}/{PROFILES.name}/{dataset}"
        if not (self.lake.has(table) and self.lake.has(profiles)):
            return None
        # Before the rows, which are written first: what is accepted then has its rows.
        accepted = self.lake.snapshot(profiles).files.keys()
        rows = self.lake.snapshot(table, version)
        # Of an older version only the rows tell which partitions it has.
        keys = accepted if version is None else accepted & rows.files.keys()
        return AcceptedRows(
            table,
            rows.version,
            rows.schema,
            tuple(sorted(keys)),
            {key: _state(rows, key) for key in rows.files},
            lambda partitions: self.lake.batches(rows, partitions),
        )

    def newest(self, key: Sequence[str], partition: str | None) -> Materialized | None:
        """Return the newest materialization of an asset, or of one of its partitions; None where there is none."""
        chosen = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(key), asset_partitions=None if partition is None else [partition]
        )
        records = self.instance().fetch_materializations(chosen, limit=1).records
        return _materialized(records[0]) if records else None

    def events(self, key: Sequence[str]) -> Mapping[str, int]:
        """Return the number of the newest materialization of each partition of an asset."""
        return self.instance().event_log_storage.get_latest_storage_id_by_partition(
            dg.AssetKey(key), DagsterEventType.ASSET_MATERIALIZATION
        )

    def assets(self) -> Sequence[str]:
        """List the keys of all assets that were materialized."""
        return sorted(key.to_user_string() for key in self.instance().all_asset_keys())


def _state(rows: Snapshot, key: str) -> str:
    """Return the names of a partition's files, which bear the hash of their content."""
    return " ".join(sorted(PurePath(path).name.rpartition("-")[2] for path in rows.files[key]))


def _materialized(record: EventLogRecord) -> Materialized:
    made = record.asset_materialization
    tags = (made.tags if made is not None else None) or {}
    values = {name: entry.value for name, entry in made.metadata.items()} if made is not None else {}
    return Materialized(
        event=record.storage_id,
        run_id=record.run_id,
        at=datetime.fromtimestamp(record.timestamp, tz=UTC),
        partition=record.partition_key,
        data_version=tags.get("dagster/data_version", ""),
        texts={
            name: str(value)
            for name, value in values.items()
            if isinstance(value, str | int | float | PurePath) and not isinstance(value, bool)
        },
    )
