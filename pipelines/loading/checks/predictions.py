"""Checks of the block `predictions`: candidates that can be explained, and places that scores can be written to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from declaration.model import CandidateSpec
from declaration.names import is_url
from declaration.spec import PipelineSpec
from learning.algorithms.table import ALGORITHMS
from learning.explain.contributions import EXPLAINING
from pipelines.loading.problems import Check, Fault, KeyPath, label, repeats

PREDICTIONS: KeyPath = ("predictions",)


def prediction_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the settings of scores say of the candidates."""
    yield Check([PREDICTIONS, ("model",)], partial(_contribution_faults, spec))
    yield Check([(*PREDICTIONS, "write_to")], partial(_place_faults, spec))


def _contribution_faults(spec: PipelineSpec) -> Iterator[Fault]:
    if spec.predictions is None or not spec.predictions.contributions:
        return
    path = (*PREDICTIONS, "contributions")
    for candidate in spec.model.competitors:
        if obstacle := _obstacle(candidate):
            yield Fault(
                path, f"{label(path)} needs answers that are taken apart by what the model holds. {obstacle}"
            )


def _obstacle(candidate: CandidateSpec) -> str:
    """Say why a candidate's answers cannot be taken apart; '' where they can."""
    algorithm = ALGORITHMS.get(candidate.use)
    if algorithm is None or algorithm.explains == "sampled":
        return (
            f"Those of the candidate '{candidate.label}' take some thousand scores for each row, too many for whole partitions "
            f"(`driftline predict --explain` does it for single rows); those of these algorithms take none: {EXPLAINING}."
        )
    if algorithm.explains in ("native", "trees") and candidate.preprocess is not None:
        return (
            f"{candidate.use} takes them apart by prepared columns, and the candidate '{candidate.label}' prepares its own. "
            "Declare it without `preprocess`."
        )
    return ""


_KEYS = {"parquet": ("path",), "delta": ("path",), "sql": ("url", "table")}
"""Keys of each type of place."""


def _place_faults(spec: PipelineSpec) -> Iterator[Fault]:
    path, places = (
        (*PREDICTIONS, "write_to"),
        spec.predictions.write_to if spec.predictions is not None else (),
    )
    for position, place in enumerate(places):
        at = (*path, position)
        for key in ("path", "url", "table"):
            is_given = getattr(place, key) is not None
            if is_given and key not in _KEYS[place.type]:
                yield Fault(
                    (*at, key), f"{label(at)} has '{key}', which is not for type {place.type}. Remove it."
                )
            if not is_given and key in _KEYS[place.type]:
                yield Fault(at, f"missing key '{key}' in {label(at)}: type {place.type} needs it.")
        if place.path is not None and is_url(place.path):
            text = f"{label(at)} has the path '{place.path}', but scores are written to this machine's folders. Mount the store, or write to a database."
            yield Fault((*at, "path"), text)
    yield from repeats(path, [place.place for place in places])
