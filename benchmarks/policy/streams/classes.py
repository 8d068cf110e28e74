"""Streams of many classes: normal clouds about a centre for each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.policy.streams.logistic import generator_of, onset_of
from benchmarks.policy.streams.stream import (
    DAY_US,
    FIRST_DAY,
    N_HISTORY,
    N_LIVE,
    N_ROWS,
    Floats,
    Stream,
    window_table,
)

N_FEATURES, SPREAD = 6, 1.35
"""Numbers of a row; standard deviation of the centres, that of the clouds being 1."""

NEW_SHARE = 0.08


@dataclass(frozen=True)
class Clouds:
    """Classes and their shares.

    Attributes
    ----------
    before, after
        Share of each class before and after the change.
    renamed
        Number of the centre that a class has after the change.
    spread
        How far the centres lie apart.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    renamed: tuple[int, ...]
    spread: float = SPREAD


_SIX = (0.27, 0.22, 0.18, 0.17, 0.13, 0.03)

CLASSES: Mapping[str, Clouds] = {
    "six classes, one of 3 %": Clouds(_SIX, _SIX, (1, 0, 3, 2, 4, 5)),
    "a new class": Clouds(
        (0.4, 0.3, 0.2, 0.1, 0.0), (0.37, 0.28, 0.18, 0.09, NEW_SHARE), (0, 1, 2, 3, 4), spread=2.0
    ),
}


def draw_classes(name: str, seed: int, clouds: Clouds) -> Stream:
    """Draw a stream."""
    generator, onset = generator_of(name, seed), onset_of(seed)
    names = np.array([f"class {letter}" for letter in "abcdef"[: len(clouds.before)]])
    centres = generator.normal(scale=clouds.spread, size=(names.size, N_FEATURES))
    windows = []
    for window in range(N_HISTORY + N_LIVE):
        is_changed = window >= onset
        drawn = generator.choice(names.size, N_ROWS, p=clouds.after if is_changed else clouds.before)
        about = np.asarray(clouds.renamed)[drawn] if is_changed else drawn
        numbers = centres[about] + generator.normal(size=(N_ROWS, N_FEATURES))
        windows.append(_table(window, numbers, names[drawn]))
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(windows),
        features=tuple(f"x{i}" for i in range(N_FEATURES)),
        problem="multiclass",
        onsets=(onset,),
    )


def _table(window: int, numbers: Floats, labels: NDArray[np.str_]) -> pa.Table:
    start_us = (FIRST_DAY + window) * DAY_US
    features: dict[str, Floats | pa.Array] = {f"x{i}": numbers[:, i] for i in range(N_FEATURES)}
    return window_table(window, start_us, DAY_US // N_ROWS, features, truth=labels)
