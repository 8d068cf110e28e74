"""Limits on slices: which rows are in one, what is asked of it, and that small ones do not block."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from declaration.limits import SliceLimitSpec
from learning.comparison import ScoredPair
from learning.limits.finding import LimitFinding
from learning.limits.groups import LimitError, groups_by_value
from learning.limits.slices import JudgedScores, Slice, judge_slices, slices_of
from learning.metrics import Scored

DAY = 86_400_000_000
N = 1_200


def rows(n: int = N) -> pa.Table:
    generator = np.random.default_rng(5)
    return pa.table(
        {
            "request__carrier": generator.choice(["AA", "B6", "UA"], size=n, p=[0.6, 0.38, 0.02]),
            "weather__wind": generator.normal(10, 3, size=n),
        }
    )


def found_slices(*specs: dict[str, object], table: pa.Table | None = None) -> tuple[Slice, ...]:
    with duckdb.connect() as connection:
        limits = [SliceLimitSpec.model_validate(spec) for spec in specs]
        return slices_of(connection, rows() if table is None else table, limits)


def judged(*, spoiled: np.ndarray | None = None, has_champion: bool = True) -> JudgedScores:
    """Sound scores, upside down where they are spoiled; the champion's are sound."""
    generator = np.random.default_rng(6)
    truth = generator.normal(size=N)
    labels = (truth + generator.normal(size=N) > 0).astype(float)
    sound = 1 / (1 + np.exp(-truth))
    scores = sound if spoiled is None else np.where(spoiled, 1 - sound, sound)
    at = np.arange(N) // 40 * DAY
    half = np.arange(N // 2, N)
    pair = ScoredPair(Scored(labels[half], scores[half]), Scored(labels[half], sound[half]), at[half])
    return JudgedScores(
        "binary", "roc_auc", Scored(labels, scores), at, pair if has_champion else None, half, seed=0
    )


def judge(slices: tuple[Slice, ...], scores: JudgedScores, rule: str = "surely") -> tuple[LimitFinding, ...]:
    return judge_slices(slices, scores, rule=rule, alpha=0.05)  # type: ignore[arg-type]


def test_a_column_s_values_are_slices_the_most_frequent_first() -> None:
    found = found_slices({"by": "carrier", "min_metric": 0.6})
    assert [one.name for one in found] == ["carrier = AA", "carrier = B6", "carrier = UA"]
    carriers = np.array(rows()["request__carrier"].to_pylist())
    for one, value in zip(found, ["AA", "B6", "UA"], strict=True):
        np.testing.assert_array_equal(one.members, carriers == value)


def test_numbers_are_cut_into_quarters() -> None:
    found = found_slices({"by": "weather__wind", "min_metric": 0.6})
    assert [int(one.members.sum()) for one in found] == [300] * 4
    assert np.sum([one.members for one in found], axis=0).tolist() == [1] * N


def test_missing_numbers_are_a_slice() -> None:
    values = pa.chunked_array([pa.array([None, *map(float, range(40))])])
    found = groups_by_value(values, "wind")
    assert list(found) == [
        "wind 0 to 9.75",
        "wind 9.75 to 19.5",
        "wind 19.5 to 29.25",
        "wind 29.25 to 39",
        "wind is missing",
    ]
    assert found["wind is missing"].sum() == 1


def test_a_condition_is_a_slice_and_null_is_not_in_it() -> None:
    table = pa.table({"weather__wind": [5.0, None, 20.0]})
    (found,) = found_slices({"where": "weather__wind > 10", "name": "windy"}, table=table)
    assert (found.name, found.members.tolist()) == ("windy", [False, False, True])


def test_a_condition_that_cannot_be_computed_says_what_there_is() -> None:
    with pytest.raises(
        LimitError,
        match=r"'wnd > 10' cannot be computed (?s:.*) Its columns: request__carrier, weather__wind",
    ):
        found_slices({"where": "wnd > 10"})


def test_the_figures_are_those_of_the_rows_of_the_slice() -> None:
    slices, scores = found_slices({"by": "carrier", "min_metric": 0.6, "max_loss": 0.02}), judged()
    found = judge(slices, scores)
    floor, loss = found[0], found[1]
    members = slices[0].members
    expected = oracle.roc_auc_score(scores.scored.labels[members], scores.scored.scores[members])
    assert floor.value == pytest.approx(expected)
    assert (loss.value, loss.n) == (0.0, int(members[N // 2 :].sum()))
    assert not any(one.is_broken for one in found)
    assert f"roc_auc of carrier = AA ({members.sum()} rows) is {expected:.4g} (" in floor.text
    assert "model.gate.slices[0].min_metric asks for at least 0.6" in floor.text


def test_a_slice_that_is_surely_worse_stops_the_challenger() -> None:
    is_spoiled = np.array(rows()["request__carrier"].to_pylist()) == "B6"
    found = judge(
        found_slices({"by": "carrier", "min_metric": 0.6, "max_loss": 0.02}), judged(spoiled=is_spoiled)
    )
    broken = [one for one in found if one.is_broken]
    assert [one.key for one in broken] == ["model.gate.slices[0].min_metric", "model.gate.slices[0].max_loss"]
    assert all("carrier = B6" in one.about for one in broken)


def test_a_small_slice_is_named_and_does_not_stop_it() -> None:
    found = judge(found_slices({"by": "carrier", "min_metric": 0.99}), judged())
    small = found[-1]
    assert small.value is None
    assert not small.is_broken
    assert small.text.startswith("roc_auc of carrier = UA (2")
    assert small.text.endswith("rows) is not judged: min_rows is 50")


def test_of_many_slices_one_lies_below_by_chance_and_does_not_stop_it() -> None:
    """Twenty slices of 60 rows whose metric is what is asked for: half lie below, and hardly any surely."""
    table = pa.table({"g": np.arange(N) % 20})
    scores = judged()
    limit = oracle.roc_auc_score(scores.scored.labels, scores.scored.scores)
    found = judge(found_slices({"by": "g", "min_metric": float(limit)}, table=table), scores)
    assert sum(one.is_beyond for one in found) >= 5
    assert not any(one.is_broken for one in found)
    by_estimate = judge(
        found_slices({"by": "g", "min_metric": float(limit)}, table=table), scores, "by_estimate"
    )
    assert [one.is_broken for one in by_estimate] == [one.is_beyond for one in found]


def test_without_a_champion_nothing_is_lost() -> None:
    assert judge(found_slices({"by": "carrier", "max_loss": 0.02}), judged(has_champion=False)) == ()


def test_an_error_has_a_ceiling() -> None:
    labels = np.random.default_rng(0).normal(size=N)
    scored = Scored(labels, labels * 0.5)
    scores = JudgedScores(
        "regression", "rmse", scored, np.arange(N) // 40 * DAY, None, np.empty(0, dtype=np.int64), seed=0
    )
    found = judge(found_slices({"by": "carrier", "min_metric": 0.1}), scores)
    assert found[0].side == "at most"
    assert found[0].is_broken


def test_a_ranking_of_few_positives_is_chance_and_not_judged() -> None:
    labels, scores = np.zeros(N), np.linspace(1, 0, N)
    # Three positives at the end: an area of nearly 0 in every resample that has one.
    labels[-3:] = 1
    rare = JudgedScores(
        "binary",
        "roc_auc",
        Scored(labels, scores),
        np.arange(N) // 40 * DAY,
        None,
        np.empty(0, dtype=np.int64),
        seed=0,
    )
    (found,) = judge(found_slices({"where": "true", "min_metric": 0.6}), rare)
    assert not found.is_broken
    assert (
        found.text
        == "roc_auc of true (1200 rows) is not judged: rows of the rarer label: 3, and 10 are needed"
    )
