"""Contributions to single answers: by how much each feature moved the raw score of a row from that of an average one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa

from assets.model.explanations import read_version
from declaration.names import EVENT_TIMESTAMP
from learning.encode import encode
from learning.explain.contributions import Contributions, contributions, estimated_contributions
from learning.explain.raw_score import ExplanationError, NoSumError
from learning.fitted import FittedModel
from learning.metrics import Floats
from serving.predictor import Prediction, Serving, ServingError


@dataclass(frozen=True)
class Explained:
    """One answer taken apart.

    Attributes
    ----------
    output
        What the raw score is of: log odds, probability, value, or one of these of the predicted class.
    base_of, base, raw
        Row that parts are counted from, its raw score, and this one's.
    parts
        Features with the largest parts, the largest first; `rest` is the sum of all others.
    errors
        Standard errors of these parts; empty where they are exact.
    n_orders
        Orders of the features that parts are estimated from; 0 where they are exact.
    """

    output: str
    base_of: str
    base: float
    raw: float
    parts: tuple[tuple[str, float], ...]
    rest: float
    errors: tuple[float, ...] = ()
    n_orders: int = 0

    def as_plain(self) -> Mapping[str, Any]:
        """Return it as JSON values."""
        return {
            "output": self.output,
            "base_of": self.base_of,
            "base": self.base,
            "raw_score": self.raw,
            "contributions": [
                {"feature": feature, "part": part, "standard_error": error}
                for (feature, part), error in zip_longest(self.parts, self.errors)
            ],
            "rest": self.rest,
            "n_orders": self.n_orders,
        }

    def text(self) -> str:
        """Say it in a line."""
        shown = ", ".join(f"{feature} {part:+.4g}" for feature, part in self.parts)
        rest = f", all others {self.rest:+.4g}" if self.rest else ""
        estimated = ""
        if self.errors:
            estimated = f" (estimated from {self.n_orders} orders of the features: standard errors up to {max(self.errors):.2g})"
        return f"{self.output} {self.raw:.4g} = {self.base:.4g} of {self.base_of}, {shown}{rest}{estimated}"


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
    found = _contributions(serving, model, answer.model_version, matrix)
    return tuple(_explained(found, place, n_parts) for place in range(matrix.shape[0]))


def _contributions(serving: Serving, model: FittedModel, version: int, matrix: Floats) -> Contributions:
    kept = read_version(serving.lake, serving.pipeline.name, version)
    centres, background = (kept.centres, kept.background) if kept is not None else (None, None)
    try:
        return contributions(model, matrix, centres=centres, background=background)
    except NoSumError as error:
        if background is not None:
            return estimated_contributions(model, matrix, background)
        name = serving.pipeline.name
        raise ExplanationError(
            f"version {version} of {name} cannot be asked why: rows to compare its answers with are kept since a newer release. "
            f"Train one that keeps them: `driftline run {name} --partition KEY --retrain`; where the gate does not let it serve, promote it."
        ) from error


def _explained(found: Contributions, place: int, n_parts: int) -> Explained:
    output = int(found.raw[place].argmax())
    parts = found.parts[place, :, output]
    order = np.argsort(-np.abs(parts), kind="stable")[:n_parts]
    errors = found.errors[place, order, output].tolist() if found.errors is not None else ()
    return Explained(
        found.outputs[output],
        found.base_of,
        float(found.base[output]),
        float(found.raw[place, output]),
        tuple((found.names[position], float(parts[position])) for position in order),
        float(np.delete(parts, order).sum()),
        tuple(errors),
        found.n_orders,
    )
