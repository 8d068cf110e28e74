"""Glossary at the foot of the pages: the meaning of their terms, so that a page explains itself offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term of art: its name, what it means, and the page of the documentation that says more."""

    name: str
    meaning: str
    more: str
    is_of_models: bool = False
    """Only pages of pipelines with a target need it."""


TERMS: Mapping[str, Term] = {
    "window": Term(
        "Window",
        "The span of time, or of rows, that one report is about: a partition of the pipeline.",
        "concepts/drift.md",
    ),
    "reference": Term(
        "Reference",
        "What a window is compared with: the rows that the model version learned from, or without a "
        "target the declared partitions.",
        "concepts/drift.md",
    ),
    "effect": Term(
        "Effect, surely, threshold",
        "How far a column's values lie from the reference's: the KS distance of numbers, Cramér's V of "
        "categories, each from 0 to 1. “Surely” is its lower confidence bound, corrected for the number "
        "of columns. The column drifted when that reaches the threshold.",
        "concepts/drift.md",
    ),
    "statuses": Term(
        "Drifted, likely, cannot be judged",
        "Drifted is certain: the bound reaches the threshold. Likely: surely not zero, and the estimate reaches the "
        "threshold. Cannot be judged: the reference's own partitions differ so much that drift would not be seen.",
        "concepts/drift.md",
    ),
    "relations": Term(
        "What the others say",
        "A regression of each feature on the other features and the time of the year, learned on the reference: "
        "a season moves all along it, a fault breaks it in one. Level: how far the window lies from it. Slope: "
        "whether the feature follows the others. Noise: what is left.",
        "concepts/season.md",
    ),
    "strength": Term(
        "Strength",
        "The sure effect in thresholds, cut at 1: at 100 % the column drifted.",
        "concepts/drift.md",
    ),
    "drift-score": Term(
        "Drift score",
        "The strengths of all features, weighted by what each is worth to the model: 0 where nothing is "
        "certain, 1 where everything that counts has surely moved.",
        "concepts/drift.md",
    ),
    "multivariate": Term(
        "Told from the reference",
        "The AUC of a classifier that tells rows of the window from rows of the reference by all "
        "features together; 0.5 is by chance.",
        "concepts/drift.md",
    ),
    "outside": Term(
        "Outside training, extrapolation",
        "The share of rows with a value outside the range, or in none of the categories, of the rows that the "
        "model learned from: there it guesses beyond what it has seen. It is judged on its own, whatever a "
        "feature's importance was on the holdout.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "importance": Term(
        "Importance",
        "A feature's share in the model's skill, measured on the holdout.",
        "concepts/gate.md",
        is_of_models=True,
    ),
    "realised": Term(
        "Realised performance",
        "The metric on rows whose labels arrived in this window, whatever window the rows are of.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "cost": Term(
        "Cost a row",
        "What the decisions that were served have cost, by the declared cost of each mistake, over the rows whose labels "
        "arrived in this window. Without the threshold: if the likelier class had been named.",
        "how-to/decisions.md",
        is_of_models=True,
    ),
    "coverage": Term(
        "Realised coverage",
        "The share of truths inside the interval, or at or below each quantile, as it was served, over the rows whose labels "
        "arrived in this window; in small print its 95 % interval by blocks of time. A season that the model has not seen has other errors.",
        "how-to/decisions.md",
        is_of_models=True,
    ),
    "estimated": Term(
        "Estimated performance",
        "The metric that the model's own calibrated probabilities (or errors) foretell before labels "
        "arrive; it supposes that the relation of features and label stands.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "skill": Term(
        "Skill",
        "The share of the best naive forecast's loss that the model avoids: 1 without error, 0 no better, "
        "below 0 worse. Naive forecasts are the classes' shares, mean and median, the entity's last known "
        "value and its value a day, a week or a year before. The loss is the error of a number, and the "
        "Brier score of classes.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "holdout": Term(
        "Holdout",
        "The rows that judged the model, each scored by a fit that had not learned from it: what performance is "
        "held against. The fits know later rows, so under slow drift it flatters a little.",
        "concepts/gate.md",
        is_of_models=True,
    ),
    "e-value": Term(
        "Errors risen, e-value",
        "Evidence, over all windows of a model version, that errors have risen. Unlike a p-value it may "
        "be looked at after every window.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "calibration": Term(
        "Calibration",
        "Predicted probabilities against observed shares. On the diagonal, of 100 rows with a "
        "probability of 0.2 about 20 come true.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "residuals": Term(
        "Residual",
        "The label less the prediction.",
        "concepts/drift.md",
        is_of_models=True,
    ),
    "quality": Term(
        "Data quality",
        "The least score of the window's datasets, from 0 to 1: completeness, validity, uniqueness and "
        "the declared expectations.",
        "concepts/quality.md",
    ),
    "quarantine": Term(
        "Quarantine",
        "Rows that broke an expectation with on_failure: quarantine. They are kept in a table of their "
        "own and nothing is made from them.",
        "concepts/quality.md",
    ),
    "champion": Term(
        "Champion",
        "The model version that serves.",
        "concepts/gate.md",
        is_of_models=True,
    ),
    "gate": Term(
        "Gate",
        "The test that a newly trained version has to pass against the champion, on rows that neither "
        "has learned from, before it serves.",
        "concepts/gate.md",
        is_of_models=True,
    ),
}
"""Terms by their anchor."""

TERM_BY_WORDS: Mapping[str, str] = {
    "Drift score": "drift-score",
    "Features drifted": "statuses",
    "verdict": "statuses",
    "newest verdict": "statuses",
    "Told from the reference": "multivariate",
    "Realised": "realised",
    "Estimated": "estimated",
    "Cost a row": "cost",
    "Inside the interval": "coverage",
    "At or below quantiles": "coverage",
    "Outside training": "outside",
    "Skill": "skill",
    "skill": "skill",
    "Errors risen": "e-value",
    "Holdout": "holdout",
    "Data quality": "quality",
    "Quarantined": "quarantine",
    "Champion": "champion",
    "Its age": "champion",
    "Trainings": "gate",
    "Windows": "window",
    "importance": "importance",
    "effect": "effect",
    "surely": "effect",
    "sd from the others": "relations",
    "threshold": "effect",
    "strength": "strength",
    "sure, of the threshold": "strength",
    "drift score": "drift-score",
    "quality": "quality",
    "estimated": "estimated",
    "Calibration": "calibration",
    "Residuals": "residuals",
}
"""Anchor of a term by the words that a heading or a figure begins with."""


def anchor_of(words: str) -> str:
    """Return the anchor of the term that some words begin with; '' where they are plain words.

    Examples
    --------
    >>> anchor_of("Realised roc_auc"), anchor_of("Rows")
    ('realised', '')
    """
    return next((anchor for term, anchor in TERM_BY_WORDS.items() if words.startswith(term)), "")
