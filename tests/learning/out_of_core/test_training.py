"""Training out of core, against the same rows in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import CandidateSpec, ModelSpec
from declaration.target import ProblemType
from learning.algorithms import batched_rows
from learning.algorithms.table import ALGORITHMS
from learning.metrics import metric_value
from learning.model_file import model_from_bytes, model_to_bytes
from learning.out_of_core.eligible import out_of_core_obstacle
from learning.out_of_core.reading import LargeSet, read_large_set
from learning.out_of_core.training import train_out_of_core
from learning.out_of_fold import fit
from learning.training_rows import LabelsNeededError, read_training_set
from tests.fixtures.training_world import training_table

ABLE = sorted(name for name, algorithm in ALGORITHMS.items() if algorithm.out_of_core is not None)


def large(folder: Path, rows: pa.Table, problem: ProblemType, *, holdout: float | None = 0.2) -> LargeSet:
    def read() -> Iterable[pa.RecordBatch]:
        return rows.to_batches(max_chunksize=130)

    return read_large_set(read, problem, folder, holdout=holdout)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_rows, "ROWS_AT_ONCE", 97)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_rows_are_read_as_they_are_in_memory(problem: ProblemType, tmp_path: Path) -> None:
    rows = training_table(1_000, problem=problem)
    rows = rows.set_column(
        rows.column_names.index("noise__x"), "noise__x", pa.array([None, *rows["noise__x"].to_pylist()[1:]])
    )
    data, whole = large(tmp_path, rows, problem), read_training_set(rows, problem)
    assert data.learned.encoding == whole.encoding
    np.testing.assert_array_equal(data.learned.matrix(0, 1_000), whole.matrix)
    np.testing.assert_array_equal(data.learned.labels, whole.labels)
    assert data.newest.classes == whole.classes
    np.testing.assert_array_equal(data.newest.matrix, whole.matrix[800:])
    np.testing.assert_array_equal(data.newest.labels, whole.labels[800:])
    # The label of a row is known three hours later, and a row comes each 57.6 minutes: three are not known yet.
    assert data.known.places[-1] == 799 - 3
    np.testing.assert_array_equal(data.known.matrix(0, 797), whole.matrix[:797])


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_lightgbm_grows_the_same_trees_from_batches(problem: ProblemType, tmp_path: Path) -> None:
    rows = training_table(1_500, problem=problem)
    data, whole = large(tmp_path, rows, problem), read_training_set(rows, problem)
    candidate = CandidateSpec(use="lightgbm", params={"num_iterations": 20})
    training = train_out_of_core(data, ModelSpec(candidates=(candidate,)), threads=1)
    in_memory = fit(candidate, whole.fit_rows(), whole.classes, 0, 1)
    assert training.model.estimator.model_to_string() == in_memory.estimator.model_to_string()
    # Judged by a model of what was known before the newest rows.
    before = fit(candidate, whole.fit_rows(data.known.places), whole.classes, 0, 1)
    np.testing.assert_array_equal(training.holdout.scores, before.score_matrix(whole.matrix[1_200:]))


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_descent_comes_near_the_same_rows_in_memory(problem: ProblemType, tmp_path: Path) -> None:
    rows = training_table(3_000, problem=problem)
    data, whole = large(tmp_path, rows, problem), read_training_set(rows, problem)
    training = train_out_of_core(data, ModelSpec(candidates=("sgd",)), threads=1)
    exact = "ridge" if problem == "regression" else "logistic_regression"
    reference = fit(CandidateSpec(use=exact), whole.fit_rows(data.known.places), whole.classes, 0, 1)
    scores = reference.score_matrix(whole.matrix[2_400:])
    # One versus the rest is no multinomial model: its probabilities are near, its classes mostly the same.
    share = np.corrcoef(training.holdout.scores.ravel(), scores.ravel())[0, 1]
    assert share > (0.9 if problem == "multiclass" else 0.99)
    again = model_from_bytes(model_to_bytes(training.model))
    np.testing.assert_array_equal(
        again.score_matrix(data.newest.matrix), training.model.score_matrix(data.newest.matrix)
    )


def test_the_best_candidate_wins_and_the_figures_say_how_they_came(tmp_path: Path) -> None:
    rows = training_table(1_500)
    candidates = (
        CandidateSpec(use="lightgbm", name="stump", params={"num_iterations": 1, "num_leaves": 2}),
        "sgd",
    )
    training = train_out_of_core(large(tmp_path, rows, "binary"), ModelSpec(candidates=candidates), threads=1)
    assert [result.name for result in training.results] == ["sgd", "stump"]
    assert training.model.name == "sgd"
    assert training.n_rows == 1_500
    assert training.holdout_metric == metric_value("roc_auc", training.candidates["sgd"])
    assert training.note == (
        "Learned out of core: 1,500 rows are more than memory may hold. Judged on the newest 300 by models of the 1,196 known "
        "before them; then fitted to all."
    )


def test_the_same_rows_have_the_same_digest_and_others_another(tmp_path: Path) -> None:
    rows = training_table(300)
    first, again = (large(tmp_path, rows, "binary").newest.digest for _ in range(2))
    changed = rows.set_column(
        2, "label", pa.array([1 - rows["label"][0].as_py(), *rows["label"].to_pylist()[1:]], pa.int8())
    )
    assert first == again != large(tmp_path, changed, "binary").newest.digest


def test_one_label_before_the_newest_rows_is_nothing_to_learn_from(tmp_path: Path) -> None:
    rows = training_table(200)
    labels = pa.array([0] * 160 + [0, 1] * 20, pa.int8())
    data = large(tmp_path, rows.set_column(2, "label", labels), "binary")
    with pytest.raises(LabelsNeededError, match="known before the newest rows have no two labels"):
        train_out_of_core(data, ModelSpec(candidates=("sgd",)), threads=1)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ModelSpec(candidates=tuple(ABLE)), ""),
        (ModelSpec(candidates=("sgd", "ridge")), "the candidate 'ridge' (ridge) needs all rows in memory"),
        (ModelSpec(candidates=(CandidateSpec(use="sgd", search={}),)), "has a search"),
        (ModelSpec(candidates=(CandidateSpec(use="lightgbm", early_stopping=True),)), "has early_stopping"),
        (ModelSpec(candidates=("sgd",), class_weight="balanced"), "has class_weight"),
        (ModelSpec(candidates=("sgd",), preprocess={}), "has `preprocess`"),
        (ModelSpec(candidates=("sgd",), calibrate="auto"), "model.calibrate"),
        (ModelSpec(candidates=("sgd",), intervals={}), "model.intervals"),
        (ModelSpec(candidates=("sgd",), quantiles=(0.9,)), "model.quantiles"),
        (ModelSpec(candidates=("sgd",), threshold={"metric": "f1"}), "model.threshold"),
        (ModelSpec(candidates=("sgd",), threshold=0.4), ""),
        (ModelSpec(candidates=("sgd",), validation={"method": "rolling_origin"}), "model.validation"),
    ],
)
def test_what_needs_all_rows_is_named(model: ModelSpec, said: str) -> None:
    found = out_of_core_obstacle(model, learns_change=False)
    assert said in found
    assert bool(said) == bool(found)


def test_a_change_is_learned_from_rows_in_memory() -> None:
    found = out_of_core_obstacle(ModelSpec(candidates=("sgd",)), learns_change=True)
    assert found == "target.difference is learned from rows in memory"
