"""Drift of a window against a plain scan of the same file.

Measures sketch, statistics and decision of a current window, with the reference's sketch cached,
beside DuckDB's plain scan (sum, least and greatest value of every column). Each runs in a process
of its own; CPU seconds are those of the work, imports are shown apart. `python -m
benchmarks.drift_sketch [rows]`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

N_NUMERIC, CATEGORIES = 14, (5, 12, 50, 200, 500, 1_000)
"""Columns: numeric ones, and the number of categories of each categorical one."""

REPEATS = 3
MAX_CPU_RATIO, MAX_PEAK_MB = 6.0, 300.0
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


def peak_mb() -> float:
    """Return the greatest resident memory of this process; unlike ru_maxrss it starts at exec."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def cpu_seconds() -> float:
    """Return the CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _connect(folder: Path):  # type: ignore[no-untyped-def]
    import duckdb

    return duckdb.connect(
        config={"threads": 2, "memory_limit": "4GB", "temp_directory": str(folder / "spill")}
    )


def plain_scan(folder: Path) -> object:
    """Read every column once."""
    numbers = ", ".join(f"sum({name}), min({name}), max({name})" for name in NUMERIC)
    texts = ", ".join(f"min({name}), max({name})" for name in CATEGORICAL)
    with _connect(folder) as connection:
        return connection.sql(f"SELECT {numbers}, {texts} FROM '{folder}/current.parquet'").fetchall()


def build_reference(folder: Path) -> object:
    """Sketch the reference and keep it, as the first report of a model version does."""
    import pyarrow.parquet as pq

    from assets.drift_report.tables import sketch_table
    from assets.drift_report.window_scan import sketch_reference

    relation = f"(SELECT *, number_11 % 6 AS part FROM '{folder}/reference.parquet')"
    with _connect(folder) as connection:
        sketch = sketch_reference(connection, relation, [*NUMERIC, *CATEGORICAL], part_column="part")
    pq.write_table(sketch_table(1, sketch), folder / "sketch.parquet")
    return len(sketch)


def judge_drift(folder: Path) -> object:
    """Sketch the current window on the cached edges, compute all statistics, decide."""
    from assets.drift_report.decision import decide_drift
    from assets.drift_report.tables import reference_from_rows
    from assets.drift_report.window_scan import bins_of, sketch_window
    from pipelines.spec import DriftSpec

    with _connect(folder) as connection:
        kept = connection.sql(f"SELECT * FROM '{folder}/sketch.parquet'").to_arrow_table()
        reference = reference_from_rows(kept.to_pylist())
        current = sketch_window(connection, f"'{folder}/current.parquet'", bins_of(reference))
    verdict = decide_drift(
        reference,
        current,
        n_current=current[NUMERIC[0]].n_rows,
        importances=dict.fromkeys(reference, 1.0),
        spec=DriftSpec(),
    )
    return sorted(column.column for column in verdict.drifted())


WORK: Mapping[str, Callable[[Path], object]] = {
    "plain_scan": plain_scan,
    "reference": build_reference,
    "drift": judge_drift,
}


def _import_libraries(work: str) -> None:
    """Import what the work needs, so that its own cost is measured."""
    names = ["duckdb"]
    if work != "plain_scan":
        names += ["scipy.special", "assets.drift_report.decision", "assets.drift_report.tables"]
    for name in names:
        importlib.import_module(name)


def run_alone(work: str, folder: Path) -> None:
    """Do one piece of work in this process and print what it cost."""
    begun = cpu_seconds()
    _import_libraries(work)
    before, clock = cpu_seconds(), time.perf_counter()
    found = WORK[work](folder)
    cost = {
        "cpu_s": cpu_seconds() - before,
        "wall_s": time.perf_counter() - clock,
        "imports_cpu_s": before - begun,
        "peak_mb": peak_mb(),
        "found": found if work == "drift" else None,
    }
    sys.stdout.write(json.dumps(cost) + "\n")


def measure(work: str, folder: Path) -> dict[str, object]:
    """Run one piece of work in a new process."""
    command = [sys.executable, "-m", "benchmarks.drift_sketch", "--work", work, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return dict(json.loads(done.stdout))


def run(n_rows: int) -> dict[str, float]:
    """Measure, print a table, and return the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for window, shift in (("reference", 0.0), ("current", 0.5)):
            write_window(folder / f"{window}.parquet", n_rows, SEEDS[window], shift)
        once = measure("reference", folder)
        # Taken in turns, so that a busy moment of the machine meets both.
        runs = [{work: measure(work, folder) for work in ("plain_scan", "drift")} for _ in range(REPEATS)]
    lines = [f"{n_rows:,} rows × {N_NUMERIC + len(CATEGORICAL)} columns, median of {REPEATS} processes"]
    cost = {}
    for work in ("plain_scan", "drift"):
        cost[work] = statistics.median(float(one[work]["cpu_s"]) for one in runs)  # type: ignore[arg-type]
        peak = max(float(one[work]["peak_mb"]) for one in runs)  # type: ignore[arg-type]
        cost[f"{work}_peak_mb"] = peak
        imports = statistics.median(float(one[work]["imports_cpu_s"]) for one in runs)  # type: ignore[arg-type]
        lines.append(f"{work:12} {cost[work]:7.2f} CPU s  (imports {imports:.2f})  peak {peak:6.0f} MB")
    lines.append(
        f"{'reference':12} {once['cpu_s']:7.2f} CPU s  once per model version  peak {once['peak_mb']:6.0f} MB"
    )
    ratio = cost["drift"] / cost["plain_scan"]
    lines.append(
        f"drift / plain scan = {ratio:.2f} (at most {MAX_CPU_RATIO}); drifted: {runs[0]['drift']['found']}"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return {"drift_to_scan": ratio, "drift_peak_mb": cost["drift_peak_mb"]}


def main() -> int:
    """Run the benchmark; the exit code tells whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--work", choices=sorted(WORK))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.work:
        run_alone(arguments.work, arguments.folder)
        return 0
    figures = run(arguments.n_rows)
    return int(figures["drift_to_scan"] > MAX_CPU_RATIO or figures["drift_peak_mb"] > MAX_PEAK_MB)


if __name__ == "__main__":
    sys.exit(main())
