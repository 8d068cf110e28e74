"""Pictures of a training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from assets.model.naive import judge_naively
from assets.model.pictures import calibration_points, roc_points, training_pages
from declaration.model import CandidateSpec, ModelSpec
from declaration.target import ProblemType
from learning.candidate_comparison import compare_candidates
from learning.explain.explanation import explain
from learning.metrics import Scored
from learning.train import train_model
from learning.training_rows import read_training_set


def test_the_area_below_the_drawn_curve_is_the_auc() -> None:
    generator = np.random.default_rng(0)
    labels = (generator.random(5_000) < 0.3).astype(float)
    scores = labels * 0.3 + generator.random(5_000)
    points = np.array(roc_points(Scored(labels, scores)))
    assert len(points) <= 121
    area = np.trapezoid(points[:, 1], points[:, 0])
    assert area == pytest.approx(oracle.roc_auc_score(labels, scores), abs=2e-3)


def test_equal_scores_are_one_step_of_the_curve() -> None:
    points = roc_points(Scored(np.array([1.0, 0.0, 1.0]), np.full(3, 0.5)))
    assert points == [(0.0, 0.0), (1.0, 1.0)]


def test_calibration_groups_are_of_equal_size() -> None:
    # Scores 0.00 … 0.99 with labels that are 1 from 0.5 on: groups of ten, by hand.
    scores = np.arange(100) / 100
    points = calibration_points(Scored((scores >= 0.5).astype(float), scores))
    assert [round(x, 3) for x, _ in points] == [round(0.045 + group / 10, 3) for group in range(10)]
    assert [y for _, y in points] == [0.0] * 5 + [1.0] * 5


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_every_problem_has_its_pages(
    problem: ProblemType, make_training_table: Callable[..., pa.Table]
) -> None:
    data = read_training_set(make_training_table(500, problem=problem), problem)
    candidates = ("ridge",) if problem == "regression" else ("logistic_regression",)
    training = train_model(data, ModelSpec.model_validate({"candidates": candidates}))
    comparison = compare_candidates(
        problem, training.metric, training.candidates, training.candidate_rows, seed=0
    )
    explanation = explain(training, data, CandidateSpec(use=candidates[0]), seed=0, threads=1)
    naive = judge_naively(data, training, {}, seed=0)
    pages = training_pages(training, comparison, naive, None, (), explanation)
    assert ("roc_curve" in pages) == (problem == "binary")
    assert ("calibration" in pages) == (problem != "multiclass")
    assert {name for name, page in pages.items() if "](data:image/svg+xml;base64," not in page} == {
        "spans",
        "slices",
        *(["confusion"] if problem != "regression" else []),
    }
    assert pages["candidates"].startswith("| candidate |")
