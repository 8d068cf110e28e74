"""Graph of an ONNX model under construction: its inputs are the features by name, in doubles and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.encode import LARGEST_NUMBER, ColumnEncoding, FeatureEncoding

MISSING_TEXT = "<missing>"
"""Text that stands for no value: ONNX has no missing text."""

OPSET, ML_OPSET, IR_VERSION = 21, 5, 10
"""Versions of ONNX that are written: since 5 trees may have thresholds and leaves in doubles."""

ML_DOMAIN = "ai.onnx.ml"


class ExchangeError(Exception):
    """An estimator that cannot be written as ONNX; the text is the end of a sentence about the model."""


class Graph:
    """Nodes and constants of an ONNX model, and the features that it reads."""

    def __init__(self, encoding: FeatureEncoding) -> None:
        self.encoding = encoding
        self.missing_text = _unlike(MISSING_TEXT, encoding)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._columns: dict[int, str] = {}
        for position, column in enumerate(encoding.columns):
            self._columns[position] = self._read(column)

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the output's name."""
        from onnx import helper

        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def numbers(self, position: int) -> str:
        """Return a feature as a column of doubles, NaN where missing; of a category its code. Shape (n, 1)."""
        column = self.encoding.columns[position]
        if column.kind != "category":
            return self._columns[position]
        codes = np.array([*range(len(column.categories) + 1), np.nan], dtype=np.float64)
        return self.looked_up(position, codes[:, None])

    def looked_up(self, position: int, table: NDArray[Any]) -> str:
        """Return what a table holds for each code of a category.

        Parameters
        ----------
        position
            Of the feature.
        table
            A row for each code, one for all other texts, and one for a missing text. Shape (n_categories + 2, m).
        """
        return self.op("Gather", self.constant(table), self._columns[position], axis=0)

    def matrix(self, dtype: type[np.float64] | type[np.float32] = np.float64) -> str:
        """Return all features as doubles, rounded to single precision where that is asked for. Shape (n, n_features)."""
        from onnx import TensorProto

        columns = [self.numbers(position) for position in range(len(self.encoding.columns))]
        joined = self.op("Concat", *columns, axis=1)
        if dtype is np.float32:
            joined = self.op("Cast", self.op("Cast", joined, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)
        return joined

    def _read(self, column: ColumnEncoding) -> str:
        """Add a feature's input, and what encoding does to it."""
        from onnx import TensorProto, helper

        is_text = column.kind == "category"
        kind = TensorProto.STRING if is_text else TensorProto.DOUBLE
        self._inputs.append(helper.make_tensor_value_info(column.name, kind, ["n", 1]))
        if is_text:
            return self._codes(column)
        infinite = self.op("IsInf", column.name)
        finite = self.op("Where", infinite, self.constant(np.array(np.nan)), column.name)
        # Before a comparison NaN must not be lost, which Clip promises of no runtime.
        missing = self.op("IsNaN", finite)
        bound = self.constant(np.array(LARGEST_NUMBER))
        bounded = self.op("Clip", finite, self.constant(np.array(-LARGEST_NUMBER)), bound)
        return self.op("Where", missing, finite, bounded)

    def _codes(self, column: ColumnEncoding) -> str:
        n_known = len(column.categories)
        codes = self.op(
            "LabelEncoder",
            column.name,
            domain=ML_DOMAIN,
            keys_strings=[*column.categories, self.missing_text],
            values_int64s=[*range(n_known), n_known + 1],
            default_int64=n_known,
        )
        # A row has one code: a table is looked up by a vector of them.
        return self.op("Squeeze", codes, self.constant(np.array([1])))

    def to_bytes(self, output: str, name: str, shape: Sequence[str | int], notes: Mapping[str, str]) -> bytes:
        """Return the model with one output; the same model gives the same bytes.

        Parameters
        ----------
        output
            Of which node.
        name, shape
            Of the output.
        notes
            Kept in the file's metadata.
        """
        from onnx import TensorProto, checker, helper

        renamed = helper.make_node("Identity", [output], [name], name)
        answer = helper.make_tensor_value_info(name, TensorProto.DOUBLE, list(shape))
        graph = helper.make_graph(
            [*self._nodes, renamed], "driftline", self._inputs, [answer], initializer=self._constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="driftline"
        )
        helper.set_model_props(model, dict(sorted(notes.items())))
        checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def _unlike(text: str, encoding: FeatureEncoding) -> str:
    """Return a text that no category has."""
    known = {category for column in encoding.columns for category in column.categories}
    while text in known:
        text = f"<{text}>"
    return text
