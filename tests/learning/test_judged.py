"""Rows that judge a training, and the folds in which they are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.judged import MANY_ROWS, N_FOLDS_OF_MANY, Judged, judged_rows
from learning.training_rows import LabelsNeededError, TrainingSet, read_training_set

MINUTE = 60_000_000


def labelled(
    rows: Sequence[int],
    *,
    labels: NDArray[np.float64] | None = None,
    delay: int = 0,
    problem: ProblemType = "binary",
    instants: NDArray[np.int64] | None = None,
    row_ids: Sequence[str] | None = None,
) -> TrainingSet:
    """Windows of so many rows, a row a minute; labels come `delay` rows later."""
    n = sum(rows)
    events = np.arange(n, dtype=np.int64) * MINUTE if instants is None else instants
    kind = pa.timestamp("us", "UTC")
    window = np.repeat(np.arange(len(rows)), rows)
    values = np.arange(n) % 2 if labels is None else labels
    table = pa.table(
        {
            "row_id": row_ids or [f"{row:07}" for row in range(n)],
            "event_timestamp": pa.array(events, kind),
            "label_time": pa.array(events + delay * MINUTE, kind),
            "label": pa.array(values.astype(str) if problem == "multiclass" else values.astype(float)),
            "x": pa.array(np.arange(n, dtype=np.float64)),
            "_source_partition": [f"row-{number:010d}" for number in window],
        }
    )
    return read_training_set(table, problem)


def windows_of(data: TrainingSet, judged: Judged) -> list[list[int]]:
    """The windows of each fold's rows."""
    return [
        np.unique(data.windows[judged.rows[judged.folds == fold]]).tolist()
        for fold in range(judged.folds.max() + 1)
    ]


def test_the_two_newest_windows_that_the_champion_has_not_seen_are_held_out_in_turn() -> None:
    data = labelled([300] * 5)
    # It was trained as of the end of window 1.
    judged = judged_rows(data, champion_knows_until_us=600 * MINUTE)
    assert judged.rows.tolist() == list(range(900, 1_500))
    assert windows_of(data, judged) == [[3], [4]]
    assert [np.flatnonzero(one).tolist() for one in judged.held_out] == [
        list(range(900, 1_200)),
        list(range(1_200, 1_500)),
    ]
    assert judged.n_unseen == 900
    assert judged.is_recent.all()


def test_a_first_model_is_judged_on_all_rows_in_blocks_of_neighbours() -> None:
    data = labelled([300] * 5)
    judged = judged_rows(data)
    assert judged.rows.tolist() == list(range(1_500))
    # 25 runs of 60 rows, dealt to five folds.
    assert judged.folds.tolist() == [row // 60 % 5 for row in range(1_500)]
    assert judged.n_unseen == 1_500
    # What to learn from is decided on the newest two windows.
    assert np.flatnonzero(judged.is_recent).tolist() == list(range(900, 1_500))


def test_many_rows_are_held_out_in_three_folds() -> None:
    data = labelled([MANY_ROWS])
    judged = judged_rows(data)
    assert judged.folds.max() + 1 == len(judged.held_out) == N_FOLDS_OF_MANY
    assert sum(int(held_out.sum()) for held_out in judged.held_out) == MANY_ROWS


def test_a_declared_share_judges_a_first_model_and_no_other() -> None:
    data = labelled([300] * 5)
    assert judged_rows(data, first_share=0.2).rows.tolist() == list(range(1_200, 1_500))
    # No fewer than two hundred.
    assert judged_rows(data, first_share=0.01).rows.size == 200
    later = judged_rows(data, first_share=0.2, champion_knows_until_us=600 * MINUTE)
    assert later.rows.size == 600


def test_a_newest_window_whose_labels_are_late_counts_for_what_it_has() -> None:
    # 270 rows late: of the newest window 30 labels are known, of 300.
    data = labelled([300, 300, 300, 300, 30], delay=270)
    judged = judged_rows(data, champion_knows_until_us=600 * MINUTE)
    # As of minute 600 it knew the labels of rows before minute 330.
    assert judged.n_unseen == 1_230 - 330
    assert windows_of(data, judged) == [[2], [3, 4]]


def test_a_window_that_the_champion_has_seen_in_part_is_held_out_whole() -> None:
    data = labelled([300] * 4, delay=100)
    # As of minute 700: the labels of rows from minute 600 on are new, and those of 500 to 600 not.
    judged = judged_rows(data, champion_knows_until_us=850 * MINUTE)
    assert judged.rows.tolist() == list(range(750, 1_200))
    assert windows_of(data, judged) == [[2], [3]]
    # A shock of window 2 must not be learned from its first half.
    assert np.flatnonzero(judged.held_out[0]).tolist() == list(range(600, 900))


def test_small_windows_are_held_out_in_blocks() -> None:
    data = labelled([20] * 50)
    judged = judged_rows(data, champion_knows_until_us=500 * MINUTE)
    # 200 rows at least: ten windows of twenty, together in folds of fifty at least.
    assert judged.rows.tolist() == list(range(800, 1_000))
    assert windows_of(data, judged) == [[40, 41, 42], [43, 44, 45], [46, 47, 48, 49]]


def test_there_are_five_folds_of_windows_at_most() -> None:
    data = labelled([300] * 8 + [50, 50, 50, 50, 50, 50, 50])
    # The usual window of the newest eight has 50 rows: 200 are four of them.
    assert windows_of(data, judged_rows(data, champion_knows_until_us=0)) == [[11], [12], [13], [14]]
    rare = np.zeros(2_750)
    rare[[2_000, 2_101, 2_102, 2_103, 2_104]] = 1
    reaching = judged_rows(labelled([300] * 8 + [50] * 7, labels=rare), champion_knows_until_us=0)
    assert reaching.folds.max() == 4


def test_rows_since_a_loss_are_judged_alone_in_every_fifth_block() -> None:
    data = labelled([300] * 6)
    judged = judged_rows(data, champion_knows_until_us=600 * MINUTE, loss_since_us=1_500 * MINUTE)
    assert judged.rows.tolist() == list(range(1_500, 1_800))
    # 15 runs of 20 rows.
    assert judged.folds.tolist() == [row // 20 % 5 for row in range(300)]
    assert judged.n_unseen == 300
    for fold, held_out in enumerate(judged.held_out):
        assert np.flatnonzero(held_out).tolist() == judged.rows[judged.folds == fold].tolist()


def test_two_windows_since_a_loss_are_held_out_whole() -> None:
    data = labelled([300] * 6)
    judged = judged_rows(data, champion_knows_until_us=600 * MINUTE, loss_since_us=1_200 * MINUTE)
    assert judged.rows.size == 600
    assert windows_of(data, judged) == [[4], [5]]


def test_a_loss_whose_own_labels_are_late_is_not_judged_without_the_one_window_that_shows_it() -> None:
    # The loss was found in window 6 by the labels of window 5; of window 6 itself none is known.
    data = labelled([300] * 6)
    judged = judged_rows(data, champion_knows_until_us=600 * MINUTE, loss_since_us=1_800 * MINUTE)
    assert windows_of(data, judged)[0] == [4, 5]
    assert judged.folds.max() == 4


def test_a_loss_of_few_rows_is_judged_with_what_else_is_unseen() -> None:
    data = labelled([140] * 6)
    judged = judged_rows(data, champion_knows_until_us=280 * MINUTE, loss_since_us=700 * MINUTE)
    assert judged.n_unseen == 560
    assert judged.rows.tolist() == list(range(560, 840))


def test_what_a_champion_has_nearly_all_seen_is_judged_on_the_newest_rows() -> None:
    data = labelled([300] * 4)
    judged = judged_rows(data, champion_knows_until_us=1_150 * MINUTE)
    assert judged.n_unseen == 50
    assert judged.rows.tolist() == list(range(600, 1_200))


def test_one_window_is_held_out_in_every_fifth_block() -> None:
    data = labelled([1_000])
    judged = judged_rows(data, champion_knows_until_us=0)
    assert judged.rows.size == 1_000
    assert judged.folds.tolist() == [row // 40 % 5 for row in range(1_000)]


def test_two_windows_of_few_rows_leave_too_little_if_one_is_held_out_whole() -> None:
    data = labelled([120, 120])
    judged = judged_rows(data, champion_knows_until_us=0)
    assert judged.folds.max() == 4
    assert min(np.count_nonzero(~one) for one in judged.held_out) == 180


def test_a_table_without_partitions_is_one_window() -> None:
    rows = labelled([400, 400]).rows.drop_columns(["_source_partition"])
    data = read_training_set(rows, "binary")
    assert not data.windows.any()
    assert judged_rows(data, champion_knows_until_us=0).rows.size == 800
    # A first model's span is chosen on the newest fifth, no fewer than 200 rows.
    assert np.flatnonzero(judged_rows(data).is_recent).tolist() == list(range(600, 800))


def test_windows_are_numbered_by_their_keys() -> None:
    data = labelled([150, 150])
    keys = pa.array(["2024-02-01"] * 150 + ["2024-01-01"] * 150)
    place = data.rows.column_names.index("_source_partition")
    swapped = read_training_set(data.rows.set_column(place, "_source_partition", keys), "binary")
    assert swapped.windows.tolist() == [1] * 150 + [0] * 150
    assert swapped.digest != data.digest


def test_rows_of_one_instant_are_held_out_together() -> None:
    days = np.repeat(np.arange(10, dtype=np.int64), 100) * 1_440 * MINUTE
    data = labelled([1_000], instants=days)
    judged = judged_rows(data)
    for day in range(10):
        assert np.unique(judged.folds[day * 100 : day * 100 + 100]).size == 1


def test_entities_without_a_time_are_held_out_by_their_order() -> None:
    data = labelled([500], instants=np.zeros(500, dtype=np.int64))
    judged = judged_rows(data)
    assert np.bincount(judged.folds).tolist() == [100] * 5


def test_a_row_that_comes_again_is_held_out_wherever_it_is() -> None:
    """Each load of a snapshot has the same customers: the one before would tell the label."""
    ids = [f"{customer:04}" for _ in range(30) for customer in range(400)]
    data = labelled([400] * 30, row_ids=ids)
    judged = judged_rows(data, champion_knows_until_us=400 * MINUTE)
    # Held out whole, a load would leave nothing to learn from.
    assert judged.folds.max() == 4
    for fold, held_out in enumerate(judged.held_out):
        inside = set(np.array(ids)[judged.rows[judged.folds == fold]])
        assert inside.isdisjoint(np.array(ids)[~held_out])
        assert np.count_nonzero(~held_out) == 30 * 320


@pytest.mark.parametrize("place", [1_390, 700])
def test_judged_rows_reach_back_to_where_both_labels_are(place: int) -> None:
    """A rare class is no reason to wait, nor to judge without it: first in what is unseen, then in all."""
    labels = np.zeros(1_500)
    labels[[100, 200, 300, place, 1_400]] = 1
    data = labelled([300] * 5, labels=labels)
    judged = judged_rows(data, champion_knows_until_us=900 * MINUTE)
    assert labels[judged.rows].sum() == 5
    # All five lie in the newest windows only with the first: 100 is in window 0.
    assert judged.rows.size == 1_500
    assert judged.folds.max() + 1 <= 5


def test_a_loss_whose_rows_have_one_label_is_judged_further_back() -> None:
    labels = np.arange(1_500) % 2
    labels[1_200:] = 1
    judged = judged_rows(
        labelled([300] * 5, labels=labels.astype(float)),
        champion_knows_until_us=600 * MINUTE,
        loss_since_us=1_200 * MINUTE,
    )
    assert windows_of(labelled([300] * 5), judged)[0] == [3, 4]


def test_too_few_rows_wait() -> None:
    with pytest.raises(LabelsNeededError, match=r"149 labelled rows are too few .* at least 150"):
        judged_rows(labelled([149]))


def test_rows_that_are_all_one_wait() -> None:
    with pytest.raises(
        LabelsNeededError, match=r"a fold of 300 judged rows leaves 0 of 300 rows .* at least 100"
    ):
        judged_rows(labelled([300], row_ids=["the only one"] * 300))


@given(
    rows=st.lists(st.integers(1, 400), min_size=1, max_size=8).filter(lambda sizes: sum(sizes) >= 150),
    delay=st.integers(0, 600),
    known=st.floats(0, 1),
    loss=st.none() | st.floats(0, 1),
    problem=st.sampled_from(["binary", "multiclass", "regression"]),
    seed=st.integers(0, 2**32),
)
@example(rows=[1, 1, 227, 400], delay=0, known=0.5, loss=0.75, problem="multiclass", seed=386)
@settings(max_examples=100, deadline=None)
def test_folds_part_the_judged_rows_and_hide_them(
    rows: list[int], delay: int, known: float, loss: float | None, problem: ProblemType, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    n = sum(rows)
    labels = (chance.random(n) < chance.choice([0.01, 0.1, 0.5])).astype(float)
    labels[chance.choice(n, 2, replace=False)] = [0, 1]
    data = labelled(rows, labels=labels, delay=delay, problem=problem)
    knows = None if known > 0.9 else int(known * (n + delay)) * MINUTE
    judged = judged_rows(
        data,
        champion_knows_until_us=knows,
        loss_since_us=None if loss is None or knows is None else int(loss * n) * MINUTE,
    )
    n_folds = judged.folds.max() + 1
    assert 2 <= n_folds == len(judged.held_out) <= 5
    assert (np.diff(judged.rows) > 0).all()
    for fold, held_out in enumerate(judged.held_out):
        inside = judged.rows[judged.folds == fold]
        assert inside.size
        assert held_out[inside].all()
        assert np.count_nonzero(~held_out) >= 100
    assert judged.is_recent.any()
    assert np.unique(data.labels[judged.rows]).size > 1
    unseen = np.ones(n, dtype=bool) if knows is None else data.label_time_us >= knows
    if np.count_nonzero(unseen) >= 100 and np.unique(data.labels[unseen]).size > 1 and problem != "binary":
        assert unseen[judged.rows].all()
