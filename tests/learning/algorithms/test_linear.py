"""Linear models: the same optimum by whichever solver."""

from __future__ import annotations

import numpy as np
import pytest

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.algorithms.linear import LOGISTIC_REGRESSION, MAX_NEWTON_COEFFICIENTS
from learning.algorithms.rows import FitRows
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.out_of_fold import fit


def labelled(problem: ProblemType, n_columns: int = 4) -> FitRows:
    """400 rows of numbers, some missing, and a category; the label follows the first two."""
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(400, n_columns))
    odds = matrix[:, 0] - matrix[:, 1] + generator.normal(size=400)
    matrix[generator.random(400) < 0.1, 1] = np.nan
    matrix[:, -1] = generator.integers(0, 3, 400)
    labels = (odds > 0).astype(float) if problem == "binary" else np.digitize(odds, [-1, 1]).astype(float)
    columns = [ColumnEncoding(f"x{position}", "number") for position in range(n_columns - 1)]
    encoding = FeatureEncoding((*columns, ColumnEncoding("c", "category", ("a", "b"))))
    return FitRows(matrix, labels, encoding, problem, 2 if problem == "binary" else 3)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_newton_finds_what_lbfgs_finds(problem: ProblemType) -> None:
    rows = labelled(problem)
    classes = () if problem == "binary" else ("0", "1", "2")
    scores = [
        fit(
            CandidateSpec(use="logistic_regression", params={"solver": solver, "tol": 1e-8}),
            rows,
            classes,
            0,
            1,
        ).score_matrix(rows.matrix)
        for solver in ("newton-cholesky", "lbfgs")
    ]
    np.testing.assert_allclose(*scores, atol=1e-5)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_many_columns_are_solved_by_steps_that_cost_little(problem: ProblemType) -> None:
    per_class = 1 if problem == "binary" else 3
    widest = MAX_NEWTON_COEFFICIENTS // per_class
    # A number and its mark for missing values; the category has three codes.
    n_numbers = (widest - 3) // 2
    solvers = [
        LOGISTIC_REGRESSION.defaults(labelled(problem, n_columns))["solver"]
        for n_columns in (n_numbers + 1, n_numbers + 2)
    ]
    assert solvers == ["newton-cholesky", "lbfgs"]
