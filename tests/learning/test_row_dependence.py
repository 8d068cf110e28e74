"""Dependence of rows: told where it is, and where it is not it is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from learning.blocks import Blocks
from learning.row_dependence import row_dependence


def days(n_days: int, per_day: int) -> Blocks:
    return Blocks(np.repeat(np.arange(n_days), per_day), n_days, "day")


def test_the_p_value_is_that_of_an_analysis_of_variance() -> None:
    values = np.random.default_rng(0).normal(size=12 * 15)
    expected = stats.f_oneway(*values.reshape(12, 15)).pvalue
    assert row_dependence(values, days(12, 15)).p_value == pytest.approx(expected)


def test_independent_rows_are_rarely_called_dependent() -> None:
    generator = np.random.default_rng(1)
    faults = [row_dependence(generator.standard_t(4, size=600), days(20, 30)).fault for _ in range(200)]
    # 5 % of 200 are 10; 3 standard errors more are 19.
    assert sum(bool(fault) for fault in faults) <= 19


def test_rows_that_share_their_day_are_told() -> None:
    generator = np.random.default_rng(2)
    values = np.repeat(generator.normal(scale=0.5, size=30), 40) + generator.normal(size=1_200)
    found = row_dependence(values, days(30, 40))
    # The share of the day is .25 / 1.25 = .2: the variance is about 1 + 39 * .2 = 8.8 times as large.
    assert found.design_effect == pytest.approx(8.8, rel=0.5)
    assert found.fault.startswith("rows of one day are alike: the variance is ")


def test_rows_that_come_again_are_told() -> None:
    numbers = np.array([0, 1, 2, 2, 1])
    fault = row_dependence(np.arange(5.0), None, numbers).fault
    assert fault == "2 of 5 rows are rows that come again"


def test_too_few_rows_tell_nothing() -> None:
    assert "too few rows to tell" in row_dependence(np.arange(5.0), None, np.arange(5)).fault


def test_models_that_say_the_same_have_nothing_against_them() -> None:
    assert row_dependence(np.zeros(100), days(10, 10)).fault == ""
