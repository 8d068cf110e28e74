"""Holding out the newest rows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.split import instant, split_by_time
from learning.training_rows import LabelsNeededError

HOUR = 3_600_000_000


def test_the_newest_share_is_held_out() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    split = split_by_time(hours, hours, share=0.3)
    assert split.holdout.tolist() == list(range(700, 1_000))
    assert split.fit.tolist() == list(range(700))
    assert split.holdout_start == instant(700 * HOUR)


def test_labels_known_only_after_the_holdout_begins_teach_nothing() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    # Labels come a day later: the last 24 rows before the holdout, and no other, are not yet known.
    split = split_by_time(hours, hours + 24 * HOUR, share=0.2)
    assert split.fit.tolist() == list(range(776))


def test_rows_of_one_instant_stay_on_one_side() -> None:
    days = np.repeat(np.arange(10, dtype=np.int64), 100) * 24 * HOUR
    split = split_by_time(days, days, share=0.25)
    # A quarter is 250 rows; the third-newest day is taken whole.
    assert split.holdout.size == 300
    assert days[split.fit].max() < days[split.holdout].min()


def test_the_holdout_starts_where_the_champions_knowledge_ends() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    split = split_by_time(hours, hours, share=0.4, not_before_us=800 * HOUR)
    assert split.holdout.tolist() == list(range(800, 1_000))


def test_a_holdout_that_would_shrink_too_far_keeps_its_share() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    split = split_by_time(hours, hours, share=0.4, not_before_us=940 * HOUR)
    assert split.holdout.size == 400


def test_an_older_champion_does_not_widen_the_holdout() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    assert split_by_time(hours, hours, share=0.2, not_before_us=100 * HOUR).holdout.size == 200


def test_late_labels_are_unseen_by_the_champion_although_their_rows_are_older() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    # As of hour 900 it knew the labels of rows before hour 800: two hundred rows are new to it.
    split = split_by_time(hours, hours + 100 * HOUR, share=0.4, not_before_us=900 * HOUR)
    assert split.holdout.tolist() == list(range(800, 1_000))


def test_after_a_confirmed_loss_the_newest_labels_are_learned_from() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    split = split_by_time(hours, hours + 24 * HOUR, share=0.2, is_loss_confirmed=True)
    assert split.holdout.tolist() == list(range(900, 1_000))
    assert split.fit.tolist() == list(range(900))


def test_too_few_rows_wait() -> None:
    few = np.arange(149, dtype=np.int64)
    with pytest.raises(LabelsNeededError, match=r"149 labelled rows are too few .* at least 150"):
        split_by_time(few, few, share=0.5)


def test_labels_that_are_all_late_are_waited_for() -> None:
    hours = np.arange(1_000, dtype=np.int64) * HOUR
    with pytest.raises(LabelsNeededError, match=r"leaves 0 rows to learn from .* 200 to compare on"):
        split_by_time(hours, hours + 2_000 * HOUR, share=0.2)


@given(
    gaps=st.lists(st.integers(0, 5), min_size=400, max_size=400),
    delay=st.integers(0, 50),
    share=st.floats(0.2, 0.6),
)
def test_nothing_that_is_learned_from_was_known_after_the_holdout_began(
    gaps: list[int], delay: int, share: float
) -> None:
    events = np.cumsum(np.array(gaps, dtype=np.int64)) * HOUR
    try:
        split = split_by_time(events, events + delay * HOUR, share=share)
    except LabelsNeededError:
        return
    start = split.holdout_start.timestamp() * 1e6
    assert (events[split.fit] + delay * HOUR < start).all()
    assert (events[split.holdout] >= start).all()
    assert not set(split.fit.tolist()) & set(split.holdout.tolist())


def test_instants_keep_their_microseconds() -> None:
    assert instant(1_000_001) == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
