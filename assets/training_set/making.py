"""Making of a training set: labels joined with their features, checked and written, at once or in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.materialization import CheckOutcome, StageRun
from assets.training_set.leakage import Probe, changed_feature, judge, n_labels_before_their_time, probes
from assets.training_set.selection import TrainingSetError
from assets.training_set.size import SetSize
from assets.training_set.tally import Tally
from assets.turns import as_reader, in_turns, rows_of_turn
from declaration.names import SOURCE_PARTITION
from declaration.partitioning import Window
from declaration.sql import quote_literal, scalar
from resources.feature_store.changed_future import Counterfactual

if TYPE_CHECKING:
    import duckdb

    from resources.feature_store.store import FeatureStore
    from resources.lake.lake import Snapshot

LEADING_COLUMNS = ["row_id", "event_timestamp"]
"""Columns of a set that are there without features."""


@dataclass(frozen=True)
class _Inputs:
    """Rows of a training set in memory, pinned.

    Attributes
    ----------
    known
        The labels known at the window's end, in order, with the partition that each came from.
    featured
        The same rows with features; without any where no label is known.
    feature_versions
        Version of each feature view's table.
    probes, joined_again
        Some of the rows, joined again over feature rows that are other after an instant.
    """

    known: pa.Table
    featured: pa.Table
    feature_versions: Mapping[str, int]
    probes: Sequence[Probe]
    joined_again: Sequence[pa.Table]

    def of_probes(self, table: pa.Table) -> Sequence[pa.Table]:
        """Return the rows of a set that were joined again."""
        return [table.slice(probe.offset, probe.length) for probe in self.probes]


@dataclass(frozen=True)
class Selection:
    """The labels that a set is made of.

    Attributes
    ----------
    window
        The partition that the set is as of.
    labels
        The labels' table.
    sql
        The labels known at the window's end, in order, with the partition that each came from.
    n_partitions, broken
        Partitions whose labels are read, and those left out because their data was broken.
    size
        Of the set that comes of them.
    """

    window: Window
    labels: Snapshot
    sql: str
    n_partitions: int
    broken: Sequence[str]
    size: SetSize


@dataclass(frozen=True)
class MadeSet:
    """A set that was written.

    Attributes
    ----------
    snapshot, feature_versions, leakage
        Its table, the views' versions as text, and the check's outcome.
    n_rows, size_bytes
        Rows, and their bytes in memory.
    nulls
        Missing values by feature.
    rows_by_partition
        Rows by the partition that they came from.
    """

    snapshot: Snapshot
    feature_versions: str
    leakage: CheckOutcome
    n_rows: int
    size_bytes: int
    nulls: Mapping[str, int]
    rows_by_partition: Mapping[str, int]


def make_at_once(
    run: StageRun, connection: duckdb.DuckDBPyConnection, selected: Selection, feature_store: FeatureStore
) -> MadeSet:
    """Join all rows in memory, check them, and write them."""
    inputs = _read(run, connection.sql(selected.sql).to_arrow_table(), selected, feature_store)
    table = _with_labels(inputs.featured, inputs.known)
    n_early = n_labels_before_their_time(table, selected.window.end)
    leakage = _judge(inputs.probes, inputs.joined_again, inputs.of_probes(table), n_early)
    snapshot, versions = _write(run, selected.labels, inputs.feature_versions, table, leakage)
    tally = Tally(LEADING_COLUMNS)
    tally.add(table)
    return MadeSet(
        snapshot, versions, leakage, table.num_rows, table.nbytes, tally.nulls, tally.rows_by_partition
    )


def _read(run: StageRun, labelled: pa.Table, selected: Selection, feature_store: FeatureStore) -> _Inputs:
    """Join the labels' features, and join some of them again."""
    pipeline, lake = run.pipeline, run.lake
    # Without labels there is nothing to join: the set is empty, and the model waits for labels.
    featured, versions = (
        feature_store.features_for(pipeline, labelled, lake)
        if labelled.num_rows
        else (labelled.select(LEADING_COLUMNS), {})
    )
    chosen = (
        probes(labelled["event_timestamp"], seed=f"{pipeline.name} {selected.window.key}") if versions else ()
    )
    futures = [Counterfactual(labelled.slice(probe.offset, probe.length), probe.instant) for probe in chosen]
    again = (
        feature_store.features_with_changed_futures(pipeline, futures, lake, versions=versions)
        if futures
        else ()
    )
    return _Inputs(labelled, featured, versions, chosen, tuple(again))


KNOWN_TABLE = "driftline_known_labels"


def make_in_turns(
    run: StageRun, connection: duckdb.DuckDBPyConnection, selected: Selection, feature_store: FeatureStore
) -> MadeSet:
    """Check some rows, then join as many at a time as part of the memory holds, and write them as one commit."""
    pipeline, lake = run.pipeline, run.lake
    # Sorted once; what does not fit into the engine's memory is on its disk.
    connection.execute(f"CREATE TEMP TABLE {KNOWN_TABLE} AS {selected.sql}").fetchall()
    instants = connection.sql(f"SELECT event_timestamp FROM {KNOWN_TABLE}").to_arrow_table()[0]
    chosen = probes(instants, seed=f"{pipeline.name} {selected.window.key}") if run.spec.features else ()
    del instants
    rows_of = [
        connection.sql(
            f"SELECT * FROM {KNOWN_TABLE} WHERE rowid >= {probe.offset} AND rowid < {probe.offset + probe.length}"
        ).to_arrow_table()
        for probe in chosen
    ]
    joined, versions = feature_store.features_in_turns(pipeline, rows_of, lake)
    learned = [_with_labels(features, rows) for features, rows in zip(joined, rows_of, strict=True)]
    futures = [Counterfactual(rows, probe.instant) for rows, probe in zip(rows_of, chosen, strict=True)]
    again = (
        feature_store.features_with_changed_futures(pipeline, futures, lake, versions=versions)
        if futures
        else ()
    )
    is_early = f"label_time >= {quote_literal(selected.window.end.isoformat())}::TIMESTAMPTZ OR label_time <= event_timestamp"
    n_early = scalar(connection, f"SELECT count(*) FROM {KNOWN_TABLE} WHERE {is_early}")
    leakage = _judge(chosen, again, learned, n_early)
    n_rows = rows_of_turn(selected.size.limit_bytes, selected.size.row_bytes)
    tally = Tally(LEADING_COLUMNS)
    read: dict[str, int] = {}

    def stream() -> pa.RecordBatchReader:
        tally.clear()
        batches = connection.sql(f"SELECT * FROM {KNOWN_TABLE}").to_arrow_reader()
        held: list[pa.Table] = []

        def turns() -> Iterator[pa.Table]:
            for turn in in_turns(batches, batches.schema, n_rows):
                held[:] = [turn]
                yield turn

        features, found = feature_store.features_in_turns(pipeline, turns(), lake)
        read.update(found)
        return as_reader(tally.counted(_with_labels(table, held[0]) for table in features))

    snapshot, written = _write(run, selected.labels, versions, stream, leakage)
    if read != versions:
        raise TrainingSetError(
            "a feature view was written while the set was: its leakage check is of other versions. Run the partition again."
        )
    return MadeSet(
        snapshot, written, leakage, tally.n_rows, tally.size_bytes, tally.nulls, tally.rows_by_partition
    )


def _judge(
    chosen: Sequence[Probe], again: Sequence[pa.Table], learned: Sequence[pa.Table], n_early: int
) -> CheckOutcome:
    """Compare the rows that were joined again with those of the set; count the labels that came before their time."""
    changes = []
    for probe, rows, joined in zip(chosen, learned, again, strict=True):
        changed = changed_feature(rows, joined, probe.instant)
        if changed:
            name, at = changed
            changes.append(
                f"'{name}' of the prediction at {at.isoformat()} depends on what came after {probe.instant.isoformat()}"
            )
    return judge([probe.instant for probe in chosen], changes, n_early)


def _write(
    run: StageRun,
    labels: Snapshot,
    feature_versions: Mapping[str, int],
    rows: pa.Table | Callable[[], pa.RecordBatchReader],
    leakage: CheckOutcome,
) -> tuple[Snapshot, str]:
    """Write the set, with what it was made of and how it was checked in the commit; return both."""
    versions = ", ".join(f"{view}@{version}" for view, version in sorted(feature_versions.items()))
    commit = {
        **run.commit,
        "labels_version": str(labels.version),
        "feature_versions": versions,
        "leakage": leakage.description,
    }
    snapshot = run.lake.write(
        run.table("training_set"),
        rows,
        partition=run.scope.partition,
        commit=commit,
        cut=run.pipeline.cut(),
    )
    return snapshot, versions


def _with_labels(joined: pa.Table, rows: pa.Table) -> pa.Table:
    if not joined["row_id"].equals(rows["row_id"]):
        raise TrainingSetError(
            "the point-in-time join changed the labels' rows or order. Report this as a bug."
        )
    for name in ("label", "label_time", SOURCE_PARTITION):
        joined = joined.append_column(name, rows[name])
    return joined
