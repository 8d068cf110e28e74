"""Contributions to single answers: by how much each feature moved the raw score of a row from that of an average one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assets.model.explanations import read_centres
from declaration.names import EVENT_TIMESTAMP
from learning.algorithms.table import ALGORITHMS
from learning.encode import encode
from learning.explain.contributions import contributions
from learning.fitted import FittedModel
from serving.predictor import Prediction, Serving, ServingError


@dataclass(frozen=True)
class Explained:
    """One answer taken apart.

    Attributes
    ----------
    output
        What the raw score is of: log odds, value, or the predicted class.
    base_of, base, raw
        Row that parts are counted from, its raw score, and this one's.
    parts
        Features with the largest parts, the largest first; `rest` is the sum of all others.
    """

    output: str
    base_of: str
    base: float
    raw: float
    parts: tuple[tuple[str, float], ...]
    rest: float

    def as_plain(self) -> Mapping[str, Any]:
        """Return it as JSON values."""
        return {
            "output": self.output,
            "base_of": self.base_of,
            "base": self.base,
            "raw_score": self.raw,
            "contributions": [{"feature": feature, "part": part} for feature, part in self.parts],
            "rest": self.rest,
        }

    def text(self) -> str:
        """Say it in a line."""
        shown = ", ".join(f"{feature} {part:+.4g}" for feature, part in self.parts)
        rest = f", all others {self.rest:+.4g}" if self.rest else ""
        return f"{self.output} {self.raw:.4g} = {self.base:.4g} of {self.base_of}, {shown}{rest}"


def explained_rows(serving: Serving, answer: Prediction, n_parts: int) -> tuple[Explained, ...]:
    """Take every answer apart, and keep the largest parts.

    Raises
    ------
    ExplanationError
        If the champion's answers cannot be taken apart.
    """
    if serving.champion is None or serving.champion.version != answer.model_version:
        raise ServingError("the model that answered no longer serves. Ask again.")
    model, features = serving.champion.model, answer.features
    instants = pa.array([features.now], pa.timestamp("us", tz="UTC")).take(
        pa.array([0] * features.table.num_rows, pa.int32())
    )
    matrix = encode(features.table.append_column(EVENT_TIMESTAMP, instants), model.encoding)
    centres = read_centres(serving.lake, serving.pipeline.name, answer.model_version)
    found = contributions(model, matrix, centres=centres)
    is_additive = ALGORITHMS[model.algorithm].is_additive
    # Of versions of before centres were kept.
    base_of = "a row without values" if is_additive and centres is None else "an average row"
    rows = []
    for place in range(matrix.shape[0]):
        output = int(found.raw[place].argmax())
        parts = found.parts[place, :, output]
        order = np.argsort(-np.abs(parts), kind="stable")[:n_parts]
        rows.append(
            Explained(
                _output(model, output),
                base_of,
                float(found.base[output]),
                float(found.raw[place, output]),
                tuple((found.names[position], float(parts[position])) for position in order),
                float(np.delete(parts, order).sum()),
            )
        )
    return tuple(rows)


def _output(model: FittedModel, output: int) -> str:
    if model.problem == "multiclass":
        return f"score of {model.classes[output]}"
    return "log odds" if model.problem == "binary" else "value"
