"""What holds of every algorithm: the same rows give the same file, which scores the same, on any table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM
from learning.algorithms.table import ALGORITHMS, algorithms_of, load_libraries
from learning.model_file import model_from_bytes, model_to_bytes
from learning.out_of_fold import fit
from learning.threads import limited_threads
from learning.training_rows import read_training_set
from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write
from tests.fixtures.training_world import fitted, training_table

EVERY_CHOICE = [(problem, name) for name, one in ALGORITHMS.items() for problem in one.problems]
OTHER_CHOICES = [
    (problem, name)
    for name, one in ALGORITHMS.items()
    for problem in EVERY_PROBLEM
    if problem not in one.problems
]
N_ROWS = 300

GENERATOR = np.random.default_rng(0)
ODD_FEATURES: dict[str, pa.Array] = {
    "only one number": pa.array(GENERATOR.normal(size=N_ROWS)),
    "only texts": pa.array(["a", "b", None] * (N_ROWS // 3), pa.string()),
    "only NULL": pa.nulls(N_ROWS, pa.float64()),
    "only NULL texts": pa.nulls(N_ROWS, pa.string()),
    "NULL without a type": pa.nulls(N_ROWS),
    "one value": pa.array(np.full(N_ROWS, 7.0)),
    "texts that are all different": pa.array([f"text {number}" for number in range(N_ROWS)]),
    "truth values": pa.array((GENERATOR.random(N_ROWS) < 0.5).tolist()),
    "far away": pa.array(np.where(np.arange(N_ROWS) % 7 == 0, 1e300, 1.0)),
    "infinities": pa.array(np.where(np.arange(N_ROWS) % 7 == 0, np.inf, 1.0)),
}


def with_nulls(table: pa.Table) -> pa.Table:
    holes = pa.array(np.random.default_rng(1).random(table.num_rows) < 0.1)
    for name in ("signal__x", "carrier__name"):
        position = table.column_names.index(name)
        column = table[name].combine_chunks()
        punched = pa.array(column.to_pylist(), column.type, mask=holes.to_numpy(zero_copy_only=False))
        table = table.set_column(position, name, punched)
    return table


@pytest.mark.parametrize(("problem", "algorithm"), OTHER_CHOICES)
def test_a_problem_that_it_cannot_learn_is_refused_when_it_is_declared(
    problem: ProblemType, algorithm: str, tmp_path: Path
) -> None:
    change = f"[hist_gradient_boosting, {algorithm}]"
    folder = write(
        tmp_path,
        ("problem: binary", f"problem: {problem}"),
        ("[hist_gradient_boosting, logistic_regression]", change),
    )
    with pytest.raises(DeclarationError, match=f"'{algorithm}', which cannot learn a {problem} target"):
        read(folder)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_scores_are_probabilities_or_finite_values_whatever_the_rows_and_their_order(
    problem: ProblemType, algorithm: str
) -> None:
    model = fitted(with_nulls(training_table(N_ROWS, problem=problem)), problem, algorithm)
    rows = with_nulls(training_table(N_ROWS, problem=problem, seed=1, strength=50.0))
    position = rows.column_names.index("carrier__name")
    rows = rows.set_column(position, "carrier__name", pa.array(["never seen", None, "AA"] * (N_ROWS // 3)))
    scores = model.score(rows)
    assert np.isfinite(scores).all()
    if problem != "regression":
        assert ((scores >= 0) & (scores <= 1)).all()
    if problem == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-9)
    order = np.random.default_rng(2).permutation(N_ROWS)
    # One row's score owes nothing to its neighbours; sums over vectors may be added in another order.
    np.testing.assert_allclose(model.score(rows.take(order)), scores[order], rtol=1e-12, atol=1e-12)
    assert model.score(rows.slice(0, 0)).shape == (0, *scores.shape[1:])


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("values", ODD_FEATURES.values(), ids=ODD_FEATURES.keys())
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_odd_features_are_learned_from_written_and_read(
    problem: ProblemType, algorithm: str, values: pa.Array
) -> None:
    table = training_table(N_ROWS, problem=problem).select(
        ["row_id", "event_timestamp", "label", "label_time"]
    )
    table = table.append_column("odd__x", values)
    model = fitted(table, problem, algorithm)
    scores = model.score(table)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(model_from_bytes(model_to_bytes(model)).score(table), scores)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_a_model_scores_the_same_after_its_file_was_read(problem: ProblemType, algorithm: str) -> None:
    table = with_nulls(training_table(600, problem=problem))
    model = fitted(table, problem, algorithm)
    again = model_from_bytes(model_to_bytes(model))
    assert again.encoding == model.encoding
    assert again.classes == model.classes
    scores = model.score(table)
    np.testing.assert_array_equal(again.score(table), scores)
    assert scores.shape == ((600, 3) if problem == "multiclass" else (600,))


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_the_same_rows_give_the_same_bytes(problem: ProblemType, algorithm: str) -> None:
    table = training_table(400, problem=problem)
    assert model_to_bytes(fitted(table, problem, algorithm)) == model_to_bytes(
        fitted(table, problem, algorithm)
    )


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("algorithm", algorithms_of("binary"))
def test_threads_do_not_change_the_model(algorithm: str) -> None:
    data = read_training_set(training_table(3_000), "binary")
    load_libraries([CandidateSpec(use=algorithm)])
    files = set()
    for threads in (1, 2):
        with limited_threads(threads):
            files.add(model_to_bytes(fit(CandidateSpec(use=algorithm), data.fit_rows(), (), 0, threads)))
    assert len(files) == 1
