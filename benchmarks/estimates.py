"""Estimated performance against what was realised: error beside "unchanged", and coverage of the intervals.

One model learns from a stream's first windows and serves all others; each window is estimated, then its
labels arrive and join the track record. The windows of a stream's draws are judged together: those of one draw, of which many are
withheld after a change, are too few. The track record was settled on the draws of seeds 0 and 1; those of other seeds are
marked *, and judged by themselves.

Run `python -m benchmarks.estimates`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.policy.streams import draw_stream
from benchmarks.policy.streams.real import DATA
from benchmarks.policy.streams.stream import Stream
from declaration.model import CandidateSpec, Metric
from drift.performance.estimated import estimate_performance
from drift.performance.realised import Measurement, ScoredRows, measure_performance, within_range
from drift.performance.track_record import EstimateOutcome, RawEstimate, outcome_of, with_track_record
from learning.metrics import Floats, Scored, metric_value
from learning.out_of_fold import fit
from learning.training_rows import read_training_set

STREAMS = (
    "stationary", "autocorrelated .9", "autocorrelated .95", "virtual", "covariate", "class prior", "noisier",
    "broken sensor", "abrupt", "gradual", "incremental", "recurring every 8", "blip of two windows", "slow turn",
    "season of 12", "random walk", "forty features", "rare positives", "250 rows a window", "a shock each window",
    "unseen slow state", "Elec2", "weather of New York",
)  # fmt: skip
"""Streams of the benchmark of policies whose labels are of two classes and come at once."""

SETTLED_SEEDS = (0, 1)
"""Draws that were looked at while the track record was settled."""

METRICS: tuple[Metric, ...] = ("roc_auc", "accuracy", "log_loss")
HOLDOUT = 0.2
"""Newest share of the first windows that the model does not learn from."""

CERTAIN = 0.02
"""Scores below it, and above its complement, are made 0 and 1 in the stream of certain scores."""

WORST_RATIO, LEAST_COVERAGE = 1.10, 0.90
"""Bars: mean absolute error over that of assuming no change, and share of realised values in the intervals."""


@dataclass(frozen=True)
class Life:
    """A model that serves: its holdout, and the scored rows of each window."""

    name: str
    holdout: ScoredRows
    windows: tuple[ScoredRows, ...]


@dataclass(frozen=True)
class Shown:
    """One window: the estimate before and after its track record, and what was realised."""

    raw: Measurement
    estimated: Measurement
    unchanged: float
    realised: float


def live(stream: Stream, name: str, *, makes_certain: bool = False) -> Life:
    """Fit on a stream's history without its newest part, and score the rest."""
    history = pa.concat_tables(stream.windows[: stream.n_history]).select(
        ["row_id", "event_timestamp", "label", "label_time", *stream.features]
    )
    data = read_training_set(history, "binary")
    n_fit = round((1 - HOLDOUT) * data.labels.size)
    model = fit(CandidateSpec(use=stream.candidate), data.fit_rows(np.arange(n_fit)), (), 0, 1)

    def scored(part: pa.Table, labels: Floats) -> ScoredRows:
        scores = model.score(part)
        if makes_certain:
            scores = np.where(scores < CERTAIN, 0.0, np.where(scores > 1 - CERTAIN, 1.0, scores))
        instants = part["event_timestamp"].cast(pa.int64()).to_numpy()
        return ScoredRows(Scored(labels, scores), np.asarray(instants, dtype=np.int64))

    live = [stream.windows[number] for number in stream.live]
    return Life(
        name,
        scored(data.rows.slice(n_fit), data.labels[n_fit:]),
        tuple(scored(part, part["truth"].to_numpy().astype(float)) for part in live),
    )


def employment() -> Life | None:
    """Read the stored scores of a model of another project, in chunks of 5,000 rows; None where they are absent."""
    files = [DATA / f"employment_MA_{name}.pq" for name in ("reference", "analysis", "analysis_target")]
    if not all(file.exists() for file in files):
        return None
    reference, later, truth = (pq.read_table(file) for file in files)
    later = (
        later.select(["id", "predicted_probability"])
        .join(truth.select(["id", "employed"]), "id")
        .sort_by("id")
    )

    def rows(part: pa.Table) -> ScoredRows:
        labels, scores = (
            part[name].to_numpy().astype(float) for name in ("employed", "predicted_probability")
        )
        return ScoredRows(Scored(labels, scores), np.arange(labels.size, dtype=np.int64) * 60_000_000)

    chunks = [later.slice(start, 5_000) for start in range(0, later.num_rows - 4_999, 5_000)]
    return Life("employment_MA", rows(reference), tuple(rows(chunk) for chunk in chunks))


def lives(seeds: Sequence[int]) -> Iterator[Life]:
    """Live through every stream."""
    for seed in seeds:
        mark = "" if seed in SETTLED_SEEDS else " *"
        for name in STREAMS:
            stream = (
                draw_stream(name, seed)
                if seed == seeds[0] or name not in ("Elec2", "weather of New York")
                else None
            )
            if stream is not None:
                yield live(stream, name + mark)
        steady = draw_stream("stationary", seed)
        assert steady is not None
        yield live(steady, f"certain scores{mark}", makes_certain=True)
    stored = employment()
    if stored is not None:
        yield stored


def follow(life: Life, metric: Metric) -> list[Shown]:
    """Estimate every window of a life, with the track record of those before it."""
    unchanged = metric_value(metric, life.holdout.scored)
    record: list[EstimateOutcome] = []
    shown = []
    for number, window in enumerate(life.windows):
        raw = estimate_performance("binary", metric, life.holdout, window.scored.scores, seed=0)
        estimated = within_range(metric, with_track_record(raw, record, unchanged))
        realised = measure_performance(metric, window, seed=0, min_rows=1)
        if raw.value is None or raw.low is None or raw.high is None or realised.value is None:
            continue
        key = f"{number:03}"
        half_widths = {key: RawEstimate(raw.value, (raw.high - raw.low) / 2)}
        outcome = outcome_of(key, realised, unchanged, half_widths, {key: window.n})
        if outcome is not None:
            record.append(outcome)
        shown.append(Shown(raw, estimated, unchanged, realised.value))
    return shown


@dataclass(frozen=True)
class Line:
    """Figures of one stream and metric."""

    stream: str
    metric: str
    n: int
    n_withheld: int
    raw_error: float
    error: float
    unchanged_error: float
    raw_coverage: float
    coverage: float

    @property
    def ratio(self) -> float:
        """Error over that of assuming no change, where an estimate was shown."""
        return self.error / self.unchanged_error if self.unchanged_error else 1.0


def line_of(stream: str, metric: str, windows: Sequence[Shown]) -> Line:
    """Sum up the windows of a stream's draws."""
    estimated = [window for window in windows if window.estimated.value is not None]

    def holds(measured: Measurement, realised: float) -> bool:
        return (
            measured.low is not None
            and measured.high is not None
            and measured.low <= realised <= measured.high
        )

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    return Line(
        stream,
        metric,
        len(windows),
        len(windows) - len(estimated),
        mean([abs((window.raw.value or 0.0) - window.realised) for window in windows]),
        mean([abs((window.estimated.value or 0.0) - window.realised) for window in estimated]),
        mean([abs(window.unchanged - window.realised) for window in estimated]),
        mean([holds(window.raw, window.realised) for window in windows]),
        mean([holds(window.estimated, window.realised) for window in estimated]),
    )


def main() -> int:
    """Print the figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2,3,4,5")
    parser.add_argument("--metrics", default=",".join(METRICS))
    options = parser.parse_args()
    followed: dict[tuple[str, str], list[Shown]] = {}
    for life in lives([int(seed) for seed in options.seeds.split(",")]):
        sys.stderr.write(f"{life.name}\n")
        for metric in options.metrics.split(","):
            followed.setdefault((life.name, metric), []).extend(follow(life, metric))
    sys.stdout.write(
        f"{'stream':21} {'metric':9} {'windows':>7} {'withheld':>8} {'raw':>8} {'ours':>8} {'unchanged':>9} {'ratio':>6} "
        f"{'raw in':>7} {'in':>6}\n"
    )
    missed, held, n_held = [], 0.0, 0
    for (stream, metric), windows in followed.items():
        line = line_of(stream, metric, windows)
        sys.stdout.write(
            f"{line.stream:21} {line.metric:9} {line.n:7} {line.n_withheld:8} {line.raw_error:8.4f} {line.error:8.4f} "
            f"{line.unchanged_error:9.4f} {line.ratio:6.2f} {line.raw_coverage:7.0%} {line.coverage:6.0%}\n"
        )
        n_kept = line.n - line.n_withheld
        if not n_kept:
            continue
        held, n_held = held + line.coverage * n_kept, n_held + n_kept
        if line.ratio > WORST_RATIO or line.coverage < LEAST_COVERAGE:
            missed.append(f"{line.stream} {line.metric}")
    sys.stdout.write(f"Intervals hold {held / max(1, n_held):.1%} of {n_held} realised values.\n")
    if missed:
        sys.stdout.write(f"Below the bar: {', '.join(missed)}.\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
