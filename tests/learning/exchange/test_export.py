"""Every algorithm of the table is written as ONNX and answers as the model does, or is refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from declaration.decisions import IntervalSpec
from declaration.forecast import DifferenceSpec
from declaration.model import CandidateSpec, ModelSpec
from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM
from learning.algorithms.table import ALGORITHMS
from learning.exchange import parity
from learning.exchange.export import DOUBLE, SINGLE, ExportError, model_to_onnx
from learning.exchange.parity import checked_parity, onnx_inputs, onnx_scores, spoilt_rows
from learning.fitted import FittedModel
from learning.intervals import Intervals
from learning.naive_forecast import NaiveForecast
from learning.out_of_fold import fit
from learning.quantiles import Quantiles
from learning.train import train_model
from learning.training_rows import read_training_set
from tests.fixtures.training_world import few_trees, fitted, training_table

__all__ = ["few_trees"]

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

REFUSED = {
    "linear_svm": "CalibratedClassifierCV|TransformedTargetRegressor",
    "kernel_svm": "CalibratedClassifierCV|TransformedTargetRegressor",
    "nearest_neighbours": "KNeighbors",
    "naive_bayes": "GaussianNB",
    "sgd": "SGDClassifier|SGDRegressor",
}
"""Algorithms that are not written, and what the message names."""


def odd_table(problem: ProblemType, n_rows: int = 700) -> pa.Table:
    """Build rows of every kind of feature, with missing values, rare categories and a column that holds nothing."""
    table, draw = training_table(n_rows, problem=problem), np.random.default_rng(5)

    def thinned(values: pa.Array, share: float) -> pa.Array:
        return pc.if_else(pa.array(draw.random(n_rows) < share), pa.scalar(None, values.type), values)

    for name in ("carrier__name", "signal__x"):
        thin = thinned(table[name].combine_chunks(), 0.1)
        table = table.set_column(table.column_names.index(name), name, thin)
    seen = [
        at - timedelta(seconds=int(draw.integers(0, 900_000))) for at in table["event_timestamp"].to_pylist()
    ]
    further = {
        "route__id": pa.array([f"r{number}" for number in draw.integers(0, 30, n_rows)]),
        "day__is_late": thinned(pa.array(draw.random(n_rows) < 0.3), 0.2),
        "plane__seats": pa.array(draw.integers(0, 300, n_rows)),
        "plane__seen": pa.array(seen, pa.timestamp("us", tz="UTC")),
        "plane__nothing": pa.array([None] * n_rows, pa.float64()),
    }
    for name, values in further.items():
        table = table.append_column(name, values)
    return table


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.usefixtures("few_trees")
def test_the_file_answers_as_the_model_does_or_is_refused(algorithm: str) -> None:
    for problem in EVERY_PROBLEM:
        if problem not in ALGORITHMS[algorithm].problems:
            continue
        rows = training_table(300, problem=problem) if algorithm in REFUSED else odd_table(problem)
        model = fitted(rows, problem, algorithm)
        if algorithm in REFUSED:
            with pytest.raises(ExportError, match=REFUSED[algorithm]):
                model_to_onnx(model, {})
            continue
        exported = model_to_onnx(model, {})
        found = checked_parity(model, exported, rows, seed=1)
        assert found.largest <= (SINGLE if algorithm == "xgboost" else DOUBLE)
        assert (found.n_rows, found.n_missing > 5_000, found.n_unknown > 500) == (10_000, True, True)
        assert exported == model_to_onnx(model, {})


def test_a_category_that_no_row_to_fit_on_had_has_probability_0() -> None:
    table = odd_table("multiclass")
    data = read_training_set(table, "multiclass")
    rows = data.fit_rows(np.flatnonzero(data.labels != 1))
    for algorithm in ("logistic_regression", "random_forest"):
        model = fit(CandidateSpec(use=algorithm), rows, data.classes, 0, 1)
        exported = model_to_onnx(model, {})
        assert checked_parity(model, exported, table, seed=1).largest <= DOUBLE
        scores = onnx_scores(
            exported.content, onnx_inputs(table, model.encoding, exported.missing_text), "probabilities"
        )
        assert (scores[:, 1] == 0).all()


@pytest.mark.parametrize("column", [0, None])
def test_a_naive_forecast_is_written(column: int | None) -> None:
    table = odd_table("regression")
    model = replace(fitted(table, "regression", "ridge"), estimator=NaiveForecast(column, 5.0))
    found = checked_parity(model, model_to_onnx(model, {}), table, seed=1)
    assert found.largest == 0


@pytest.mark.parametrize("algorithm", ["hist_gradient_boosting", "ridge", "xgboost"])
@pytest.mark.usefixtures("few_trees")
def test_a_change_has_the_value_before_added(algorithm: str) -> None:
    """Of missing values too: the parity's rows have them."""
    table = odd_table("regression")
    place = table.column_names.index("signal__x")
    table = table.append_column("before__value", table["signal__x"]).remove_column(place)
    data = read_training_set(table, "regression", difference=DifferenceSpec(to="last"))
    model = fit(CandidateSpec(use=algorithm), data.fit_rows(), (), 0, 1)
    assert model.difference is not None
    found = checked_parity(model, model_to_onnx(model, {}), table, seed=1)
    assert found.largest <= (SINGLE if algorithm == "xgboost" else DOUBLE)
    ratio = replace(model, difference=replace(model.difference, by="ratio"))
    with pytest.raises(ExportError, match="says a ratio to a known value"):
        model_to_onnx(ratio, {})


def test_the_file_says_what_it_reads_and_gives() -> None:
    import onnxruntime

    table = odd_table("multiclass")
    model = fitted(table, "multiclass", "decision_tree")
    exported = model_to_onnx(model, {"driftline.version": "3"})
    session = onnxruntime.InferenceSession(exported.content)
    assert [one.name for one in session.get_inputs()] == list(model.encoding.names)
    assert {one.name for one in session.get_inputs() if one.type == "tensor(string)"} == {
        "carrier__name",
        "route__id",
    }
    (output,) = session.get_outputs()
    assert (output.name, output.shape) == ("probabilities", ["n", 3])
    notes = session.get_modelmeta().custom_metadata_map
    assert json.loads(notes["driftline.classes"]) == ["early", "late", "on time"]
    assert (notes["driftline.version"], notes["driftline.missing_text"]) == ("3", "<missing>")
    assert json.loads(notes["driftline.features"])["plane__seen"] == "age"


def test_an_interval_and_quantiles_are_numbers_in_the_metadata() -> None:
    import onnxruntime

    table = odd_table("regression")
    spec = ModelSpec(candidates=("ridge",), intervals=IntervalSpec(level=0.8), quantiles=(0.1, 0.9))
    model = train_model(read_training_set(table, "regression"), spec).model
    session = onnxruntime.InferenceSession(model_to_onnx(model, {}).content)
    assert [one.name for one in session.get_outputs()] == ["value"]
    notes = session.get_modelmeta().custom_metadata_map
    steps = model.postprocessing
    assert Intervals.from_plain(json.loads(notes["driftline.intervals"])) == steps.intervals
    assert Quantiles.from_plain(json.loads(notes["driftline.quantiles"])) == steps.quantiles


def test_a_category_of_the_name_of_the_missing_text_is_a_category() -> None:
    table = training_table(400)
    names = pc.if_else(pc.equal(table["carrier__name"], "UA"), "<missing>", table["carrier__name"])
    table = table.set_column(table.column_names.index("carrier__name"), "carrier__name", names)
    model = fitted(table, "binary", "logistic_regression")
    exported = model_to_onnx(model, {})
    assert exported.missing_text == "<<missing>>"
    assert checked_parity(model, exported, table, seed=1).largest <= DOUBLE


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda scores: scores + 1e-8, r"largest difference on 10,000 rows is 1e-08, 100\.0% of them differ by more than 1e-09"),
        (lambda scores: np.where(np.arange(scores.size) == 7, np.nan, scores), r"is inf, 0\.0% of them"),
        (lambda scores: scores[:, None], r"answers with \(10000, 1\) numbers where the model .* gives \(10000,\)"),
    ],
)  # fmt: skip
def test_a_file_that_answers_otherwise_is_refused(
    spoil: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = training_table(400)
    model: FittedModel = fitted(table, "binary", "decision_tree")
    monkeypatch.setattr(parity, "onnx_scores", lambda *given: spoil(onnx_scores(*given)))  # type: ignore[operator]
    with pytest.raises(ExportError, match=said):
        checked_parity(model, model_to_onnx(model, {}), table, seed=1)


def test_rows_of_the_check_have_what_real_rows_may_have() -> None:
    table = odd_table("binary")
    encoding = fitted(table, "binary", "decision_tree").encoding
    trial = spoilt_rows(table, encoding, seed=1)
    assert trial.num_rows == 10_000
    assert all(trial[name].null_count > 800 for name in encoding.names)
    assert parity.UNKNOWN_TEXT in trial["carrier__name"].to_pylist()
    assert np.isinf(trial["plane__seats"].to_numpy()).any()
    assert trial.equals(spoilt_rows(table, encoding, seed=1))
