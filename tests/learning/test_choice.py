"""Choice between the trained model and the naive forecast."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from learning.naive_forecast import NAIVE
from learning.train import train_model
from learning.training_rows import read_training_set

MINUTE = 60_000_000


def told(sizes: list[int], seed: int = 0) -> pa.Table:
    """Windows of so many rows whose label follows `x`; in the last window it is 0, whatever `x` is."""
    generator = np.random.default_rng(seed)
    n = sum(sizes)
    x = generator.normal(size=n)
    window = np.repeat(np.arange(len(sizes)), sizes)
    label = np.where(window == len(sizes) - 1, 0.0, 3 * x + generator.normal(size=n))
    instants = pa.array(np.arange(n) * MINUTE, pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "row_id": [f"{row:06}" for row in range(n)],
            "event_timestamp": instants,
            "label_time": instants,
            "label": label,
            "x": x,
            "_source_partition": [f"{number:03}" for number in window],
        }
    )


@pytest.mark.parametrize(("newest", "is_naive"), [(30, False), (500, True)])
def test_a_newest_window_of_few_rows_chooses_no_naive_forecast(newest: int, is_naive: bool) -> None:
    data = read_training_set(told([500, 500, 500, newest]), "regression")
    training = train_model(data, ModelSpec(candidates=("ridge",), adapt_window=False))
    assert (training.model.algorithm == NAIVE.use) is is_naive
