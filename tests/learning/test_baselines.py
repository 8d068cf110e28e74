"""Naive baselines: arithmetic by hand, and nothing learned from labels that were not known yet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.target import ProblemType
from learning.baselines import LabelledRows, covering, forecast_judged, learn_baselines

NAN = np.nan


def test_a_regression_says_mean_median_and_what_was_known() -> None:
    learned = learn_baselines("regression", np.array([1.0, 2.0, 6.0]), {}, n_classes=0)
    said = learned.scores({"last_value": np.array([5.0, NAN])}, 2)
    assert {name: values.tolist() for name, values in said.items()} == {
        "mean": [3.0, 3.0],
        "median": [2.0, 2.0],
        # Of the second row nothing was known: the mean.
        "last_value": [5.0, 3.0],
    }


def test_a_class_is_given_the_shares_of_those_with_the_same_known_value() -> None:
    # Four rows, three of class 1; after a known 1 two of two are 1, after a known 0 one of two is.
    labels, before = np.array([1.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0])
    learned = learn_baselines("binary", labels, {"last_value": before}, n_classes=2)
    said = learned.scores({"last_value": np.array([1.0, 0.0, NAN])}, 3)
    assert said["prior"].tolist() == [0.75, 0.75, 0.75]
    # Ten rows of the shares are added: (2 + 7.5) / 12 and (1 + 7.5) / 12.
    assert said["last_value"] == pytest.approx([9.5 / 12, 8.5 / 12, 0.75])


def test_shares_of_many_classes_sum_to_one_and_leave_out_classes_never_seen() -> None:
    labels = np.array([0.0, 1.0, 2.0, 2.0, 7.0])
    learned = learn_baselines("multiclass", labels, {"last_value": np.array([0.0, NAN, 2.0, 9.0, 1.0])}, n_classes=3)  # fmt: skip
    said = learned.scores({"last_value": np.array([2.0, 8.0])}, 2)
    assert said["prior"][0].tolist() == [0.25, 0.25, 0.5]
    assert said["last_value"].sum(axis=1) == pytest.approx([1.0, 1.0])
    assert said["last_value"][0] == pytest.approx([2.5 / 11, 2.5 / 11, 6.0 / 11])
    assert said["last_value"][1].tolist() == [0.25, 0.25, 0.5]


def test_a_value_that_most_rows_lack_is_no_forecast() -> None:
    known = {"last_value": np.array([1.0, NAN, NAN]), "day_season": np.array([1.0, 2.0, NAN])}
    assert list(covering(known)) == ["day_season"]


def rows_of(seed: int, problem: ProblemType, n: int = 120) -> LabelledRows:
    generator = np.random.default_rng(seed)
    events = np.sort(generator.integers(0, 1_000, n))
    labels = generator.integers(0, 3 if problem == "multiclass" else 2, n).astype(float)
    known = np.where(generator.random(n) < 0.8, generator.permutation(labels), NAN)
    return LabelledRows(labels, events, events + generator.integers(1, 300, n), {"last_value": known})


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    problem=st.sampled_from(["regression", "binary", "multiclass"]),
    place=st.integers(40, 119),
)
def test_no_forecast_changes_with_labels_that_became_known_later(
    seed: int, problem: ProblemType, place: int
) -> None:
    rows, judged = rows_of(seed, problem), np.arange(30, 120)
    cut = rows.event_time_us[place]
    is_later = rows.label_time_us > cut
    turned = np.where(is_later, 1 - np.minimum(rows.labels, 1), rows.labels)
    other = LabelledRows(turned, rows.event_time_us, rows.label_time_us, rows.known)
    n_classes = 3 if problem == "multiclass" else 2
    before = forecast_judged(problem, rows, judged, n_classes=n_classes)
    after = forecast_judged(problem, other, judged, n_classes=n_classes)
    assert before.positions.tolist() == after.positions.tolist()
    is_early = rows.event_time_us[judged[before.positions]] <= cut
    for name, scored in before.scored.items():
        assert scored.scores[is_early].tolist() == after.scored[name].scores[is_early].tolist()


def test_judged_rows_meet_their_own_labels_in_any_order() -> None:
    rows = rows_of(3, "regression")
    judged = np.random.default_rng(1).permutation(np.arange(40, 120))
    found = forecast_judged("regression", rows, judged, n_classes=0)
    places = judged[found.positions]
    assert sorted(places.tolist()) == list(range(40, 120))
    assert found.scored["mean"].labels.tolist() == rows.labels[places].tolist()
    known = rows.known["last_value"][places]
    is_known = ~np.isnan(known)
    assert found.scored["last_value"].scores[is_known].tolist() == known[is_known].tolist()


def test_before_ten_labels_are_known_nothing_is_forecast() -> None:
    labels = np.arange(12.0)
    rows = LabelledRows(labels, np.arange(12), np.arange(12) + 10_000, {})
    found = forecast_judged("regression", rows, np.arange(12), n_classes=0)
    assert found.positions.size == 0
    assert not found.scored
