"""A table of Postgres to a Delta table: ours beside a bare fetch by ADBC, pandas with SQLAlchemy, and dlt.

    python -m benchmarks.sql_source [--rows 1000000] [--large 10000000] [--peers] [--peer PYTHON]

Ten columns: whole numbers, floats, decimals, a truth value, texts, a day and an instant. Ours is the raw stage: read, typed, rejects
kept, written and hashed; the bare fetch only receives the batches. CPU is that of the client. `--large` gives the rows of which the memory is
measured. Peers write Parquet (pandas, by pieces) and Delta (dlt), in an environment of their own, or in that of `--peer`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, measure, setup_done, table
from benchmarks.online_servers import PostgresServer, postgres_server
from benchmarks.peers import peer_python

HERE = "benchmarks.sql_source"

VARIABLE = "BENCH_SHOP_URL"

FETCH, ASKED, OURS = "bare ADBC fetch", "driftline, source alone", "driftline"

MAX_RATIO = 2.0
"""CPU in multiples of the bare fetch."""

MAX_PEAK_MB = 450.0
"""Peak memory of our process, at the rows of `--large`: 235 MB are there once its packages are imported, and the rest is the same for
any number of rows."""

ENGINE_MEMORY = "100MB"
"""The engine's bound: what is beyond goes to its scratch folder."""

PEERS = (
    "dlt[deltalake,sql_database]==1.*",
    "pandas<3",
    "psycopg2-binary",
    "sqlalchemy>=2,<2.1",
    "pyarrow>=17",
)

COLUMNS = {
    "id": "int", "customer": "int", "amount": "float", "price": "decimal", "is_paid": "boolean", "name": "string",
    "code": "string", "day": "date", "placed_at": "timestamp_tz", "n_items": "int",
}  # fmt: skip

MAKE = """
    CREATE TABLE {table} AS SELECT i AS id, (i * 7919) % 100000 AS customer, i * 0.37::float8 AS amount,
    (i * 1.01)::numeric(12, 2) AS price, i % 3 = 0 AS is_paid, 'customer ' || (i % 1000) AS name, md5(i::text) AS code,
    date '2024-01-01' + (i % 365)::int AS day, timestamptz '2024-01-01Z' + i * interval '1 s' AS placed_at,
    (i % 20)::smallint AS n_items FROM generate_series(1, {n_rows}::bigint) i
"""


def adbc_fetch(name: str) -> int:
    """Receive all batches, and forget them."""
    import adbc_driver_postgresql.dbapi as postgres

    setup_done()
    n_rows = 0
    with postgres.connect(os.environ[VARIABLE]) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {name}")
        with cursor.fetch_record_batch() as batches:
            for batch in batches:
                n_rows += batch.num_rows
    return n_rows


def driftline_raw(name: str, folder: str) -> object:
    """Materialize `raw`."""
    # What is imported where it is first used is no cost of a row.
    for module in ("adbc_driver_postgresql.dbapi", "deltalake", "pyarrow.parquet"):
        import_module(module)
    from assets.materialization import Scope, StageRun
    from assets.raw.asset import materialize_raw
    from benchmarks.wide_rows import connections
    from declaration.pipeline import Pipeline
    from declaration.spec import PipelineSpec

    source = {"type": "sql", "url": {"env": VARIABLE}, "table": name}
    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "day", "start": "2024-01-01"},
            "datasets": {"orders": {"source": source, "columns": COLUMNS}},
        }
    )
    to = connections(folder, ENGINE_MEMORY)
    pipeline = Pipeline("shop", spec, folder, {}, "0" * 64)
    scope = Scope(None, "run", datetime(2024, 1, 1, tzinfo=UTC))
    setup_done()
    outcome = materialize_raw(StageRun(pipeline, scope, to.lake, to.engine), "orders")
    return outcome.metadata["n_rows"]


def driftline_asked(name: str, folder: str) -> int:
    """Open the source alone: what the database gives, as Parquet in the scratch folder."""
    from declaration.sources.sql import SqlSourceSpec
    from sources.opening import opened

    import_module("adbc_driver_postgresql.dbapi")
    pq = import_module("pyarrow.parquet")
    source = SqlSourceSpec.model_validate({"type": "sql", "url": {"env": VARIABLE}, "table": name})
    setup_done()
    with opened(source, folder=Path(folder), scratch=Path(folder)) as now:
        return sum(pq.read_metadata(file).num_rows for file in now.files)


def pandas_parquet(name: str, folder: str) -> int:
    """Read by pieces of 100,000 rows from a cursor of the server, and write Parquet."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sqlalchemy import create_engine

    engine = create_engine(os.environ[VARIABLE].replace("postgresql://", "postgresql+psycopg2://"))
    setup_done()
    n_rows, writer = 0, None
    with engine.connect().execution_options(stream_results=True) as connection:
        for piece in pd.read_sql_query(
            f"SELECT {', '.join(COLUMNS)} FROM {name}", connection, chunksize=100_000
        ):
            rows = pa.Table.from_pandas(piece, preserve_index=False)
            writer = writer or pq.ParquetWriter(Path(folder) / "orders.parquet", rows.schema)
            writer.write_table(rows.cast(writer.schema))
            n_rows += len(piece)
    if writer is not None:
        writer.close()
    return n_rows


def dlt_delta(name: str, folder: str) -> int:
    """Load with dlt's own source of SQL, by Arrow, to a Delta table."""
    # Not installed here: what is imported by name is not type-checked.
    dlt, database = import_module("dlt"), import_module("dlt.sources.sql_database")
    os.environ["DLT_DATA_DIR"] = folder
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=folder, dataset_name="shop",
        destination=dlt.destinations.filesystem(f"file://{folder}/lake"),
    )  # fmt: skip
    url = os.environ[VARIABLE].replace("postgresql://", "postgresql+psycopg2://")
    setup_done()
    resource = database.sql_table(url, table=name, backend="pyarrow", chunk_size=100_000)
    pipeline.run(resource, table_format="delta", write_disposition="replace")
    counts: dict[str, int] = pipeline.last_trace.last_normalize_info.row_counts
    return counts[name]


def url_of(server: PostgresServer) -> str:
    """Return the server's URL."""
    return f"postgresql://postgres@/postgres?host={server.settings['host']}"


def fill(url: str, name: str, n_rows: int) -> None:
    """Make the table of so many rows."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as session:
        session.execute(MAKE.format(table=name, n_rows=n_rows))
        session.execute(f"ANALYZE {name}")


def way(title: str, function: str, *arguments: Any, python: Path | None = None) -> Measurement:
    """Measure one way in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        extra = (folder,) if title != FETCH else ()
        return measure(title, f"{HERE}:{function}", *arguments, *extra, python=python)


def missed(rows: list[Measurement], large: Measurement | None) -> list[str]:
    """Say which bars are missed."""
    fetch, ours = rows[:2]
    faults = []
    if ours.cpu_s > MAX_RATIO * fetch.cpu_s:
        faults.append(f"{ours.cpu_s / fetch.cpu_s:.2f} times the CPU of the bare fetch, at most {MAX_RATIO}")
    if large is not None and large.peak_mb > MAX_PEAK_MB:
        faults.append(f"{large.result:,} rows: {large.peak_mb:,.0f} MB, at most {MAX_PEAK_MB:,.0f}")
    if len({row.result for row in rows}) > 1:
        faults.append(f"not the same rows: {[row.result for row in rows]}")
    return faults


def main() -> int:
    """Measure all ways, and return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000, help="0 leaves the memory out")
    parser.add_argument("--peers", action="store_true", help="measure pandas and dlt, too")
    parser.add_argument("--peer", type=Path, help="interpreter that has the peers' packages")
    options = parser.parse_args()
    large = None
    with postgres_server() as server:
        os.environ[VARIABLE] = url_of(server)
        fill(url_of(server), "orders", options.rows)
        ways = {FETCH: "adbc_fetch", OURS: "driftline_raw", ASKED: "driftline_asked"}
        rows = [way(title, function, "orders") for title, function in ways.items()]
        if options.peers or options.peer:
            python = options.peer or peer_python("sql", *PEERS)
            rows.append(way("pandas + SQLAlchemy", "pandas_parquet", "orders", python=python))
            rows.append(way("dlt", "dlt_delta", "orders", python=python))
        sys.stdout.write(f"{options.rows:,} rows of {len(COLUMNS)} columns\n{table(rows, against=FETCH)}\n")
        if options.large:
            fill(url_of(server), "many", options.large)
            large = way(OURS, "driftline_raw", "many")
            asked = way(ASKED, "driftline_asked", "many")
            sys.stdout.write(f"{options.large:,} rows\n{table([large, asked], against=OURS)}\n")
    faults = missed(rows, large)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
