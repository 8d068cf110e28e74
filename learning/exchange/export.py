"""A fitted model written as ONNX: features by name go in, probabilities or values come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from declaration.errors import DriftlineError
from learning.algorithms.boosting import XgboostModel
from learning.exchange.boosting import add_histograms, add_lightgbm, add_xgboost
from learning.exchange.graph import ExchangeError, Graph
from learning.exchange.plain import add_forest, add_linear, add_naive, check_linear
from learning.fitted import FittedModel
from learning.naive_forecast import NaiveForecast

OUTPUTS: Mapping[str, str] = {
    "binary": "probability",
    "multiclass": "probabilities",
    "regression": "value",
}
"""Name of the one output, by the problem."""


class ExportError(DriftlineError):
    """A model cannot be written as ONNX, or does not answer as the original does."""


DOUBLE, SINGLE = 1e-9, 1e-5
"""Greatest difference of two scores, by the precision in which the original adds: of probabilities as they stand, of values as a
share of the value. XGBoost adds in single precision, the runtime in double."""


@dataclass(frozen=True)
class Exported:
    """An ONNX file.

    Attributes
    ----------
    content
        The file.
    missing_text
        What stands for no text in it.
    tolerance
        How far its scores may be from the model's.
    """

    content: bytes
    missing_text: str
    tolerance: float


def model_to_onnx(model: FittedModel, notes: Mapping[str, str]) -> Exported:
    """Write a model as ONNX.

    Parameters
    ----------
    model
        The model.
    notes
        Kept in the file's metadata, beside the classes and how features are read.

    Raises
    ------
    ExportError
        If the estimator is none that can be written.
    """
    if model.preprocessing is not None:
        raise ExportError(
            f"the model '{model.name}' has columns prepared before it (`preprocess`, or an estimator of your own), which are "
            "not written yet. Train a candidate without, or score in Python with `driftline predict`."
        )
    graph = Graph(model.encoding)
    try:
        output = _undone(graph, model, _add(graph, model))
    except ExchangeError as error:
        raise ExportError(
            f"the model '{model.name}' {error}. Written are boosted and other trees, forests, and linear and logistic "
            "regression: name one of these among model.candidates, or score in Python with `driftline predict`."
        ) from error
    shape: list[str | int] = ["n", len(model.classes)] if model.classes else ["n"]
    kinds = {column.name: column.kind for column in model.encoding.columns}
    properties = {
        **notes,
        "driftline.problem": model.problem,
        "driftline.classes": json.dumps(model.classes),
        "driftline.features": json.dumps(kinds),
        "driftline.missing_text": graph.missing_text,
    }
    # What lies around a value is arithmetic on it: kept as numbers, for whoever serves the file.
    steps = model.postprocessing
    for name, around in (("intervals", steps.intervals), ("quantiles", steps.quantiles)):
        if around is not None:
            properties[f"driftline.{name}"] = json.dumps(around.to_plain())
    content = graph.to_bytes(output, OUTPUTS[model.problem], shape, properties)
    tolerance = SINGLE if isinstance(model.estimator, XgboostModel) else DOUBLE
    return Exported(content, graph.missing_text, tolerance)


def _undone(graph: Graph, model: FittedModel, change: str) -> str:
    """Add the value that a change is measured against."""
    difference = model.difference
    if difference is None:
        return change
    if difference.by == "ratio":
        raise ExchangeError("says a ratio to a known value (target.difference), which is not written as ONNX")
    return graph.op("Add", change, add_naive(graph, NaiveForecast(difference.column, difference.otherwise)))


def _add(graph: Graph, model: FittedModel) -> str:
    """Add an estimator by its kind: whoever stores a model file writes one of these."""
    estimator: Any = model.estimator
    n_classes = 0 if model.problem == "regression" else max(1, len(model.classes))
    if isinstance(estimator, NaiveForecast):
        return add_naive(graph, estimator)
    if isinstance(estimator, XgboostModel):
        return add_xgboost(graph, estimator.booster)
    if hasattr(estimator, "dump_model"):
        return add_lightgbm(graph, estimator)
    if hasattr(estimator, "_predictors"):
        return add_histograms(graph, estimator)
    if hasattr(estimator, "tree_") or hasattr(estimator, "estimators_"):
        return add_forest(graph, estimator, n_classes)
    if hasattr(estimator, "steps"):
        check_linear(estimator)
        return add_linear(graph, estimator, n_classes)
    raise ExchangeError(f"is a {type(estimator).__name__}, which is not written as ONNX")
