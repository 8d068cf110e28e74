"""Declarations that can be learned from out of core, and what keeps the others from it."""

from __future__ import annotations

from collections.abc import Iterator

from declaration.decisions import ThresholdSpec
from declaration.model import CandidateSpec, ModelSpec
from learning.algorithms.table import ALGORITHMS


def out_of_core_obstacle(model: ModelSpec, *, learns_change: bool) -> str:
    """Say what of a declaration needs all rows in memory, in one sentence without its end; '' for nothing.

    Parameters
    ----------
    model
        The block `model`.
    learns_change
        Whether the target is a change against a value before (`target.difference`).
    """
    if learns_change:
        return "target.difference is learned from rows in memory"
    return next(_obstacles(model), "")


def _obstacles(model: ModelSpec) -> Iterator[str]:
    for candidate in model.competitors:
        if fault := _candidate_obstacle(candidate):
            yield f"the candidate '{candidate.label}' {fault}"
    if model.calibrate not in (None, "none"):
        yield "model.calibrate is fitted out of fold, and there is one holdout"
    for name in ("intervals", "quantiles"):
        if getattr(model, name) is not None:
            yield f"model.{name} are fitted out of fold, and there is one holdout"
    if isinstance(model.threshold, ThresholdSpec):
        yield "model.threshold is chosen out of fold, and there is one holdout (a number can be declared)"
    if model.validation is not None:
        yield "model.validation declares folds, and there is one holdout"


def _candidate_obstacle(candidate: CandidateSpec) -> str:
    algorithm = ALGORITHMS.get(candidate.use)
    if algorithm is None or algorithm.out_of_core is None:
        return f"({candidate.use}) needs all rows in memory"
    if candidate.preprocess is not None:
        return "has `preprocess`, which is fitted to all rows"
    if candidate.search is not None:
        return "has a search, whose trials are scored in folds"
    if candidate.early_stopping:
        return "has early_stopping"
    if candidate.class_weight is not None:
        return "has class_weight"
    return ""
