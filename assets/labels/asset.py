"""Labels: every row to predict, with its instant, its keys, and the truth once it is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.materialization import Outcome, StageRun
from charts import as_markdown_image, bars
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, queries_behind
from declaration.sql import quote_identifier
from declaration.target_sql import LabelError, check_labels, label_query, target_key
from resources.lake.lake import Snapshot, scan
from resources.lake.views import newest_snapshots, register_snapshots

if TYPE_CHECKING:
    import duckdb

LABELS_TABLE = "driftline_labels"


@dataclass(frozen=True)
class _Sources:
    """Sources that the target reads, pinned, so that all partitions of one run see the same.

    Labels of a partition come from its own rows and from those of the partitions within the declared delay that
    are in the lake. So they end up the same in whatever order, and however often, partitions are run.
    """

    pipeline: Pipeline
    snapshots: Mapping[str, Snapshot]
    queries: Mapping[str, str]

    def fill(self, connection: duckdb.DuckDBPyConnection, window: Window) -> None:
        """Make the table of one partition's labels, and check it."""
        import duckdb

        pipeline = self.pipeline
        where = f"target of '{pipeline.name}', partition {window.key}"
        register_snapshots(
            connection,
            pipeline,
            self.snapshots,
            queries=self.queries,
            start=window.start,
            end=window.end + pipeline.spec.learned.label_delay,
        )
        try:
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {LABELS_TABLE} AS {label_query(pipeline, window)}"
            ).fetchall()
        except duckdb.Error as error:
            raise LabelError(
                f"{where}: {' '.join(str(error).split())} Correct the target's expressions."
            ) from error
        check_labels(connection, LABELS_TABLE, target_key(pipeline.spec), where=where)


def materialize_labels(run: StageRun) -> Outcome:
    """Write one partition's prediction instants and labels, and those of earlier ones whose labels may have come.

    Raises
    ------
    LabelError
        If the target's expressions fail, leak or repeat a key; nothing is written then.
    """
    started = time.monotonic()
    if run.scope.window is None:
        raise LabelError("labels are partitioned: run them for a partition.")
    window, sources = run.scope.window, _sources(run)
    with run.engine.connect() as connection:
        sources.fill(connection, window)
        rows = connection.sql(f"SELECT * FROM {LABELS_TABLE}")
        snapshot = _write(run, rows, window)
        n_labelled, n_known, first, last = connection.sql(
            "SELECT count(label), count(*) FILTER (label_time < $end::TIMESTAMPTZ), "
            f"min(event_timestamp), max(event_timestamp) FROM {LABELS_TABLE}",
            params={"end": window.end.isoformat()},
        ).fetchall()[0]
        shares = _shares(connection)
        rewritten = [late.key for late in _late(run, window) if _write_again(connection, sources, run, late)]
    n_rows = snapshot.rows_by_partition.get(window.key, 0)
    chart = bars(shares, title="Labels of the partition", unit="rows")
    return Outcome(
        data_version=f"{snapshot.table}@{snapshot.version}",
        schema=snapshot.schema,
        metadata={
            "n_rows": n_rows,
            "n_labelled": n_labelled,
            "n_unlabelled": n_rows - n_labelled,
            "n_known_at_end": n_known,
            "written_again": ", ".join(rewritten) or None,
            "first_prediction": first,
            "last_prediction": last,
            "reads": ", ".join(f"{s.table}@{s.version}" for s in sources.snapshots.values()),
            "writes": f"{snapshot.table}@{snapshot.version}",
            "size_bytes": snapshot.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"labels": as_markdown_image(chart, "labels of the partition")} if shares else {},
    )


def _sources(run: StageRun) -> _Sources:
    pipeline = run.pipeline
    reading = f"SELECT * FROM {quote_identifier(pipeline.spec.learned.dataset)}"
    return _Sources(
        pipeline,
        newest_snapshots(pipeline, run.lake, datasets_behind(pipeline, reading)),
        queries_behind(pipeline, reading),
    )


def _late(run: StageRun, window: Window) -> tuple[Window, ...]:
    """List the earlier partitions that have labels, which may have come or changed with this one."""
    delay = run.spec.learned.label_delay
    if not delay:
        return ()
    labelled = run.lake.snapshot(run.table("labels")).partitions
    earlier = partitioning(run.spec.partitions).overlapping(window.start - delay, window.start)
    return tuple(partition for partition in earlier if partition.key in labelled)


def _write_again(
    connection: duckdb.DuckDBPyConnection, sources: _Sources, run: StageRun, late: Window
) -> bool:
    """Write an earlier partition's labels again if they differ; tell whether they did."""
    sources.fill(connection, late)
    before = run.lake.snapshot(run.table("labels"))
    now = connection.sql(f"SELECT * FROM {LABELS_TABLE}")
    differing = set(now.columns) != set(before.schema.names)
    if not differing:
        listed = ", ".join(quote_identifier(name) for name in now.columns)
        new, old = f"SELECT {listed} FROM {LABELS_TABLE}", f"SELECT {listed} FROM {scan(before, [late.key])}"
        changes = f"SELECT 1 FROM (({new} EXCEPT ALL {old}) UNION ALL ({old} EXCEPT ALL {new})) LIMIT 1"
        differing = bool(connection.sql(changes).fetchall())
    if differing:
        _write(run, now, late)
    return differing


def _write(run: StageRun, rows: duckdb.DuckDBPyRelation, window: Window) -> Snapshot:
    return run.lake.write(
        run.table("labels"),
        rows.to_arrow_reader(),
        partition=window.key,
        commit=run.commit,
        cut=run.pipeline.cut(run.spec.learned.prediction_time),
    )


def _shares(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, float]]:
    counts = connection.sql(
        "SELECT coalesce(CAST(label AS VARCHAR), 'none'), count(*) AS n "
        f"FROM {LABELS_TABLE} GROUP BY ALL ORDER BY n DESC, 1 LIMIT 12"
    ).fetchall()
    return [(label, float(n)) for label, n in counts]
