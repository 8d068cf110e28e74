"""Limits on time and size."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from declaration.limits import LatencyLimitSpec
from learning.fitted import FittedModel
from learning.limits.cost import MIN_CALLS, N_CALLS, judge_latency, judge_size


@dataclass
class Slow:
    """Sleeps at some of its calls."""

    seconds: float
    every: int = 1
    n_calls: int = 0

    def score(self, rows: pa.Table) -> np.ndarray:
        self.n_calls += 1
        if self.n_calls % self.every == 0:
            time.sleep(self.seconds)
        return np.zeros(rows.num_rows)


def judge(model: Slow, n_rows: int = 50, **limits: float) -> list[tuple[bool, float]]:
    rows = pa.table({"x": np.arange(n_rows)})
    found = judge_latency(cast(FittedModel, model), rows, LatencyLimitSpec.model_validate(limits))
    return [(one.is_broken, cast(float, one.value)) for one in found]


def test_a_quick_model_keeps_the_limit() -> None:
    ((is_broken, value),) = judge(Slow(0.0), one_row_ms=50)
    assert not is_broken
    assert 0 < value < 50


def test_a_slow_model_does_not() -> None:
    ((is_broken, value),) = judge(Slow(0.003), one_row_ms=2)
    assert is_broken
    assert value >= 3


def test_one_slow_call_of_two_hundred_is_not_the_99_percent_quantile() -> None:
    model = Slow(0.05, every=N_CALLS)
    assert judge(model, one_row_ms=40)[0][0] is False


def test_a_thousand_rows_are_scored_at_once_though_there_are_fewer() -> None:
    sizes = []

    class Counting(Slow):
        def score(self, rows: pa.Table) -> np.ndarray:
            sizes.append(rows.num_rows)
            return super().score(rows)

    judge(Counting(0.0), n_rows=300, thousand_rows_ms=1_000)
    assert set(sizes) == {1_000}
    assert len(sizes) > MIN_CALLS


def test_absent_limits_are_not_measured() -> None:
    model = Slow(0.0)
    assert judge(model) == []
    assert model.n_calls == 0


def test_the_size_of_the_file() -> None:
    found = judge_size(1_500_000, 1.0)
    assert found.is_broken
    assert found.text == "size of the model file in MB is 1.5, model.gate.max_size_mb asks for at most 1"
    assert not judge_size(999_999, 1.0).is_broken
