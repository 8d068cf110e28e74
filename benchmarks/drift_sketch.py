"""Drift of a window against a plain scan of the same file.

Measures sketch, statistics and decision of a current window, with the reference's sketch cached,
beside DuckDB's plain scan (sum, least and greatest value of every column).

    python -m benchmarks.drift_sketch [rows]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import measure, setup_done

if TYPE_CHECKING:
    import duckdb

N_NUMERIC, CATEGORIES = 14, (5, 12, 50, 200, 500, 1_000)
"""Columns: numeric ones, and the number of categories of each categorical one."""

REPEATS = 3
MAX_CPU_RATIO, MAX_PEAK_MB = 2.5, 300.0
"""Bars: CPU against the plain scan, and peak memory of the process."""

NUMERIC = [f"number_{index}" for index in range(N_NUMERIC)]
CATEGORICAL = [f"category_{index}" for index in range(len(CATEGORIES))]
SEEDS = {"reference": 1, "current": 2}


def write_window(path: Path, n_rows: int, seed: int, shift: float) -> None:
    """Write normal, skewed and integer numbers and skewed categories; `shift` moves three columns."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(seed)
    weights = [np.random.default_rng(index).dirichlet(np.ones(size)) for index, size in enumerate(CATEGORIES)]
    writer, block = None, 122_880
    for start in range(0, n_rows, block):
        n = min(block, n_rows - start)
        columns = {}
        for index, name in enumerate(NUMERIC):
            if index < 8:
                values = draw.normal(shift if index < 3 else 0.0, 1.0, n) * (index + 1)
            elif index < 11:
                values = draw.exponential(1.0, n)
            else:
                values = draw.integers(0, (30, 1_000, 100_000)[index - 11], n).astype(np.float64)
            # One value in fifty is missing in every other column.
            columns[name] = pa.array(values, mask=draw.random(n) < 0.02 if index % 2 else None)
        for name, share in zip(CATEGORICAL, weights, strict=True):
            names = pa.array([f"category {number}" for number in range(len(share))])
            columns[name] = names.take(pa.array(draw.choice(len(share), n, p=share)))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        config={"threads": 2, "memory_limit": "4GB", "temp_directory": str(folder / "spill")}
    )


def plain_scan(name: str) -> object:
    """Read every column once."""
    import_module("duckdb")
    folder = Path(name)
    setup_done()
    numbers = ", ".join(f"sum({name}), min({name}), max({name})" for name in NUMERIC)
    texts = ", ".join(f"min({name}), max({name})" for name in CATEGORICAL)
    with _connect(folder) as connection:
        return connection.sql(f"SELECT {numbers}, {texts} FROM '{folder}/current.parquet'").fetchall()


def build_reference(name: str) -> int:
    """Sketch the reference and keep it, as the first report of a model version does."""
    import pyarrow.parquet as pq

    from drift.sketch.scan import sketch_reference
    from drift.sketch.table import sketch_table

    folder = Path(name)
    setup_done()
    relation = f"(SELECT *, number_11 % 6 AS part FROM '{folder}/reference.parquet')"
    with _connect(folder) as connection:
        sketch = sketch_reference(connection, relation, [*NUMERIC, *CATEGORICAL], part_column="part")
    pq.write_table(sketch_table(1, sketch), folder / "sketch.parquet")
    return len(sketch)


def judge_drift(name: str) -> list[str]:
    """Sketch the current window on the cached edges, compute all statistics, decide."""
    from declaration.drift import DriftSpec
    from drift.columns.verdict import decide_drift
    from drift.sketch.scan import bins_of, sketch_window
    from drift.sketch.table import reference_from_rows

    import_module("scipy.special")
    folder = Path(name)
    setup_done()
    with _connect(folder) as connection:
        rows = connection.sql(f"SELECT * FROM '{folder}/sketch.parquet'").to_arrow_table()
        reference = reference_from_rows(rows.to_pylist())
        current = sketch_window(connection, f"'{folder}/current.parquet'", bins_of(reference))
    verdict = decide_drift(
        reference,
        current,
        n_current=current[NUMERIC[0]].n_rows,
        importances=dict.fromkeys(reference, 1.0),
        spec=DriftSpec(),
    )
    return sorted(column.column for column in verdict.drifted())


def run(n_rows: int) -> dict[str, float]:
    """Measure, print a table, and return the ratios."""
    ways = {"plain scan": plain_scan, "drift": judge_drift}
    with tempfile.TemporaryDirectory() as name:
        for window, shift in (("reference", 0.0), ("current", 0.5)):
            write_window(Path(name) / f"{window}.parquet", n_rows, SEEDS[window], shift)
        module = "benchmarks.drift_sketch"
        once = measure("reference", f"{module}:build_reference", name)
        # Taken in turns, so that a busy moment of the machine meets both.
        runs = [
            {way: measure(way, f"{module}:{function.__name__}", name) for way, function in ways.items()}
            for _ in range(REPEATS)
        ]
    lines = [f"{n_rows:,} rows × {N_NUMERIC + len(CATEGORIES)} columns, median of {REPEATS} processes"]
    cost = {way: statistics.median(costs[way].cpu_s for costs in runs) for way in ways}
    peak = {way: max(costs[way].peak_mb for costs in runs) for way in ways}
    for way in ways:
        lines.append(f"{way:12} {cost[way]:7.2f} CPU s  peak {peak[way]:5.0f} MB")
    lines.append(
        f"{'reference':12} {once.cpu_s:7.2f} CPU s  peak {once.peak_mb:5.0f} MB  (once per model version)"
    )
    ratio = cost["drift"] / cost["plain scan"]
    drifted = ", ".join(runs[0]["drift"].result)
    lines.append(f"drift / plain scan = {ratio:.2f} (at most {MAX_CPU_RATIO:g}); found drifted: {drifted}")
    sys.stdout.write("\n".join(lines) + "\n")
    return {"drift_to_scan": ratio, "drift_peak_mb": peak["drift"]}


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_rows", nargs="?", type=int, default=1_000_000)
    figures = run(parser.parse_args().n_rows)
    return int(figures["drift_to_scan"] > MAX_CPU_RATIO or figures["drift_peak_mb"] > MAX_PEAK_MB)


if __name__ == "__main__":
    sys.exit(main())
