"""Pictures of a training: spans, ROC and calibration curves, importances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from assets.model.comparison_pages import candidates_page, limits_page
from assets.model.explanation_pages import explanation_pages
from assets.model.naive import NaiveResults
from assets.model.quantiles import quantiles_of, quantiles_page
from charts import as_markdown_cell, as_markdown_image, lines
from declaration.target import ProblemType
from learning.candidate_comparison import CandidateComparison
from learning.explain.explanation import Explanation
from learning.judged import judged_text
from learning.limits.finding import LimitFinding
from learning.metrics import Floats, Scored
from learning.proper_score import SCORE_NAMES
from learning.spans import SpanResult
from learning.train import Training

if TYPE_CHECKING:
    from learning.preprocess.text import ColumnText

N_CURVE_POINTS = 120
N_CALIBRATION_BINS = 10


def training_pages(
    training: Training,
    comparison: CandidateComparison,
    naive: NaiveResults,
    champion: Scored | None,
    limits: Sequence[LimitFinding],
    explanation: Explanation,
) -> Mapping[str, str]:
    """Return the Markdown pages of a training, by metadata key.

    Parameters
    ----------
    training
        What was trained.
    comparison
        Its candidates beside each other.
    naive
        Naive forecasts on the same rows.
    champion
        The champion's scores on the rows it was compared on, if it was.
    limits
        What was found of the gate's limits.
    explanation
        What the trained model rests on, and where it errs.
    """
    problem = training.model.problem
    pages = {
        "candidates": candidates_page(training, comparison, naive),
        "spans": spans_page(training),
    }
    # scikit-learn's classes are its base: loading the definitions must not wait for them.
    from learning.preprocess.text import learned_texts

    if columns := learned_texts(training.model.preprocessing, training.model.encoding):
        pages["preprocessing"] = preprocessing_page(columns)
    if (found := quantiles_of(training)) is not None:
        pages["quantiles"] = quantiles_page(found)
    if limits:
        pages["limits"] = limits_page(limits)
    models = {f"challenger ({training.model.name})": training.holdout}
    if champion is not None:
        models["champion"] = champion
    pages |= explanation_pages(explanation, training, models)
    if problem == "binary":
        pages["roc_curve"] = roc_page(models)
    if problem != "multiclass":
        pages["calibration"] = calibration_page(training.holdout, problem)
    return pages


def preprocessing_page(columns: Sequence[ColumnText]) -> str:
    """List what the declared preprocessing learned of each feature."""
    rows = (
        f"| {as_markdown_cell(one.name)} | {one.kind} | {as_markdown_cell(one.steps)} |" for one in columns
    )
    return "\n".join(["| feature | kind | steps as learned |", "|---|---|---|", *rows])


def _note(result: SpanResult, training: Training) -> str:
    if result.is_of_newest_fold:
        return " (behind in the newest fold, and scored no further)"
    return " (chosen)" if result.span == training.span else ""


def spans_page(training: Training) -> str:
    """Compare the spans of the past that competed, and say how the figures were measured."""
    name = SCORE_NAMES[training.model.problem]
    rows = (
        f"| {result.span.name}{_note(result, training)} | {result.n_rows} | {result.loss:.4f} "
        f"| {result.gain:+.4f} | {result.n_standard_errors:+.1f} |"
        for result in training.spans
    )
    judged = judged_text(training.judged.size, int(training.folds.max()) + 1)
    return "\n".join(
        [
            f"| span | rows | {name} | better than all | in standard errors |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
            f"Judged on {judged}.",
        ]
    )


def roc_page(models: Mapping[str, Scored]) -> str:
    """Draw ROC curves, each on the rows that its model was compared on."""
    return as_markdown_image(roc_picture(models), "ROC curve")


def roc_picture(models: Mapping[str, Scored]) -> str:
    """Draw ROC curves as SVG."""
    return lines(
        {name: roc_points(scored) for name, scored in models.items()},
        title="ROC curve out of fold",
        x_label="share of negatives called positive",
        y_label="share of positives found",
        diagonal=True,
    )


def roc_points(scored: Scored) -> list[tuple[float, float]]:
    """Return a ROC curve in at most `N_CURVE_POINTS` + 1 points, from (0, 0) to (1, 1).

    Examples
    --------
    >>> roc_points(Scored(np.array([0.0, 1.0]), np.array([0.2, 0.9])))
    [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    """
    order = np.argsort(-scored.scores, kind="stable")
    labels, scores = scored.labels[order], scored.scores[order]
    # Rows with equal scores are one step: their order means nothing.
    ends = np.append(np.flatnonzero(np.diff(scores)), labels.size - 1)
    hits = np.cumsum(labels)[ends] / max(labels.sum(), 1)
    false_alarms = np.cumsum(1 - labels)[ends] / max((1 - labels).sum(), 1)
    places = np.unique(np.linspace(0, ends.size - 1, N_CURVE_POINTS).round().astype(np.int64))
    curve = zip(false_alarms[places].tolist(), hits[places].tolist(), strict=True)
    return [(0.0, 0.0), *curve]


def calibration_page(scored: Scored, problem: ProblemType) -> str:
    """Draw the mean label against the mean score in groups of rows with like scores."""
    return as_markdown_image(calibration_picture(scored, problem), "Calibration curve")


def calibration_picture(scored: Scored, problem: ProblemType) -> str:
    """Draw the calibration as SVG."""
    is_binary = problem == "binary"
    return lines(
        {"out of fold": calibration_points(scored)},
        title="Calibration out of fold",
        x_label="mean predicted probability" if is_binary else "mean predicted value",
        y_label="share of positives" if is_binary else "mean value",
        diagonal=True,
    )


def calibration_points(scored: Scored) -> list[tuple[float, float]]:
    """Return mean score and mean label of ten groups of equal size, ordered by score."""
    order = np.argsort(scored.scores, kind="stable")
    groups: list[Floats] = np.array_split(order, min(N_CALIBRATION_BINS, order.size))
    return [(float(scored.scores[group].mean()), float(scored.labels[group].mean())) for group in groups]
