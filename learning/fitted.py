"""Fitted model: the features that it reads, and the scores it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from declaration.target import ProblemType
from learning.differences import Difference
from learning.encode import FeatureEncoding, encode
from learning.metrics import Floats
from learning.postprocessing import NONE, Postprocessing


@dataclass(frozen=True)
class FittedModel:
    """An estimator with everything needed to score rows of the lake.

    Attributes
    ----------
    algorithm
        Which of the table it is, or the naive forecast.
    problem
        What it predicts.
    classes
        Multiclass: labels in the order of the score columns. Otherwise empty.
    encoding
        How feature columns become numbers.
    estimator
        A scikit-learn estimator, a booster of LightGBM or XGBoost, or a `NaiveForecast`.
    candidate
        Name of the candidate whose settings it has.
    postprocessing
        What is made of the estimator's scores.
    preprocessing
        Fitted scikit-learn pipeline of the declared steps, from encoded features to the estimator's columns; None where
        nothing is declared.
    difference
        How values come of the changes that the estimator says; None where it says values.
    """

    algorithm: str
    problem: ProblemType
    classes: tuple[str, ...]
    encoding: FeatureEncoding
    estimator: Any
    candidate: str = ""
    postprocessing: Postprocessing = NONE
    preprocessing: Any = None
    difference: Difference | None = None

    @property
    def name(self) -> str:
        """Name in results: the candidate's, or the algorithm's."""
        return self.candidate or self.algorithm

    def score(self, rows: pa.Table) -> Floats:
        """Score rows that hold the feature columns and `event_timestamp`."""
        return self.score_matrix(encode(rows, self.encoding))

    def score_matrix(self, matrix: Floats) -> Floats:
        """Score encoded rows.

        Returns
        -------
        Floats
            Binary: probability of 1, shape (n,). Multiclass: probabilities, shape (n, n_classes).
            Regression: values, shape (n,).
        """
        n_classes = max(1, len(self.classes))
        if matrix.shape[0] == 0:
            return np.empty((0, n_classes) if self.classes else 0)
        encoded = matrix
        if self.preprocessing is not None:
            matrix = self.preprocessing.transform(matrix)
        if self.problem == "regression" or not hasattr(self.estimator, "predict_proba"):
            # Boosters of other libraries answer with probabilities.
            answers = np.asarray(self.estimator.predict(matrix), dtype=np.float64)
            if self.difference is not None:
                answers = self.difference.undone(answers, encoded)
            return self.postprocessing.scores(answers)
        probabilities = np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)
        if not self.classes:
            return self.postprocessing.scores(probabilities[:, 1])
        # A class that none of the rows to learn from had is none of the estimator's.
        whole = np.zeros((probabilities.shape[0], n_classes))
        whole[:, self.estimator.classes_] = probabilities
        return self.postprocessing.scores(whole)
