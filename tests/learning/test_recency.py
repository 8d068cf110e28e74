"""Learning from the newest rows alone, where the older ones do harm."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from learning.recency import MIN_PART_ROWS, newest_parts
from learning.split import split_by_time
from learning.train import train_model
from learning.training_rows import read_training_set

N, HOUR = 3_000, 3_600_000_000
SPEC = ModelSpec(candidates=("logistic_regression",))


def labelled(changed_from: int, seed: int) -> pa.Table:
    """Rows an hour apart; from one of them on, the first feature says the opposite."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(N, 2))
    sign = np.where(np.arange(N) < changed_from, 1.0, -1.0)
    odds = 2 * sign * values[:, 0] + values[:, 1]
    instants = pa.array(np.arange(N) * HOUR, pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "row_id": [f"{row:05}" for row in range(N)],
            "event_timestamp": instants,
            "label_time": instants,
            "label": (generator.random(N) < 1 / (1 + np.exp(-odds))).astype(np.int8),
            "a": values[:, 0],
            "b": values[:, 1],
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_after_a_change_the_older_rows_are_left_out(seed: int) -> None:
    # The last third is of the new concept; the holdout is its newer part.
    data = read_training_set(labelled(2_000, seed), "binary")
    adapted, plain = (
        train_model(data, SPEC.model_copy(update={"adapt_window": adapts})) for adapts in (True, False)
    )
    assert adapted.learned_since_us == 2_000 * HOUR
    assert adapted.n_rows == 1_000
    assert plain.learned_since_us is None
    assert plain.n_rows == N
    assert adapted.holdout_metric > plain.holdout_metric + 0.05
    # What serves says the new concept: more of the first feature, less chance.
    low, high = adapted.model.score(pa.table({"a": [-1.0, 1.0], "b": [0.0, 0.0]}))
    assert low > 0.7
    assert high < 0.3


def test_where_nothing_changed_all_rows_are_learned_from() -> None:
    spans = [train_model(read_training_set(labelled(N, seed), "binary"), SPEC) for seed in range(20)]
    assert sum(one.learned_since_us is not None for one in spans) <= 1


def test_parts_of_too_few_rows_are_not_tried() -> None:
    instants = np.arange(N, dtype=np.int64) * HOUR
    split = split_by_time(instants, instants, share=0.2)
    ((since, fit),) = newest_parts(instants, split)
    assert since == 2_000 * HOUR
    # A ninth is 333 rows, of which 600 newer ones are held out.
    assert fit.tolist() == list(range(2_000, 2_400))
    assert fit.size >= MIN_PART_ROWS
