"""Retraining policies on streams with known changes.

Prints a table per stream and the bars; the exit code tells whether all bars are met.

    python -m benchmarks.policy [--seeds 2] [--streams abrupt,virtual] [--brief]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Two processes on two cores: threads inside them would only wait for each other."""

os.environ.update(ONE_THREAD)

import sklearn  # noqa: E402  # After the threads are bounded.

from benchmarks.policy.bad_challenger import judge_bad_challengers  # noqa: E402
from benchmarks.policy.bars import gaps_of, judge_bars  # noqa: E402
from benchmarks.policy.changes import N_CHANGES, answer_change  # noqa: E402
from benchmarks.policy.figures import Row, summarise, table  # noqa: E402
from benchmarks.policy.lives import SETTINGS, Done, lives_of  # noqa: E402
from benchmarks.policy.power import measure_power  # noqa: E402
from benchmarks.policy.streams import NAMES  # noqa: E402
from benchmarks.policy.streams.real import N_CUTS  # noqa: E402

# The same models, a tenth sooner: nothing here is infinite.
sklearn.set_config(assume_finite=True, skip_parameter_validation=True)

N_PROCESSES = 2
CALM_SEEDS = 3
"""Draws of the streams where nothing happens: rare false alarms need many windows."""

SEEDS: Mapping[str, int] = {
    "stationary": CALM_SEEDS,
    "autocorrelated .9": CALM_SEEDS,
    "autocorrelated .95": CALM_SEEDS,
    "unseen slow state": 1,
    "season a day ahead": 1,
    "Elec2": 1,
    "weather of New York": N_CUTS,
}
"""Draws where they are others than asked for: more where false alarms are counted, one where a life is dear."""

FEW_SETTINGS: Mapping[str, tuple[str, ...]] = {"season a day ahead": ("defaults",)}
"""Settings of the streams that are lived through under some alone: boosting that is asked to train nearly every month."""


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="draws of each stream that changes")
    parser.add_argument("--first-seed", type=int, default=0, help="number of the first draw")
    parser.add_argument("--streams", default=";".join(NAMES), help="names, apart by ';'")
    parser.add_argument("--settings", default=";".join(SETTINGS), help="names, apart by ';'")
    parser.add_argument("--processes", type=int, default=N_PROCESSES)
    parser.add_argument("--lives-only", action="store_true", help="neither power nor gate nor changes")
    options = parser.parse_args()
    names, settings = options.streams.split(";"), tuple(options.settings.split(";"))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(name, seed, FEW_SETTINGS.get(name, settings)) for name in names for seed in _seeds(name, seeds)]
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        lived = pool.map(lives_of, *zip(*jobs, strict=True))
        beside = [] if options.lives_only else [pool.submit(measure_power)]
        gated = [] if options.lives_only else [pool.submit(judge_bad_challengers)]
        changed = pool.map(answer_change, range(0 if options.lives_only else N_CHANGES), chunksize=5)
        done, changes = list(lived), list(changed)
        power = [detection for future in beside for detection in future.result()]
        challengers = [challenger for future in gated for challenger in future.result()]
    report([draw for draw in done if draw.lives])
    bars = judge_bars(rows_of(done), done, power, challengers, changes)
    sys.stdout.write("\n## Bars\n\n" + "\n".join(bar.line for bar in bars) + "\n")
    n_met = sum(bar.is_met for bar in bars)
    absent = sorted({draw.stream for draw in done if not draw.lives})
    if absent:
        sys.stdout.write(f"\nLeft out, because their data is not here: {', '.join(absent)}.\n")
    cost = f"{sum(draw.cpu_s for draw in done):.0f} CPU s of lives, {time.monotonic() - started:.0f} s in {options.processes} processes"
    sys.stdout.write(f"\n{n_met} of {len(bars)} bars are met. {cost}.\n")
    return int(n_met < len(bars))


def _seeds(name: str, usual: range) -> range:
    return range(usual.start, usual.start + SEEDS.get(name, len(usual))) if name in SEEDS else usual


def rows_of(done: Sequence[Done]) -> Mapping[str, Mapping[str, Row]]:
    """Summarise lives by stream and policy, in the order in which they come."""
    onsets = {(draw.stream, draw.seed): draw.onsets for draw in done}
    lives = [life for draw in done for life in draw.lives]
    return {
        stream: {
            policy: summarise(
                [life for life in lives if (life.stream, life.policy) == (stream, policy)], onsets
            )
            for policy in dict.fromkeys(life.policy for life in lives if life.stream == stream)
        }
        for stream in dict.fromkeys(life.stream for life in lives)
    }


def report(done: Sequence[Done]) -> None:
    """Write a table per stream, and one of all."""
    rows = rows_of(done)
    gaps = {(gap.stream, gap.setting): gap for gap in gaps_of(done)}
    for stream, of in rows.items():
        seeds = ", ".join(str(draw.seed) for draw in done if draw.stream == stream)
        cpu_s = sum(draw.cpu_s for draw in done if draw.stream == stream)
        sys.stdout.write(
            f"\n## {stream}{_mark(stream, done)} (seeds {seeds}; {cpu_s:.0f} CPU s)\n\n{table(list(of.values()))}\n"
        )
    settings = [setting for setting in SETTINGS if any(key[1] == setting for key in gaps)]
    sys.stdout.write(
        "\n## Points over the better schedule of as many trainings (± standard error by windows)\n\n"
    )
    sys.stdout.write(f"| stream | {' | '.join(settings)} |\n|---|{'---|' * len(settings)}\n")
    for stream in rows:
        row_gaps = [gaps.get((stream, setting)) for setting in settings]
        cells = " | ".join("–" if gap is None else gap.text for gap in row_gaps)
        sys.stdout.write(f"| {stream}{_mark(stream, done)} | {cells} |\n")
    sys.stdout.write("\nStreams with a star were used for no choice.\n")


def _mark(stream: str, done: Sequence[Done]) -> str:
    return " *" if any(draw.is_fresh for draw in done if draw.stream == stream) else ""


if __name__ == "__main__":
    sys.exit(main())
