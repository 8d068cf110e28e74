"""Drift of a window: ours beside a plain scan of the file, Evidently and NannyML.

    python -m benchmarks.drift_peers [rows ...]

Twenty columns: 14 of numbers, 6 of up to 1,000 categories. Ours reads the window from its file, with the
reference's sketch kept as reports keep it. The peers, in environments of their own, get both windows as
data frames: reading is not counted for them, and neither is NannyML's fit on the reference. A peer that
reaches the limit of time or memory is shown as it ended.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.drift_sketch import CATEGORICAL, NUMERIC, SEEDS, write_window
from benchmarks.measure import LimitError, Measurement, measure, setup_done, table
from benchmarks.peers import peer_python

ROWS = (1_000_000, 10_000_000)
REPEATS = 3
SHIFT = 0.5
"""The mean of three columns moves by half a standard deviation (of the first; less of the others)."""

PEERS = {
    "Evidently": ("evidently_drift", ("evidently==0.7.23", "pandas<3", "pyarrow>=17")),
    "NannyML": ("nannyml_drift", ("nannyml==0.13.1", "pandas<3", "statsmodels", "pyarrow>=17")),
}
LIMIT_S, LIMIT_MB = 600.0, 8_000
"""Limits of a peer."""

QUIET = {"PYTHONWARNINGS": "ignore"}

SCAN, OURS = "plain scan", "driftline"

MAX_SCAN_RATIO = 5.0
"""CPU in multiples of the plain scan."""

MIN_EVIDENTLY_RATIO, EVIDENTLY_ROWS = 50.0, 1_000_000
"""Evidently's CPU in multiples of ours, at so many rows."""

MAX_PEAK_MB, PEAK_ROWS = 300.0, 10_000_000
"""Peak memory of our process, at so many rows."""


@dataclass(frozen=True)
class Bar:
    """A figure that is held against what was promised."""

    text: str
    is_met: bool


def evidently_drift(name: str) -> list[str]:
    """Run Evidently's preset for data drift."""
    import pandas as pd

    # Not installed here: what is imported by name is not type-checked.
    evidently, presets = import_module("evidently"), import_module("evidently.presets")
    definition = evidently.DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
    frames = [pd.read_parquet(f"{name}/{window}.parquet") for window in ("current", "reference")]
    setup_done()
    current, reference = (
        evidently.Dataset.from_pandas(frame, data_definition=definition) for frame in frames
    )
    report = evidently.Report([presets.DataDriftPreset()]).run(current, reference).dict()
    return [str(metric["metric_name"]) for metric in report["metrics"]]


def nannyml_drift(name: str) -> list[str]:
    """Run NannyML's univariate calculator with its own methods, the window as one chunk."""
    import pandas as pd

    nannyml = import_module("nannyml")
    reference, current = (pd.read_parquet(f"{name}/{window}.parquet") for window in ("reference", "current"))
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*NUMERIC, *CATEGORICAL], treat_as_categorical=CATEGORICAL, chunk_number=1
    ).fit(reference)
    setup_done()
    results = calculator.calculate(current).filter(period="analysis").to_df()
    return [str(column) for column in results.columns.get_level_values(0).unique()]


def run(n_rows: int) -> list[Bar]:
    """Measure all ways on so many rows, print a table, and return the bars."""
    sketch = "benchmarks.drift_sketch"
    with tempfile.TemporaryDirectory() as name:
        for window, shift in (("reference", 0.0), ("current", SHIFT)):
            write_window(Path(name) / f"{window}.parquet", n_rows, SEEDS[window], shift)
        once = measure("reference", f"{sketch}:build_reference", name)
        functions = {SCAN: "plain_scan", OURS: "judge_drift"}
        # Taken in turns, so that a busy moment of the machine meets both.
        runs = [
            {way: measure(way, f"{sketch}:{function}", name) for way, function in functions.items()}
            for _ in range(REPEATS)
        ]
        rows = [_median([costs[way] for costs in runs]) for way in functions]
        ended = {}
        for peer, (function, packages) in PEERS.items():
            python = peer_python(peer.lower(), *packages)
            try:
                rows.append(
                    measure(
                        peer, f"benchmarks.drift_peers:{function}", name,
                        python=python, environment=QUIET, limit_s=LIMIT_S, limit_mb=LIMIT_MB,
                    )
                )  # fmt: skip
            except LimitError as error:
                ended[peer] = str(error)
    bars = _bars(n_rows, {row.name: row for row in rows}, ended)
    lines = [
        f"{n_rows:,} rows × {len(NUMERIC) + len(CATEGORICAL)} columns; ours and the scan: median of {REPEATS}"
    ]
    lines.append(table(rows, against=SCAN))
    lines += [f"{peer:32} {how}" for peer, how in ended.items()]
    lines.append(f"reference, once a model version: {once.cpu_s:.2f} CPU s, peak {once.peak_mb:.0f} MB")
    lines += [f"{'met   ' if bar.is_met else 'MISSED'} {bar.text}" for bar in bars]
    sys.stdout.write("\n".join(lines) + "\n\n")
    return bars


def _median(runs: list[Measurement]) -> Measurement:
    """Return the run of median CPU, with the greatest peak of all."""
    middle = statistics.median_low([cost.cpu_s for cost in runs])
    chosen = next(cost for cost in runs if cost.cpu_s == middle)
    peak = max(cost.peak_mb for cost in runs)
    return Measurement(chosen.name, chosen.cpu_s, chosen.wall_s, chosen.setup_cpu_s, peak, chosen.result)


def _bars(n_rows: int, rows: dict[str, Measurement], ended: dict[str, str]) -> list[Bar]:
    ours = rows[OURS]
    to_scan = ours.cpu_s / rows[SCAN].cpu_s
    bars = [
        Bar(f"{to_scan:.2f} times the scan's CPU (at most {MAX_SCAN_RATIO:g})", to_scan <= MAX_SCAN_RATIO)
    ]
    if n_rows == EVIDENTLY_ROWS and "Evidently" in rows:
        to_ours = rows["Evidently"].cpu_s / ours.cpu_s
        text = f"Evidently takes {to_ours:.0f} times our CPU (at least {MIN_EVIDENTLY_RATIO:g})"
        bars.append(Bar(text, to_ours >= MIN_EVIDENTLY_RATIO))
    elif n_rows == EVIDENTLY_ROWS:
        bars.append(Bar(f"Evidently {ended['Evidently']}: its CPU is not known", is_met=False))
    if n_rows >= PEAK_ROWS:
        bars.append(Bar(f"peak {ours.peak_mb:.0f} MB (at most {MAX_PEAK_MB:g})", ours.peak_mb <= MAX_PEAK_MB))
    return bars


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_rows", nargs="*", type=int, default=list(ROWS))
    bars = [bar for n_rows in parser.parse_args().n_rows for bar in run(n_rows)]
    return int(not all(bar.is_met for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
