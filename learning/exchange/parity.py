"""Parity of an ONNX file with the model it was written from: the same rows, scored by both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from learning.encode import FeatureEncoding, encode
from learning.exchange.export import OUTPUTS, Exported, ExportError
from learning.fitted import FittedModel

N_ROWS = 10_000
"""Rows that both score."""

MISSING_SHARE, UNKNOWN_SHARE, EXTREME_SHARE = 0.1, 0.05, 0.02
"""Shares of values that are taken away, of texts that no training knew, and of numbers that are infinite or huge."""

UNKNOWN_TEXT = "a text that no training knew"
EXTREMES = (np.inf, -np.inf, 0.0, 1e31, -1e31)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """Distance of the file's scores from the model's.

    Attributes
    ----------
    n_rows
        Rows that both scored.
    n_missing, n_unknown
        Values that were missing, and texts that no training knew.
    largest
        Largest difference of two scores: of probabilities as it stands, of values as a share of the value, or of the median
        one where it is smaller.
    tolerance
        How large it may be.
    """

    n_rows: int
    n_missing: int
    n_unknown: int
    largest: float
    tolerance: float


def checked_parity(model: FittedModel, exported: Exported, rows: pa.Table, *, seed: int) -> Parity:
    """Score rows by a model and by its ONNX file.

    Parameters
    ----------
    model
        The model.
    exported
        The file.
    rows
        Of the training set; drawn from, and spoilt here and there.
    seed
        Of the draw.

    Raises
    ------
    ExportError
        If scores differ by more than the tolerance, or are missing where the model's are not.
    """
    trial = spoilt_rows(rows, model.encoding, seed=seed)
    expected = model.score(trial)
    inputs = onnx_inputs(trial, model.encoding, exported.missing_text)
    scores = onnx_scores(exported.content, inputs, OUTPUTS[model.problem])
    if scores.shape != expected.shape:
        raise ExportError(
            f"the ONNX file answers with {scores.shape} numbers where the model '{model.name}' gives {expected.shape}: it is "
            "not written. This is a fault of Driftline's; please report it with the model's algorithm."
        )
    distances = np.abs(scores - expected)
    if model.problem == "regression":
        distances /= np.maximum(
            np.abs(expected), max(float(np.median(np.abs(expected))), np.finfo(float).tiny)
        )
    # A missing score is as far away as can be.
    distances = np.where(np.isnan(distances), np.inf, distances)
    largest = float(distances.max())
    if largest > exported.tolerance:
        raise ExportError(
            f"the ONNX file of the model '{model.name}' answers otherwise than the model: the largest difference on "
            f"{trial.num_rows:,} rows is {largest:.3g}, {np.mean(distances > exported.tolerance):.1%} of them differ by more than "
            f"{exported.tolerance:g}. It is not written. Score in Python with `driftline predict`."
        )
    texts = [trial[column.name] for column in model.encoding.columns if column.kind == "category"]
    return Parity(
        n_rows=trial.num_rows,
        n_missing=sum(trial[name].null_count for name in model.encoding.names),
        n_unknown=sum(pc.sum(pc.equal(column, UNKNOWN_TEXT)).as_py() or 0 for column in texts),
        largest=largest,
        tolerance=exported.tolerance,
    )


def spoilt_rows(rows: pa.Table, encoding: FeatureEncoding, *, seed: int) -> pa.Table:
    """Draw `N_ROWS` rows and take values away, put in unknown texts, and infinite and huge numbers."""
    draw = np.random.default_rng(seed)
    trial = rows.take(draw.integers(0, rows.num_rows, N_ROWS))
    for column in encoding.columns:
        values = trial[column.name].combine_chunks()
        if column.kind == "category":
            unknown = draw.random(N_ROWS) < UNKNOWN_SHARE
            values = pc.if_else(pa.array(unknown), UNKNOWN_TEXT, values.cast(pa.string()))
        if column.kind == "number":
            doubles = values.cast(pa.float64(), safe=False)
            extreme = pa.array(draw.choice(EXTREMES, N_ROWS))
            values = pc.if_else(pa.array(draw.random(N_ROWS) < EXTREME_SHARE), extreme, doubles)
        nothing = pa.scalar(None, values.type)
        values = pc.if_else(pa.array(draw.random(N_ROWS) < MISSING_SHARE), nothing, values)
        trial = trial.set_column(trial.column_names.index(column.name), column.name, values)
    return trial


def onnx_inputs(rows: pa.Table, encoding: FeatureEncoding, missing_text: str) -> Mapping[str, NDArray[Any]]:
    """Return the inputs of an ONNX file by name: texts as they are, numbers and truth values as doubles, instants as ages in seconds.

    Parameters
    ----------
    rows
        The feature columns, and `event_timestamp` where a feature is an age.
    encoding
        How the model reads them.
    missing_text
        What stands for no text.
    """
    inputs: dict[str, NDArray[Any]] = {}
    for column in encoding.columns:
        values = rows[column.name]
        if column.kind == "category":
            texts = pc.fill_null(values.cast(pa.string()), missing_text)
            inputs[column.name] = np.array(texts.to_pylist(), dtype=object)[:, None]
        elif column.kind == "age":
            inputs[column.name] = np.ascontiguousarray(encode(rows, FeatureEncoding((column,))))
        else:
            numbers = values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values
            doubles = pc.fill_null(numbers.cast(pa.float64(), safe=False), float("nan"))
            inputs[column.name] = np.array(doubles.to_numpy(), dtype=np.float64)[:, None]
    return inputs


def onnx_scores(content: bytes, inputs: Mapping[str, NDArray[Any]], output: str) -> Floats:
    """Score inputs by an ONNX file, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (scores,) = session.run([output], inputs)
    return np.asarray(scores, dtype=np.float64)
