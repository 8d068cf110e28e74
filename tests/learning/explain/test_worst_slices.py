"""Slices that are worse: a planted one is found, and noise holds none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from learning.explain.worst_slices import SliceSearch, find_worst_slices
from learning.metrics import Floats

N, N_DAYS, DAY_US = 3_000, 30, 86_400_000_000
TIMES = np.sort(np.arange(N) % N_DAYS) * DAY_US


def groups(generator: np.random.Generator) -> dict[str, dict[str, NDArray[np.bool_]]]:
    columns = {name: generator.integers(0, 5, N) for name in ("carrier", "hour", "wind", "zone")}
    return {name: {f"{name} = {v}": codes == v for v in range(5)} for name, codes in columns.items()}


def skewed_losses(generator: np.random.Generator) -> Floats:
    """Losses of rare positives, with days that are alike."""
    days = generator.normal(0, 0.05, N_DAYS)[TIMES // DAY_US]
    probability = np.clip(0.08 + 0.1 * generator.random(N) + days, 0.01, 0.5)
    return np.where(generator.random(N) < probability, -np.log(0.12), -np.log(0.88))


def search(seed: int, planted: Mapping[tuple[str, ...], float]) -> SliceSearch:
    generator = np.random.default_rng(seed)
    found, losses = groups(generator), skewed_losses(generator)
    for conditions, excess in planted.items():
        members = np.logical_and.reduce([found[one.split(" ")[0]][one] for one in conditions])
        losses = losses + excess * members
    return find_worst_slices(losses, TIMES, found)


def test_nothing_is_found_in_noise() -> None:
    n_false = sum(bool(search(seed, {}).worst) for seed in range(200))
    assert n_false <= 10  # 5 %


def test_a_planted_slice_is_found_and_named() -> None:
    for seed in range(5):
        outcome = search(seed, {("wind = 3",): 0.5})
        assert outcome.worst[0].slice == ("wind = 3",)
        assert outcome.worst[0].low < 0.5 < outcome.worst[0].high
        assert outcome.n_tried == 4 * 5 + 6 * 25


def test_a_planted_pair_is_found_and_named() -> None:
    for seed in range(5):
        outcome = search(seed, {("hour = 1", "wind = 3"): 1.5})
        assert outcome.worst[0].slice == ("hour = 1", "wind = 3")


def test_pairs_that_say_no_more_than_a_half_of_them_are_not_told() -> None:
    outcome = search(1, {("wind = 3",): 1.0})
    assert [one.slice for one in outcome.worst] == [("wind = 3",)]


def test_slices_that_are_better_are_no_finding() -> None:
    assert search(2, {("wind = 3",): -0.3}).worst == () or all(
        "wind = 3" not in one.slice for one in search(2, {("wind = 3",): -0.3}).worst
    )


def test_too_few_rows_say_so() -> None:
    outcome = find_worst_slices(np.ones(20), np.arange(20), {"a": {"a = 1": np.arange(20) < 10}})
    assert (outcome.n_tried, outcome.obstacle) == (0, "20 rows are too few to tell slices apart")
