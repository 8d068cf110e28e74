"""Tests of the streams that retraining policies are compared on."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from benchmarks.policy.streams import LOGISTIC, NAMES, draw_stream
from benchmarks.policy.streams.classes import CLASSES
from benchmarks.policy.streams.concepts import abrupt, blip, recurring
from benchmarks.policy.streams.logistic import CHANGED, WEIGHTS, Logistic, draw_logistic
from benchmarks.policy.streams.real import REAL
from drift.backtesting.history import known_rows

DRAWN = [name for name in NAMES if name not in REAL]
CHANCE = np.random.default_rng(0)


def _is_changed(concept, n_windows: int = 16) -> list[int]:
    weights = concept(8, n_windows, CHANCE)
    assert all((one == WEIGHTS).all() or (one == CHANGED).all() for one in weights)
    return [window for window in range(n_windows) if (weights[window] == CHANGED).all()]


def test_an_abrupt_change_stays():
    assert _is_changed(abrupt) == list(range(8, 16))


def test_a_blip_lasts_two_windows():
    assert _is_changed(blip) == [8, 9]


def test_a_recurring_concept_comes_and_goes():
    assert _is_changed(recurring(3)) == [8, 9, 10, 14, 15]


@pytest.mark.parametrize("name", ["slow shocks", "a new class", "season a day ahead"])
def test_a_draw_is_the_same_twice_and_no_other(name: str):
    first, again, other = (draw_stream(name, seed) for seed in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert all(one.equals(two) for one, two in zip(first.windows, again.windows, strict=True))
    assert not first.windows[-1].equals(other.windows[-1])


@pytest.mark.parametrize("name", DRAWN)
def test_rows_lie_in_their_window_in_order(name: str):
    stream = draw_stream(name, 0)
    assert stream is not None
    for window, rows in enumerate(stream.windows):
        instants = rows["event_timestamp"].cast("int64").to_numpy()
        assert (np.diff(instants) >= 0).all()
        assert stream.start_us(window) <= instants[0]
        assert instants[-1] < stream.start_us(window + 1)
        assert set(stream.features) <= set(rows.column_names)


def test_the_share_of_the_positives_changes_and_nothing_else_is_ordered_by_the_label():
    stream = draw_stream("class prior", 0)
    assert stream is not None
    before, after = (stream.truth(stream.onsets[0] + since) for since in (-1, 0))
    # Six standard errors of a share among 600 rows are .12.
    assert np.mean(before) == pytest.approx(0.5, abs=0.12)
    assert np.mean(after) == pytest.approx(0.2, abs=0.12)
    assert np.mean(np.flatnonzero(after == 1)) == pytest.approx(300, abs=100)


def test_labels_are_known_as_late_as_the_stream_says():
    stream = draw_stream("labels 1 late", 0)
    assert stream is not None
    window = stream.n_history
    rows = stream.windows[window]
    assert known_rows(rows, until_us=stream.start_us(window + 1)).num_rows == 0
    assert known_rows(rows, until_us=stream.start_us(window + 2)).num_rows == rows.num_rows


def test_labels_that_never_come_are_null():
    stream = draw_stream("labels never", 0)
    assert stream is not None
    assert stream.windows[stream.n_history]["label"].null_count == stream.windows[0].num_rows
    assert stream.windows[0]["label"].null_count == 0


def test_poisoned_labels_are_wrong_and_the_truth_is_not():
    world = Logistic(coins=lambda since: float(since == 0), first_onset=1, n_live=2)
    stream = draw_logistic("poison", 0, world)
    same = [np.mean(rows["label"].to_numpy() == rows["truth"].to_numpy()) for rows in stream.windows]
    assert same[stream.onsets[0]] == pytest.approx(0.5, abs=0.13)
    assert [share for window, share in enumerate(same) if window != stream.onsets[0]] == [1.0] * 7


def test_a_new_class_is_new():
    stream = draw_stream("a new class", 0)
    assert stream is not None
    onset = stream.onsets[0]
    known = set(np.concatenate([stream.true_classes(window) for window in range(onset)]))
    assert set(stream.true_classes(onset)) - known == {"class e"}
    assert len(CLASSES["a new class"].after) == 5


def test_a_stuck_sensor_is_out_of_its_limits():
    stream = draw_stream("broken sensor", 0)
    assert stream is not None
    onset = stream.onsets[0]
    assert stream.is_bounded
    assert [pc.max(stream.windows[onset + since]["x0"]).as_py() for since in (0, 1)] == [-999.0, -999.0]
    assert pc.min(stream.windows[onset + 2]["x0"]).as_py() > -50


def test_every_logistic_stream_has_both_labels_in_every_window():
    for name in LOGISTIC:
        stream = draw_stream(name, 0)
        assert stream is not None
        assert all(set(stream.truth(window)) == {0, 1} for window in range(len(stream.windows))), name
