"""Windows of 500 rows: what is seen of known changes, and what is called without one, ours beside Evidently and NannyML.

    python -m benchmarks.small_windows [--repeats N] [--peer-repeats N]

Twelve columns against a reference of 20,000 rows in forty partitions, at `medium`. Each change is made to one column and
lasts eight windows; the first is what peers see. Peers run in environments of their own with their own defaults and with
their telemetry off; a column is called by Evidently when its test says so, by NannyML when any of its methods alerts. Then
streams without a change, whose rows are independent or resemble the one before, and one that moves slowly.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.measure import measure, setup_done
from benchmarks.peers import peer_python

if TYPE_CHECKING:
    from drift.sketch.counts import ReferenceSketch, WindowSketch

Values = NDArray[np.float64] | NDArray[np.str_]
Columns = dict[str, Values]

N_REFERENCE, N_PARTS, N_ROWS, N_WINDOWS = 20_000, 40, 500, 8
REPEATS, PEER_REPEATS, SEED = 25, 5, 13
"""Evidently takes about two CPU seconds a window, hence fewer runs."""
NUMERIC = [*(f"normal_{i}" for i in range(7)), "skewed_0", "skewed_1"]
CATEGORICAL = ["category_0", "category_1", "category_2"]
NAMES, SHARES = np.array(list("abcde")), np.array([0.4, 0.25, 0.2, 0.1, 0.05])
REWEIGHTED = np.array([0.25, 0.4, 0.2, 0.1, 0.05])
STREAM_WINDOWS, STREAM_SEEDS, N_STREAM_COLUMNS = 72, 2, 12
SLOW_WINDOWS, SLOW_STEP = 60, 0.01

PEERS = {
    "Evidently": ("evidently_calls", ("evidently==0.7.23", "pandas<3", "pyarrow>=17")),
    "NannyML": ("nannyml_calls", ("nannyml==0.13.1", "pandas<3", "statsmodels", "pyarrow>=17")),
}
QUIET = {"PYTHONWARNINGS": "ignore", "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Their telemetry is off."""

MOST_CLEAN, MOST_ALIKE, LEAST_SEEN, LEAST_SMALL = 0.01, 0.05, 0.90, 0.60
"""Bars: alarms in clean windows, and where rows resemble each other; changes seen in the first window, the small one too."""


@dataclass(frozen=True)
class Case:
    """A change of one column, and the share of first windows in which it must be seen as likely at least."""

    name: str
    column: str
    change: Callable[[Values, np.random.Generator], Values]
    least: float = LEAST_SEEN


def _two_peaks(values: Values, draw: np.random.Generator) -> Values:
    """Keep mean and variance, and empty the middle."""
    side = np.where(draw.random(len(values)) < 0.5, -0.95, 0.95)
    return np.asarray(side + np.sqrt(1 - 0.95**2) * draw.normal(size=len(values)))


def _numbers(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[..., Values]:
    return lambda values, _: change(np.asarray(values, dtype=np.float64))


CASES = (
    Case("mean + 0.25 sd", "normal_0", _numbers(lambda x: x + 0.25), LEAST_SMALL),
    Case("mean + 0.5 sd", "normal_0", _numbers(lambda x: x + 0.5)),
    Case("scale × 1.5", "normal_0", _numbers(lambda x: x * 1.5)),
    Case("bimodal", "normal_0", _two_peaks),
    Case("log-normal × 1.5", "skewed_0", _numbers(lambda x: x * 1.5)),
    Case("category ± 15 points", "category_0", lambda x, draw: draw.choice(NAMES, len(x), p=REWEIGHTED)),
    Case("nulls + 15 points", "normal_0", lambda x, draw: np.where(draw.random(len(x)) < 0.15, np.nan, np.asarray(x, dtype=np.float64))),
    Case("new category 3 %", "category_0", lambda x, draw: np.where(draw.random(len(x)) < 0.03, "new", x)),
)  # fmt: skip


def draw_columns(draw: np.random.Generator, n: int) -> Columns:
    """Draw twelve columns without a change."""
    columns: Columns = {name: draw.normal(size=n) for name in NUMERIC[:7]}
    columns |= {name: draw.lognormal(size=n) for name in NUMERIC[7:]}
    return columns | {name: draw.choice(NAMES, n, p=SHARES) for name in CATEGORICAL}


def draw_stream(draw: np.random.Generator, n: int, correlation: float) -> NDArray[np.float64]:
    """Draw normal rows each of which resembles the one before."""
    from scipy.signal import lfilter

    steps = draw.normal(size=(n + 300, N_STREAM_COLUMNS)) * np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1], [1, -correlation], steps, axis=0)[300:])


def write_windows(folder: Path, repeats: int) -> None:
    """Write the reference, and every case's runs of windows; without a change those of `clean`."""
    draw = np.random.default_rng(SEED)
    _write(folder / "reference.parquet", draw_columns(draw, N_REFERENCE))
    for name, case in _named().items():
        for repeat in range(repeats):
            columns = draw_columns(draw, N_ROWS * N_WINDOWS)
            if case is not None:
                columns[case.column] = case.change(columns[case.column], draw)
            _write(folder / f"{name} {repeat}.parquet", columns)


def _named() -> Mapping[str, Case | None]:
    """Return the changes by the name of their files."""
    return {"clean": None, **{str(place): case for place, case in enumerate(CASES)}}


def _write(path: Path, columns: Columns) -> None:
    pq.write_table(pa.table({name: pa.array(x, from_pandas=True) for name, x in columns.items()}), path)


def _reference(columns: Mapping[str, Values] | pa.Table) -> ReferenceSketch:
    import duckdb

    from drift.sketch.scan import sketch_reference

    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    part = pa.array(np.arange(len(table)) * N_PARTS // len(table))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("rows", table.append_column("part", part))
        return sketch_reference(connection, "rows", table.column_names, part_column="part")


def _sketch(reference: ReferenceSketch, table: pa.Table) -> WindowSketch:
    import duckdb

    from drift.sketch.scan import bins_of, sketch_window

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("rows", table)
        return sketch_window(connection, "rows", bins_of(reference))


def _statuses(reference: ReferenceSketch, windows: Sequence[WindowSketch]) -> Mapping[str, str]:
    """Judge the newest of some windows; the word for each column."""
    from declaration.drift import DriftSpec
    from drift.columns.verdict import decide_drift

    verdict = decide_drift(
        reference, windows[-1], n_current=N_ROWS, importances={}, spec=DriftSpec(), earlier=windows[:-1]
    )
    return {column.column: column.status for column in verdict.columns}


def our_calls(name: str, repeats: int) -> dict[str, list[list[dict[str, str]]]]:
    """Judge every window with those before it: by case and repeat, what each window's columns are called."""
    folder = Path(name)
    calls: dict[str, list[list[dict[str, str]]]] = {}
    reference = _reference(pq.read_table(folder / "reference.parquet"))
    setup_done()
    for case in _named():
        calls[case] = []
        for repeat in range(repeats):
            table = pq.read_table(folder / f"{case} {repeat}.parquet")
            windows = [_sketch(reference, table.slice(i * N_ROWS, N_ROWS)) for i in range(N_WINDOWS)]
            # Of the changes the first, second, fourth and eighth window tell how soon they are certain.
            shown = range(N_WINDOWS) if case == "clean" else (0, 1, 3, 7)
            calls[case].append(
                [
                    {k: v for k, v in _statuses(reference, windows[: i + 1]).items() if v != "stable"}
                    for i in shown
                ]
            )
    return calls


def our_streams() -> dict[str, list[str]]:
    """Judge streams: by name the word for each window."""
    streams: dict[str, list[str]] = {}
    for correlation in (0.0, 0.9, 0.95):
        words = streams.setdefault(f"AR {correlation:g}", [])
        for seed in range(STREAM_SEEDS):
            draw = np.random.default_rng(SEED + seed)
            rows = draw_stream(draw, N_REFERENCE + STREAM_WINDOWS * N_ROWS, correlation)
            words += _words(rows, STREAM_WINDOWS)
    draw = np.random.default_rng(SEED)
    rows = draw.normal(size=(N_REFERENCE + SLOW_WINDOWS * N_ROWS, 1))
    rows[N_REFERENCE:, 0] += np.repeat(SLOW_STEP * np.arange(1, SLOW_WINDOWS + 1), N_ROWS)
    streams["slow"] = _words(rows, SLOW_WINDOWS)
    return streams


def _words(rows: NDArray[np.float64], n_windows: int) -> list[str]:
    names = [f"column_{i}" for i in range(rows.shape[1])]
    reference = _reference({name: rows[:N_REFERENCE, i] for i, name in enumerate(names)})
    windows, words = [], []
    for part in np.split(rows[N_REFERENCE:], n_windows):
        windows.append(_sketch(reference, pa.table({name: part[:, i] for i, name in enumerate(names)})))
        statuses = set(_statuses(reference, windows).values())
        words.append(next((word for word in ("drifted", "likely") if word in statuses), "stable"))
    return words


def evidently_calls(name: str, repeats: int) -> dict[str, list[list[str]]]:
    """Call the columns of each first window by Evidently's preset."""
    import pandas as pd

    evidently, presets = import_module("evidently"), import_module("evidently.presets")
    definition = evidently.DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
    dataset = evidently.Dataset
    folder = Path(name)
    reference = dataset.from_pandas(pd.read_parquet(folder / "reference.parquet"), data_definition=definition)
    setup_done()
    calls: dict[str, list[list[str]]] = {}
    for case in _named():
        calls[case] = []
        for repeat in range(repeats):
            frame = pd.read_parquet(folder / f"{case} {repeat}.parquet").head(N_ROWS)
            current = dataset.from_pandas(frame, data_definition=definition)
            run = evidently.Report([presets.DataDriftPreset()], include_tests=True).run(current, reference)
            calls[case].append(
                [
                    str(test["metric_config"]["params"]["column"])
                    for test in run.dict()["tests"]
                    if test["status"] == "FAIL" and "column" in test["metric_config"]["params"]
                ]
            )
    return calls


def nannyml_calls(name: str, repeats: int) -> dict[str, list[list[str]]]:
    """Call the columns of each first window by NannyML's univariate methods and its count of missing values."""
    import pandas as pd

    nannyml, folder = import_module("nannyml"), Path(name)
    columns = [*NUMERIC, *CATEGORICAL]
    reference = pd.read_parquet(folder / "reference.parquet")
    drift = nannyml.UnivariateDriftCalculator(
        column_names=columns, treat_as_categorical=CATEGORICAL, chunk_size=N_ROWS
    ).fit(reference)
    missing = nannyml.MissingValuesCalculator(column_names=columns, chunk_size=N_ROWS).fit(reference)
    setup_done()
    calls: dict[str, list[list[str]]] = {}
    for case in _named():
        frames = [
            pd.read_parquet(folder / f"{case} {repeat}.parquet").head(N_ROWS) for repeat in range(repeats)
        ]
        analysed = pd.concat(frames, ignore_index=True)
        tables = [
            calculator.calculate(analysed).filter(period="analysis").to_df()
            for calculator in (drift, missing)
        ]
        calls[case] = [
            sorted(
                {
                    str(key[0])
                    for result in tables
                    for key in result.columns
                    if key[-1] == "alert" and bool(result[key].iloc[i])
                }
            )
            for i in range(repeats)
        ]
    return calls


def run(repeats: int, peer_repeats: int) -> bool:
    """Measure, print the tables, and return whether the bars are met; without peers where they have no repeats."""
    with tempfile.TemporaryDirectory() as name:
        write_windows(Path(name), repeats)
        ours = measure("ours", "benchmarks.small_windows:our_calls", name, repeats).result
        peers = {}
        for peer, (function, packages) in PEERS.items() if peer_repeats else ():
            python = peer_python(peer.lower(), *packages)
            peers[peer] = measure(
                peer,
                f"benchmarks.small_windows:{function}",
                name,
                min(repeats, peer_repeats),
                python=python,
                environment=QUIET,
            ).result
    streams = measure("streams", "benchmarks.small_windows:our_streams").result
    bars = [*_print_cases(ours, peers, repeats), *_print_streams(streams)]
    for text, is_met in bars:
        sys.stdout.write(f"{'met   ' if is_met else 'MISSED'} {text}\n")
    return all(is_met for _, is_met in bars)


def _print_cases(
    ours: Mapping[str, list[list[dict[str, str]]]],
    peers: Mapping[str, dict[str, list[list[str]]]],
    repeats: int,
) -> list[tuple[str, bool]]:
    heads = ["likely, 1 window", "certain, 1", "2", "4", "8", *peers]
    lines = [
        f"{N_ROWS} rows, {len(NUMERIC) + len(CATEGORICAL)} columns, reference {N_REFERENCE:,}; of {repeats} runs, seed {SEED}"
    ]
    lines.append(f"{'change of one column':22}" + "".join(f"{head:>18}" for head in heads))
    bars = []
    for place, case in enumerate(CASES):
        runs = [[window.get(case.column, "") for window in repeat] for repeat in ours[str(place)]]
        seen = sum(repeat[0] in ("likely", "drifted") for repeat in runs)
        cells: list[int | str] = [seen, *(sum(repeat[i] == "drifted" for repeat in runs) for i in range(4))]
        cells += [
            f"{sum(case.column in called for called in calls[str(place)])} of {len(calls[str(place)])}"
            for calls in peers.values()
        ]
        lines.append(f"{case.name:22}" + "".join(f"{cell:>18}" for cell in cells))
        bars.append(
            (
                f"{case.name}: seen in {seen / repeats:.0%} of first windows (at least {case.least:.0%})",
                seen / repeats >= case.least,
            )
        )
    clean = [window for repeat in ours["clean"] for window in repeat]
    certain, likely = (
        float(np.mean([word in window.values() for window in clean])) for word in ("drifted", "likely")
    )
    lines.append(
        f"clean windows with a column called: ours {certain:.1%} certain, {likely:.1%} likely, of {len(clean)}"
    )
    lines += [
        f"  {peer}: {float(np.mean([bool(called) for called in calls['clean']])):.0%} of {len(calls['clean'])}"
        for peer, calls in peers.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    for word, share in (("certain", certain), ("likely", likely)):
        bars.append((f"clean windows: {word} in {share:.1%} (at most {MOST_CLEAN:.0%})", share <= MOST_CLEAN))
    return bars


def _print_streams(streams: Mapping[str, Sequence[str]]) -> list[tuple[str, bool]]:
    bars = []
    for name, words in streams.items():
        if name == "slow":
            first = next((i for i, word in enumerate(words, start=1) if word == "drifted"), None)
            text = f"slow drift of {SLOW_STEP:g} sd a window: certain from window {first} of {len(words)}"
            bars.append((text, first is not None))
            continue
        most = MOST_CLEAN if name == "AR 0" else MOST_ALIKE
        for word in ("drifted", "likely"):
            share = words.count(word) / len(words)
            bars.append(
                (f"{name}: {word} in {share:.1%} of {len(words)} windows (at most {most:.0%})", share <= most)
            )
    return bars


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-repeats", type=int, default=PEER_REPEATS, help="0: ours alone")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    return int(not run(options.repeats, options.peer_repeats))


if __name__ == "__main__":
    sys.exit(main())
