"""What holds of every algorithm behind every kind of preprocessing: it learns odd rows, and its file scores the same."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import CandidateSpec
from declaration.preprocess import PreprocessSpec
from declaration.target import ProblemType
from learning.algorithms.table import ALGORITHMS
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes, model_to_bytes, preprocessing_texts
from learning.out_of_fold import fit
from learning.preprocess import steps
from learning.preprocess.text import learned_texts
from learning.training_rows import read_training_set
from tests.fixtures.training_world import training_table

N_ROWS = 80

PREPROCESSINGS = {
    "the defaults": {},
    "all that is slow": {
        "numbers": {"missing": "knn", "outliers": "iqr", "scale": "quantile"},
        "categories": {"encode": "target"},
        "dates": {},
        "isolation_forest": True,
        "select": {"min_variance": 0, "mutual_information": 12, "model": 8},
    },
    "hashes": {
        "numbers": {"missing": "constant", "value": -1, "outliers": "z_score", "scale": "robust"},
        "categories": {"encode": "hashing", "n_features": 8},
        "texts": {"encode": "hashing", "n_features": 16},
        "dates": {"parts": ["age", "year", "quarter", "day_of_month", "day_of_year"], "cyclic": False},
    },
    "in order": {
        "numbers": {"missing": "mean", "indicator": False, "scale": "min_max"},
        "categories": {"encode": "ordinal", "missing": "most_frequent"},
        "columns": {"carrier__name": {"encode": "one_hot"}, "noise__x": {"missing": "most_frequent"}},
    },
}

CHOICES = [
    (problem, name, block)
    for name, one in ALGORITHMS.items()
    for problem in one.problems
    for block in PREPROCESSINGS
    # The steps that look at labels meet every kind of label; the others each algorithm once.
    if block == "all that is slow" or problem == one.problems[0]
]


def odd_table(problem: ProblemType, n_rows: int = N_ROWS) -> pa.Table:
    """Build rows with every kind of column, gaps in most, and some that hold nothing."""
    table = training_table(n_rows, problem=problem)
    draw = np.random.default_rng(1)
    words = np.array(["parcel", "late", "broken", "fine", "again", "thanks"])
    times = [
        None if row % 7 == 0 else at - timedelta(hours=row)
        for row, at in enumerate(table["event_timestamp"].to_pylist())
    ]
    columns = {
        "note__text": pa.array([None if row % 9 == 0 else " ".join(draw.choice(words, 5)) for row in range(n_rows)]),
        "when__date": pa.array(times, pa.timestamp("us", tz="UTC")),
        "gaps__x": pa.array(np.where(draw.random(n_rows) < 0.3, np.nan, draw.normal(size=n_rows))),
        "gaps__kind": pa.array([[None, "a", "b"][number] for number in draw.integers(0, 3, n_rows)]),
        "far__x": pa.array(np.where(np.arange(n_rows) % 7 == 0, 1e300, 1.0)),
        "none__x": pa.nulls(n_rows, pa.float64()),
        "none__kind": pa.nulls(n_rows, pa.string()),
        "yes__no": pa.array((draw.random(n_rows) < 0.5).tolist()),
    }  # fmt: skip
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def strange_rows(table: pa.Table) -> pa.Table:
    """Return three rows of what training has not seen: new categories, infinities, nothing at all, and one that had nothing."""
    rows = table.slice(0, 3)
    strange = {
        "carrier__name": pa.array(["never seen", None, "AA"]),
        "note__text": pa.array(["words that nobody wrote", None, ""]),
        "gaps__x": pa.array([np.inf, None, -1e300]),
        "gaps__kind": pa.array(["c", None, "a"]),
        "none__x": pa.array([1.0, None, np.nan]),
        "none__kind": pa.array(["x", None, "y"]),
        "when__date": pa.nulls(3, pa.timestamp("us", tz="UTC")),
    }
    for name, values in strange.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def prepared(table: pa.Table, problem: ProblemType, algorithm: str, block: object) -> FittedModel:
    candidate = CandidateSpec(use=algorithm, preprocess=PreprocessSpec.model_validate(block))
    data = read_training_set(table, problem).read_for(candidate)
    return fit(candidate, data.fit_rows(), data.classes, 0, 1)


@pytest.fixture(autouse=True)
def few_trees_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow few trees where their number is beside the point."""
    monkeypatch.setattr(steps, "N_ISOLATION_TREES", 5)
    monkeypatch.setattr(steps, "N_SELECTION_TREES", 5)


# Few rows with far values are no place for liblinear to converge at; it must not break.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm", "block"), CHOICES)
def test_odd_rows_are_learned_scored_and_scored_the_same_from_the_file(
    problem: ProblemType, algorithm: str, block: str
) -> None:
    table = odd_table(problem)
    model = prepared(table, problem, algorithm, PREPROCESSINGS[block])
    again = model_from_bytes(model_to_bytes(model))
    assert again.encoding == model.encoding
    for rows in (table, strange_rows(table), table.slice(5, 1)):
        scores = model.score(rows)
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(again.score(rows), scores)
    texts = learned_texts(model.preprocessing, model.encoding)
    assert preprocessing_texts(model_to_bytes(model)) == texts
    assert [one.name for one in texts][: len(model.encoding.names)] == list(model.encoding.names)


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("block", PREPROCESSINGS.values(), ids=PREPROCESSINGS.keys())
def test_the_same_rows_give_the_same_bytes(block: object) -> None:
    table = odd_table("binary")
    first = model_to_bytes(prepared(table, "binary", "hist_gradient_boosting", block))
    assert first == model_to_bytes(prepared(table, "binary", "hist_gradient_boosting", block))


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("block", PREPROCESSINGS.values(), ids=PREPROCESSINGS.keys())
def test_one_rows_score_owes_nothing_to_its_neighbours(block: object) -> None:
    table = odd_table("binary")
    model = prepared(table, "binary", "lightgbm", block)
    order = np.random.default_rng(2).permutation(N_ROWS)
    np.testing.assert_allclose(model.score(table.take(order)), model.score(table)[order], rtol=1e-9)
