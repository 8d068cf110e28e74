"""Streams by name, by kind: concepts, populations, labels, shocks, classes, regressions, and real ones."""

from __future__ import annotations

from benchmarks.policy.streams.classes import CLASSES, draw_classes
from benchmarks.policy.streams.concepts import CONCEPTS
from benchmarks.policy.streams.labels import LABELS
from benchmarks.policy.streams.logistic import draw_logistic
from benchmarks.policy.streams.populations import POPULATIONS
from benchmarks.policy.streams.real import REAL
from benchmarks.policy.streams.regression import REGRESSIONS
from benchmarks.policy.streams.shocks import SHOCKS
from benchmarks.policy.streams.stream import Stream

__all__ = ["LOGISTIC", "NAMES", "draw_stream"]

LOGISTIC = {**POPULATIONS, **LABELS, **CONCEPTS, **SHOCKS}

NAMES = (*LOGISTIC, *CLASSES, *REGRESSIONS, *REAL)


def draw_stream(name: str, seed: int) -> Stream | None:
    """Draw a stream; None where it is a real one that is not here.

    Raises
    ------
    KeyError
        If there is no such stream.
    """
    if name in LOGISTIC:
        return draw_logistic(name, seed, LOGISTIC[name])
    if name in CLASSES:
        return draw_classes(name, seed, CLASSES[name])
    return {**REGRESSIONS, **REAL}[name](name, seed)
