"""Limits on what a model costs: the time that scoring takes, and the size of its file."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from declaration.limits import LatencyLimitSpec
from learning.fitted import FittedModel
from learning.limits.finding import LimitFinding

QUANTILE = 0.99

N_CALLS = 200
"""Calls of a round: the 99 % quantile is then the third slowest."""

MAX_SECONDS = 2.0
"""Time of a round after which it ends, with `MIN_CALLS` calls at least; a slow model has too few for more than the slowest."""

MIN_CALLS = 20

N_ROUNDS = 3
"""Rounds while the limit is exceeded, of which the fastest counts: what else the machine does only adds time."""

THOUSAND = 1_000

BYTES_PER_MB = 1_000_000


def judge_latency(model: FittedModel, rows: pa.Table, spec: LatencyLimitSpec) -> Iterator[LimitFinding]:
    """Hold the time that scoring takes on this machine against its limits.

    Parameters
    ----------
    model
        The challenger.
    rows
        Rows of the training set, at least one; they are taken in turn, and again where there are fewer than 1,000.
    spec
        As declared.
    """
    for key, n_rows, limit in (
        ("one_row_ms", 1, spec.one_row_ms),
        ("thousand_rows_ms", THOUSAND, spec.thousand_rows_ms),
    ):
        if limit is None:
            continue
        n_calls, value = _fastest_round(model, rows, n_rows, limit)
        rows_text = f"{n_rows:,} row{'s' if n_rows > 1 else ''}"
        about = f"99 % quantile of the milliseconds to score {rows_text} ({n_calls} calls)"
        yield LimitFinding(
            f"model.gate.latency.{key}", about, "at most", limit, n_calls, value, is_broken=value > limit
        )


def _fastest_round(model: FittedModel, rows: pa.Table, n_rows: int, limit: float) -> tuple[int, float]:
    parts = _parts(rows, n_rows)
    # The first call opens what later ones find open.
    model.score(parts[0])
    fastest, n_calls = np.inf, 0
    for _ in range(N_ROUNDS):
        times = _call_times(model, parts)
        fastest, n_calls = min(fastest, quantile_99(times)), len(times)
        if fastest <= limit:
            break
    return n_calls, fastest


def _parts(rows: pa.Table, n_rows: int) -> list[pa.Table]:
    """Cut as many calls' rows as there are; all of them again, where they are too few for one."""
    if rows.num_rows < n_rows:
        rows = pa.concat_tables([rows] * -(-n_rows // rows.num_rows))
    n_parts = min(N_CALLS, rows.num_rows // n_rows)
    return [rows.slice(place * n_rows, n_rows).combine_chunks() for place in range(n_parts)]


def _call_times(model: FittedModel, parts: list[pa.Table]) -> list[float]:
    """Return the milliseconds of each call."""
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < N_CALLS:
        before = time.perf_counter()
        if len(times) >= MIN_CALLS and before - started > MAX_SECONDS:
            break
        model.score(parts[len(times) % len(parts)])
        times.append(1_000 * (time.perf_counter() - before))
    return times


def quantile_99(times: list[float]) -> float:
    """Return the time that all but a hundredth of the calls stay below, as one of the times that there were.

    Examples
    --------
    >>> quantile_99([1.0] * 99 + [7.0]), quantile_99([1.0, 2.0])
    (1.0, 2.0)
    """
    return float(np.quantile(times, QUANTILE, method="inverted_cdf"))


def judge_size(n_bytes: int, limit_mb: float) -> LimitFinding:
    """Hold the size of the model file against its limit.

    Examples
    --------
    >>> judge_size(2_500_000, 2.0).is_broken
    True
    """
    megabytes = n_bytes / BYTES_PER_MB
    return LimitFinding(
        "model.gate.max_size_mb",
        "size of the model file in MB",
        "at most",
        limit_mb,
        1,
        megabytes,
        is_broken=megabytes > limit_mb,
    )
