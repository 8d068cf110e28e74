"""Differences between groups: those of fairlearn, and rarely called too large where they are chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from declaration.limits import FairnessLimitSpec
from learning.blocks import Blocks
from learning.limits.fairness import group_rates, judge_fairness
from learning.limits.finding import LimitFinding
from learning.limits.groups import LimitError, groups_by_value
from learning.metrics import Scored

DAY = 86_400_000_000

LABELS = np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0], dtype=float)
SCORES = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]) * 0.8 + 0.1
GROUPS = list("aaaaaabbbbbbcccc")


def judge(
    scored: Scored, groups: list[str], *, rule: str = "surely", alpha: float = 0.05, **limits: float
) -> tuple[LimitFinding, ...]:
    n = scored.labels.size
    return judge_fairness(
        scored,
        pa.table({"request__group": groups}),
        np.arange(n) * 40 // n * DAY,
        FairnessLimitSpec.model_validate({"groups": ["group"], "min_rows": 10, **limits}),
        rule=rule,  # type: ignore[arg-type]
        alpha=alpha,
        seed=0,
    )


def test_rates_by_group_are_fairlearn_s() -> None:
    """fairlearn 0.15, MetricFrame of selection_rate, true_positive_rate and false_positive_rate."""
    blocks = Blocks(np.arange(16), 16, "run")
    rates = group_rates(
        Scored(LABELS, SCORES), groups_by_value(pa.chunked_array([GROUPS]), "g"), blocks, threshold=0.5
    )
    found = {name: {one.group: one.value for one in each} for name, each in rates.items()}
    assert found["selection rate"] == pytest.approx({"g = a": 0.5, "g = b": 1 / 3, "g = c": 0.0})
    assert found["true positive rate"] == pytest.approx({"g = a": 2 / 3, "g = b": 0.5, "g = c": 0.0})
    assert found["false positive rate"] == pytest.approx({"g = a": 1 / 3, "g = b": 0.25, "g = c": 0.0})


def test_differences_are_fairlearn_s() -> None:
    """fairlearn 0.15 on these rows: demographic parity .5, equalized odds and equal opportunity 2/3; here ten times over."""
    scored = Scored(np.tile(LABELS, 10), np.tile(SCORES, 10))
    found = judge(
        scored, GROUPS * 10,
        max_selection_rate_difference=0.1, max_true_positive_rate_difference=0.1,
        max_false_positive_rate_difference=0.1, max_equalized_odds_difference=0.1,
    )  # fmt: skip
    assert [one.value for one in found] == pytest.approx([0.5, 2 / 3, 1 / 3, 2 / 3])
    parity = found[0]
    assert parity.is_broken
    assert parity.about == (
        "difference of selection rate by group (selection rate 0.000 of group = c, 40 rows, to 0.500 of group = a, 60 rows)"
    )
    assert parity.key == "model.gate.fairness.max_selection_rate_difference"


def test_groups_alike_are_rarely_told_apart() -> None:
    generator = np.random.default_rng(0)
    n_broken = 0
    for _ in range(100):
        groups = generator.choice(list("abcdef"), size=600).tolist()
        scored = Scored((generator.random(600) < 0.4).astype(float), generator.random(600))
        n_broken += judge(scored, groups, max_selection_rate_difference=0.02)[0].is_broken
    # 5 of 100 by chance, and 3 standard errors.
    assert n_broken <= 12


def test_small_groups_are_listed_and_not_judged() -> None:
    scored = Scored(np.tile(LABELS, 10), np.tile(SCORES, 10))
    groups = ["few"] * 5 + ["many"] * 155
    (found,) = judge(scored, groups, max_selection_rate_difference=0.1)
    assert found.value is None
    assert not found.is_broken
    assert "fewer than two groups have min_rows, 10, rows" in found.text


def test_a_group_that_is_no_column_says_which_there_are() -> None:
    spec = FairnessLimitSpec(groups=("sex",), max_selection_rate_difference=0.1)
    with pytest.raises(
        LimitError, match=r"groups\[0\] names 'sex', which is no column of the training set. It has: a"
    ):
        judge_fairness(
            Scored(LABELS, SCORES),
            pa.table({"a": GROUPS}),
            np.arange(16),
            spec,
            rule="surely",
            alpha=0.05,
            seed=0,
        )
