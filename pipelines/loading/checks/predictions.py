"""Checks of the block `predictions`: scores that are explained need candidates that can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from declaration.model import CandidateSpec
from declaration.spec import PipelineSpec
from learning.algorithms.table import ALGORITHMS
from learning.explain.contributions import EXPLAINING
from pipelines.loading.problems import Check, Fault, KeyPath, label

PREDICTIONS: KeyPath = ("predictions",)


def prediction_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the settings of scores say of the candidates."""
    yield Check([PREDICTIONS, ("model",)], partial(_contribution_faults, spec))


def _contribution_faults(spec: PipelineSpec) -> Iterator[Fault]:
    if spec.predictions is None or not spec.predictions.contributions:
        return
    path = (*PREDICTIONS, "contributions")
    for candidate in spec.model.competitors:
        if obstacle := _obstacle(candidate):
            yield Fault(path, f"{label(path)} needs answers that can be taken apart exactly. {obstacle}")


def _obstacle(candidate: CandidateSpec) -> str:
    """Say why a candidate's answers cannot be taken apart; '' where they can."""
    algorithm = ALGORITHMS.get(candidate.use)
    if algorithm is None or (algorithm.storage == "skops" and not algorithm.is_additive):
        return (
            f"Those of the candidate '{candidate.label}' cannot; those of these algorithms can: {EXPLAINING}."
        )
    if algorithm.storage != "skops" and candidate.preprocess is not None:
        return (
            f"{candidate.use} takes them apart by prepared columns, and the candidate '{candidate.label}' prepares its own. "
            "Declare it without `preprocess`."
        )
    return ""
