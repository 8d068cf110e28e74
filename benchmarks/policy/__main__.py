"""Retraining policies on streams with known changes.

Prints a table per stream and the bars; the exit code tells whether all bars are met.

    python -m benchmarks.policy [--seeds 2] [--streams abrupt,virtual]
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

from benchmarks.policy.bad_challenger import judge_bad_challengers  # noqa: E402  # After the threads are bounded.
from benchmarks.policy.bars import judge_bars  # noqa: E402
from benchmarks.policy.elec2 import DATA, elec2, no_change_accuracy  # noqa: E402
from benchmarks.policy.figures import Row, summarise, table  # noqa: E402
from benchmarks.policy.life import Life  # noqa: E402
from benchmarks.policy.lives import Done, lives_of  # noqa: E402
from benchmarks.policy.power import measure_power  # noqa: E402
from benchmarks.policy.streams import SYNTHETIC  # noqa: E402

N_PROCESSES = 2
MANY_SEEDS = {"stationary": 10, "autocorrelated": 10}
"""Draws of the streams where nothing happens: rare false alarms need many windows."""


def main() -> int:
    """Run the benchmark; the exit code tells whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="draws of each stream that changes")
    parser.add_argument("--streams", default=",".join(("Elec2", *SYNTHETIC)))
    options = parser.parse_args()
    names = [name for name in options.streams.split(",") if name != "Elec2" or elec2() is not None]
    if "Elec2" in options.streams and "Elec2" not in names:
        sys.stdout.write(f"Elec2 is left out: there is no {DATA / 'elec2.csv.gz'}.\n")
    jobs = [(name, seed) for name in names for seed in range(_n_seeds(name, options.seeds))]
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(N_PROCESSES, mp_context=context) as pool:
        power, challengers = pool.submit(measure_power), pool.submit(judge_bad_challengers)
        done = list(pool.map(lives_of, *zip(*jobs, strict=True)))
    lives = [life for one in done for life in one.lives]
    report(names, lives)
    bars = judge_bars(rows_of(lives), lives, power.result(), challengers.result())
    sys.stdout.write("\n## Bars\n\n" + "\n".join(bar.line for bar in bars) + "\n")
    n_met = sum(bar.is_met for bar in bars)
    sys.stdout.write(f"\n{n_met} of {len(bars)} bars are met. {_cost(done, time.monotonic() - started)}\n")
    return int(n_met < len(bars))


def _n_seeds(name: str, usual: int) -> int:
    return 1 if name == "Elec2" else MANY_SEEDS.get(name, usual)


def rows_of(lives: Sequence[Life]) -> Mapping[str, Mapping[str, Row]]:
    """Summarise lives by stream and policy, in the order in which they come."""
    streams = dict.fromkeys(life.stream for life in lives)
    policies = dict.fromkeys(life.policy for life in lives)
    return {
        stream: {
            policy: summarise([life for life in lives if (life.stream, life.policy) == (stream, policy)])
            for policy in policies
        }
        for stream in streams
    }


def report(names: Sequence[str], lives: Sequence[Life]) -> None:
    """Write a table per stream."""
    rows = rows_of(lives)
    for name in names:
        seeds = sorted({life.seed for life in lives if life.stream == name})
        sys.stdout.write(f"\n## {name} (seeds {', '.join(map(str, seeds))})\n\n")
        sys.stdout.write(table(list(rows[name].values())) + "\n")
        stream = elec2() if name == "Elec2" else None
        if stream is not None:
            sys.stdout.write(f"\nSaying the label before (no change): {no_change_accuracy(stream):.4f}.\n")


def _cost(done: Sequence[Done], wall_s: float) -> str:
    return f"{sum(one.cpu_s for one in done):.0f} CPU s of lives, {wall_s:.0f} s in {N_PROCESSES} processes."


if __name__ == "__main__":
    sys.exit(main())
