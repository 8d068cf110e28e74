"""Every algorithm on the tables that people really have."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from declaration.choices import CANDIDATES_BY_PROBLEM
from declaration.model import Candidate
from declaration.target import ProblemType
from learning.candidates import CANDIDATES
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes, model_to_bytes
from learning.training_rows import read_training_set
from tests.fixtures.training_world import training_table

EVERY_CHOICE = [(problem, name) for problem, names in CANDIDATES_BY_PROBLEM.items() for name in names]
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


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("values", ODD_FEATURES.values(), ids=ODD_FEATURES.keys())
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_odd_features_are_learned_from_written_and_read(
    problem: ProblemType, algorithm: Candidate, values: pa.Array
) -> None:
    table = training_table(N_ROWS, problem=problem).select(
        ["row_id", "event_timestamp", "label", "label_time"]
    )
    data = read_training_set(table.append_column("odd__x", values), problem)
    model = FittedModel(
        algorithm, problem, data.classes, data.encoding, CANDIDATES[algorithm].fit(data.fit_rows(), 0, 1)
    )
    scores = model.score(data.rows)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(model_from_bytes(model_to_bytes(model)).score(data.rows), scores)
