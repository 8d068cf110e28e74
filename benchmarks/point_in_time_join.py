"""Labels joined with features as of their instants: ours against the bare join, polars and Feast's own stores.

    python -m benchmarks.point_in_time_join [--large]

Views of ten features and 10,000 entities, as Delta tables of eight files; one and three of them,
kept for 30 days and for ever; 100,000 labels on 1,000,000 rows each, with `--large` also 1,000,000
on 10,000,000. A hundredth of the rows was made up to a day after their event, and is left out
where the label is older; the bare joins do not look at that. Feast's own stores run within limits
and are shown as they end.

Through Feast, ours may cost at most 1.2 times the bare join, must give the values that Feast's
`duckdb` store gives, must lose no label and keep their order. With `--large` it must do so at half
the memory too: with the same values, and with a process that is smaller than at all of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.limits import Limits, Stopped, within
from benchmarks.measure import Measurement, measure
from benchmarks.peers import peer_python
from benchmarks.point_in_time_comparison import WAYS, compared, differing
from benchmarks.point_in_time_data import files_of, write_inputs
from benchmarks.point_in_time_polars import REQUIREMENT
from benchmarks.point_in_time_ways import MEMORY, THREADS

MAX_RATIO = 1.2
"""CPU of ours in multiples of the bare join."""

REPEATS = 5
"""Pairs of the bare join and ours at the smaller size: half a second each, within a tenth of one another."""

TTL_DAYS = 30
HALF_MEMORY = "1GB"
FLOOR, OURS, HALVED = "plain DuckDB ASOF join", "Feast, our store", f"Feast, our store, {HALF_MEMORY}"
POLARS, DUCKDB, DASK = "polars join_asof", "Feast, built-in duckdb", "Feast, built-in dask"
LIMITS = Limits(wall_s=120, memory_mb=6_000)


@dataclass(frozen=True)
class Case:
    """One row of the matrix.

    Attributes
    ----------
    n_labels, n_rows, n_views
        Sizes; rows are of each view.
    ttl_days
        Greatest age of a value; None means for ever.
    repeats
        Pairs of runs of the bare join and ours.
    peers
        Feast's own stores to run beside.
    """

    n_labels: int
    n_rows: int
    n_views: int
    ttl_days: int | None
    repeats: int
    peers: Sequence[str]

    @property
    def title(self) -> str:
        """The case in words."""
        views = "1 view" if self.n_views == 1 else f"{self.n_views} views"
        lifetime = "for ever" if self.ttl_days is None else f"ttl {self.ttl_days} days"
        return f"{self.n_labels:,} labels, {self.n_rows:,} rows, {views}, {lifetime}"


@dataclass(frozen=True)
class Outcome:
    """Outcome of a case: the way's runs, those that were stopped, the median ratio to the bare join, and faults."""

    runs: Sequence[Measurement]
    stopped: Sequence[Stopped]
    ratio: float
    faults: Sequence[str]


def outcome(case: Case, folder: str) -> Outcome:
    """Measure a case; pairs are taken in turns, so that a busy moment of the machine meets both."""
    pairs = [
        (
            measure(FLOOR, f"{WAYS}:by_plain_duckdb", folder, case.n_views, case.ttl_days),
            measure(OURS, f"{WAYS}:by_our_store", folder, case.n_views, case.ttl_days, MEMORY, None),
        )
        for _ in range(case.repeats)
    ]
    others = [
        within(LIMITS, name, run)
        for name, run in {POLARS: lambda: _polars(case, folder), **_peers(case, folder)}.items()
    ]
    runs = [_median([floor for floor, _ in pairs]), _median([ours for _, ours in pairs])]
    runs += [row for row in others if isinstance(row, Measurement)]
    ratio = statistics.median(ours.cpu_s / floor.cpu_s for floor, ours in pairs)
    faults = []
    if ratio > MAX_RATIO:
        faults.append(f"{case.title}: {ratio:.2f} times the bare join, allowed {MAX_RATIO}")
    if runs[1].result != case.n_labels:
        faults.append(f"{case.title}: {case.n_labels - runs[1].result} labels lost")
    return Outcome(runs, [row for row in others if isinstance(row, Stopped)], ratio, faults)


def _polars(case: Case, folder: str) -> Measurement:
    views = [files_of(folder, view) for view in range(case.n_views)]
    return measure(
        POLARS,
        "benchmarks.point_in_time_polars:by_polars",
        f"{folder}/labels.parquet",
        views,
        case.ttl_days,
        None,
        python=peer_python("polars", REQUIREMENT),
        environment={"POLARS_MAX_THREADS": str(THREADS)},
    )


def _peers(case: Case, folder: str) -> dict[str, Callable[[], Measurement]]:
    functions = {DUCKDB: "by_feast_duckdb", DASK: "by_feast_dask"}

    def run(name: str) -> Measurement:
        arguments = (folder, case.n_views, case.ttl_days, None)
        # ibis warns of itself.
        return measure(
            name, f"{WAYS}:{functions[name]}", *arguments, environment={"PYTHONWARNINGS": "ignore"}
        )

    return {name: lambda name=name: run(name) for name in case.peers}  # type: ignore[misc]  # mypy does not see the default


def _median(runs: Sequence[Measurement]) -> Measurement:
    return sorted(runs, key=lambda run: run.cpu_s)[len(runs) // 2]


def lines(case: Case, result: Outcome) -> list[str]:
    """Write a case's table; a way that lost labels says how many."""
    floor = result.runs[0].cpu_s
    written = [
        case.title,
        f"  {'way':32} {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {'ratio':>6}",
    ]
    for row in result.runs:
        lost = case.n_labels - row.result
        written.append(
            f"  {row.name:32} {row.cpu_s:8.2f} {row.wall_s:8.2f} {row.peak_mb:8.0f} {row.cpu_s / floor:6.2f}"
            + (f"  {lost:,} labels lost" if lost else "")
        )
    written += [f"  {row.name:32} {row.how}" for row in result.stopped]
    written.append(f"  ours: {result.ratio:.2f} times the bare join (median of {case.repeats})")
    return written


def halved(case: Case, folder: str, whole: Measurement) -> tuple[str, list[str]]:
    """Run ours at half the memory; return its line, and in what it falls behind the run at all of it."""
    paths = {memory: f"{folder}/found_{memory}.parquet" for memory in (MEMORY, HALF_MEMORY)}
    arguments = (folder, case.n_views, case.ttl_days)
    row = measure(HALVED, f"{WAYS}:by_our_store", *arguments, HALF_MEMORY, None)
    for memory, path in paths.items():
        measure("comparison", f"{WAYS}:by_our_store", *arguments, memory, path)
    n_differing = differing(*paths.values())
    line = f"  {HALVED:32} {row.cpu_s:8.2f} {row.wall_s:8.2f} {row.peak_mb:8.0f}"
    faults = [f"{case.title}: {n_differing} values differ at half the memory"] if n_differing else []
    if row.peak_mb >= whole.peak_mb:
        faults.append(
            f"{case.title}: {row.peak_mb:.0f} MB at half the memory, {whole.peak_mb:.0f} at all of it"
        )
    return line, faults


def run(n_labels: int, n_rows: int, *, is_large: bool) -> list[str]:
    """Measure one size, print its tables, and return what falls below the bar."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), n_labels, n_rows, n_views=3)
        for n_views in (1, 3):
            for ttl_days in (TTL_DAYS, None):
                # At ten million rows a peer that ends at all needs minutes: one case of each size shows it.
                peers = (DUCKDB, DASK) if ttl_days or not is_large else ()
                case = Case(n_labels, n_rows, n_views, ttl_days, 1 if is_large else REPEATS, peers)
                result = outcome(case, folder)
                written, faulty = lines(case, result), list(result.faults)
                if is_large and ttl_days:
                    line, wrong = halved(case, folder, result.runs[1])
                    written, faulty = [*written, line], [*faulty, *wrong]
                sys.stdout.write("\n".join(written) + "\n")
                sys.stdout.flush()
                faults += faulty
        if not is_large:
            line, wrong = compared(folder, TTL_DAYS)
            sys.stdout.write(line + "\n")
            faults += wrong
    return faults


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="also 1,000,000 labels on 10,000,000 rows")
    arguments = parser.parse_args()
    faults = run(100_000, 1_000_000, is_large=False)
    if arguments.large:
        faults += run(1_000_000, 10_000_000, is_large=True)
    sys.stdout.write("".join(f"BELOW THE BAR: {fault}\n" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
