"""Faults planted in seasonal data with one year of reference: which column is named in the first window.

    python -m benchmarks.drift_season [--seeds N] [--real]

Each setting prints false alarms over windows without a fault, the share of faults whose own column is named, and what
the others are called: by each column alone, and by the other columns and the calendar too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.season.faults import FAULTS
from benchmarks.season.figures import RULES, Figures, measure
from benchmarks.season.real import real_series
from benchmarks.season.series import Nature, Series, generated
from benchmarks.season.windows import Bench, Cadence, partitions_of
from declaration.drift import DriftSpec

SEEDS = 6
SEASONAL = Nature()
SPEC = DriftSpec(min_rows=100)
MAX_FALSE, MIN_MEAN_MONTHS, MIN_EACH_MONTHS, MIN_MEAN_WEEKS, MAX_STABLE = 0.05, 0.88, 0.65, 0.84, 0.5

Work = Iterator[tuple[Bench, Sequence[int], Sequence[int]]]


@dataclass(frozen=True)
class Setting:
    """Length of a reference, and the windows after it that are judged.

    Attributes
    ----------
    n_reference
        Its partitions.
    n_clean
        Windows after it without a fault.
    clean_step
        Distance of those.
    faulty_step
        Distance of the windows of the first year after it in which faults are planted.
    """

    name: str
    cadence: Cadence
    n_reference: int
    n_clean: int
    faulty_step: int
    nature: Nature = SEASONAL
    n_seeds: int | None = None
    clean_step: int = 1

    def work(self, n_seeds: int) -> Work:
        """Prepare the references, a seed each."""
        for seed in range(self.n_seeds or n_seeds):
            series = generated(self.nature, seed)
            yield self.bench(series)

    def bench(self, series: Series) -> tuple[Bench, Sequence[int], Sequence[int]]:
        """Prepare the reference of one series."""
        partitions = partitions_of(series, self.cadence)
        first, last = self.n_reference, int(partitions.max())
        a_year = 12 if self.cadence == "month" else 52
        bench = Bench(series, partitions, range(first), SPEC)
        clean = range(first, min(last, first + self.n_clean), self.clean_step)
        return bench, clean, range(first, min(last, first + a_year), self.faulty_step)


SETTINGS = (
    Setting("12 months", "month", 12, 24, 2),
    Setting("52 weeks", "week", 52, 104, 13, n_seeds=4, clean_step=4),
    Setting("24 months", "month", 24, 12, 6, n_seeds=3),
    Setting("12 months, years vary twice as much", "month", 12, 24, 6, Nature("years", year_to_year=0.2), 3),
    Setting("12 months, no season", "month", 12, 24, 6, Nature("steady", has_season=False), 3),
    Setting("12 months, no factors", "month", 12, 24, 6, Nature("own", has_factors=False), 3),
    Setting("9 months", "month", 9, 12, 6, n_seeds=3),
    Setting("3 months", "month", 3, 12, 6, n_seeds=3),
    Setting("12 weeks", "week", 12, 24, 26, n_seeds=3, clean_step=2),
)


def shown(figures: Figures, name: str) -> list[str]:
    """Write the figures of a setting as lines."""
    lines = [f"\n{name}: {figures.n_clean} windows without a fault, {figures.n_faulty} with one"]
    for rule in RULES:
        each = "  ".join(f"{fault} {100 * figures.named(rule, fault):.0f}" for fault in FAULTS)
        lines.append(
            f"  {rule:8} false alarms {100 * figures.false_alarms(rule):.1f} %  named {100 * figures.mean_named(rule):.0f} % "
            f"± {100 * figures.spread(rule):.0f} over seeds  of the rest stable {100 * figures.left_stable(rule):.0f} %\n           {each}"
        )
    lines.append(
        f"  columns that cannot be judged without a fault: {100 * np.mean(figures.unjudged or [0]):.0f} %; "
        f"windows called stable: {100 * figures.calm['related'] / max(1, figures.n_clean):.0f} %"
    )
    if figures.moved:
        lines.append(
            "  alarms without a fault: " + "; ".join(name for name, _ in figures.moved.most_common(6))
        )
    return lines


def missed_bars(figures: dict[str, Figures]) -> list[str]:
    """List the bars of the issue that are missed."""
    months, weeks, short = figures["12 months"], figures["52 weeks"], figures["3 months"]
    weakest = min(months.named("related", fault) for fault in FAULTS)
    bars = [
        ("false alarms by months", months.false_alarms("related") <= MAX_FALSE),
        ("false alarms by weeks", weeks.false_alarms("related") <= MAX_FALSE),
        ("mean by months", months.mean_named("related") >= MIN_MEAN_MONTHS),
        ("each fault by months", weakest >= MIN_EACH_MONTHS),
        ("mean by weeks", weeks.mean_named("related") >= MIN_MEAN_WEEKS),
        ("stable of the rest by months", months.left_stable("related") < MAX_STABLE),
        ("stable of the rest by weeks", weeks.left_stable("related") < MAX_STABLE),
        ("a calm word under half a year", short.calm["related"] == 0),
    ]
    return [name for name, is_met in bars if not is_met]


def real_work(series: Series, cadence: Cadence) -> Work:
    """Prepare a real series: its first year as the reference, or each month against the other eleven."""
    partitions = partitions_of(series, cadence)
    n, a_year = int(partitions.max()) + 1, 12 if cadence == "month" else 52
    if n > a_year + 2:
        yield (
            Bench(series, partitions, range(a_year), SPEC_OF_DAYS if _is_daily(series) else SPEC),
            range(a_year, min(n - 1, 2 * a_year)),
            range(a_year, min(n - 1, 2 * a_year), 3 if cadence == "month" else 9),
        )
        return
    for left in range(0, n, 1 if cadence == "month" else 4):
        others = [part for part in range(n) if part != left]
        yield Bench(series, partitions, others, SPEC), [left], [left] if left % 3 == 0 else []


SPEC_OF_DAYS = DriftSpec(min_rows=4)


def _is_daily(series: Series) -> bool:
    return float(np.median(np.diff(series.instants))) > 80_000


def main() -> int:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--real", action="store_true", help="also measure real series")
    parser.add_argument("--only", default="", help="settings whose names begin so")
    options = parser.parse_args()
    started, by_setting = time.process_time(), {}
    for setting in SETTINGS:
        if setting.name.startswith(options.only):
            by_setting[setting.name] = measure(setting.work(options.seeds), seed=1)
            print("\n".join(shown(by_setting[setting.name], f"{setting.name}, seeds 0 to {(setting.n_seeds or options.seeds) - 1}")), flush=True)  # noqa: T201 # fmt: skip
    if options.real:
        with tempfile.TemporaryDirectory() as folder:
            for series in real_series(Path(folder)):
                cadences: tuple[Cadence, ...] = ("month",) if _is_daily(series) else ("month", "week")
                for cadence in cadences:
                    figures = measure(real_work(series, cadence), seed=1)
                    print("\n".join(shown(figures, f"{series.name} by {cadence}s, {len(series.columns)} columns")), flush=True)  # noqa: T201 # fmt: skip
    missed = missed_bars(by_setting) if not options.only else []
    print(f"\n{time.process_time() - started:.0f} CPU seconds; bars missed: {', '.join(missed) or 'none'}")  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
