"""Proposals of a search: inside the ranges, and the same whenever they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from declaration.search import RangeSpec, SearchMethod, SearchSpec
from learning.algorithms.algorithm import between, whole
from learning.search.proposals import drawn, propose
from learning.search.trials import Trial

SPACE = {
    "leaves": whole(7, 127, log=True),
    "rate": between(0.01, 0.3, log=True),
    "share": between(0.2, 1.0),
    "kind": RangeSpec(choice=("a", None, 3)),
}


@given(st.integers(0, 2**32 - 1))
def test_values_lie_in_their_ranges(seed: int) -> None:
    draw = np.random.default_rng(seed)
    assert 0.01 <= float(str(drawn(SPACE["rate"], draw))) <= 0.3
    leaves = drawn(SPACE["leaves"], draw)
    assert isinstance(leaves, int)
    assert 7 <= leaves <= 127
    assert drawn(SPACE["kind"], draw) in ("a", None, 3)


def test_whole_numbers_are_drawn_evenly_and_on_the_scale_of_the_logarithm() -> None:
    draw = np.random.default_rng(0)
    counts = np.bincount([int(str(drawn(whole(1, 4), draw))) for _ in range(8_000)], minlength=5)
    np.testing.assert_allclose(counts[1:] / 8_000, 0.25, atol=0.02)
    # Of 10 to 1,000 half lie below 100.
    small = [int(str(drawn(whole(10, 1_000, log=True), draw))) < 100 for _ in range(4_000)]
    assert np.mean(small) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_search_that_goes_on_proposes_what_it_would_have_proposed(method: SearchMethod) -> None:
    def run(before: list[Trial]) -> list[Trial]:
        trials = list(before)
        while len(trials) < 18:
            params = propose(method, SPACE, trials, len(trials), 5) if trials else {}
            loss = abs(float(str(params.get("rate", 0.3))) - 0.1)
            trials.append(Trial(len(trials), params, loss, (loss,), 0.0))
        return trials

    whole_run = run([])
    assert run(whole_run[:13]) == whole_run
    assert len({trial.params["rate"] for trial in whole_run[1:]}) == 17


def test_tpe_comes_nearer_than_chance() -> None:
    def mean_distance(method: SearchMethod) -> float:
        trials: list[Trial] = []
        while len(trials) < 40:
            params = propose(method, {"x": between(0, 1)}, trials, len(trials) + 1, 0)
            loss = abs(float(str(params["x"])) - 0.3)
            trials.append(Trial(len(trials), params, loss, (loss,), 0.0))
        return float(np.mean([trial.loss for trial in trials[20:]]))

    assert mean_distance("tpe") < mean_distance("random") / 2


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"x": [1, 2, 3]}, "a range is its two ends"),
        ({"x": [3, 1]}, "from a lesser to a greater"),
        ({"x": {"int": [0, 5], "log": True}}, "log needs two ends above 0"),
        ({"x": {"log": True}}, "one of int, float and choice"),
        ({"x": {"int": [1, 2], "choice": ["a"]}}, "one of int, float and choice"),
    ],
)
def test_a_range_that_is_none_is_refused(space: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchSpec.model_validate({"space": space})
